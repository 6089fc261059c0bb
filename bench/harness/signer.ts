/** bench/signer — a signer with a fresh key, for those who sign themselves. */
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createSigner } from '../../src/mta/dkim.ts';
import type { Signer } from '../../src/mta/dkim.ts';
import { DOMAIN } from './message.ts';
import type { Dkim } from './settings.ts';

export const SELECTOR = 'bench';

export function privateKeyFor(dkim: Exclude<Dkim, 'none'>): KeyObject {
  if (dkim === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  return generateKeyPairSync('ed25519').privateKey;
}

export function createBenchSigner(dkim: Dkim): Signer | null {
  if (dkim === 'none') return null;
  const algorithm = dkim === 'rsa' ? 'rsa-sha256' : 'ed25519-sha256';
  const keys = [{ selector: SELECTOR, algorithm, privateKey: privateKeyFor(dkim) } as const];
  return createSigner({ domain: DOMAIN, keys });
}
