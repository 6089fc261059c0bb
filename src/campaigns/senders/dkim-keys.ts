/**
 * campaigns/senders/dkim-keys — makes the keys of a sender and opens sealed ones.
 *
 * Promises: generated off the event loop (RSA-2048 takes 50 to 500 ms). A private key leaves this file
 *           sealed; only source.ts opens it, in memory. Selectors are random unless one is asked for,
 *           so two installations that sign for one domain do not publish under one name.
 * Fails:    `openPrivateKey` throws `config_invalid` when no secret we know has sealed it.
 */
import { generateKeyPair, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { AppError } from '../../kernel/errors.ts';
import { deriveKey, seal, unseal } from '../../kernel/secrets.ts';
import type { NewDkimKey } from './store.ts';

export const DKIM_ALGORITHMS = ['rsa-sha256', 'ed25519-sha256'] as const;
export type DkimAlgorithm = (typeof DKIM_ALGORITHMS)[number];

const generate = promisify(generateKeyPair);
/** A raw Ed25519 public key is the last 32 bytes of its SPKI form. */
const ED25519_BYTES = 32;

/** One key each, under selectors that belong together. */
export async function generateDkimKeys(
  secret: string,
  algorithms: readonly DkimAlgorithm[],
): Promise<NewDkimKey[]> {
  const name = randomName();
  return Promise.all(
    algorithms.map((algorithm) => generateDkimKey(secret, algorithm, selectorOf(name, algorithm))),
  );
}

export async function generateDkimKey(
  secret: string,
  algorithm: DkimAlgorithm,
  selector: string = selectorOf(randomName(), algorithm),
): Promise<NewDkimKey> {
  const sealingKey = deriveKey(secret, 'dkim-at-rest');
  if (algorithm === 'rsa-sha256') {
    const { privateKey, publicKey } = await generate('rsa', { modulusLength: 2048 });
    return {
      selector,
      algorithm,
      privateKeySealed: seal(sealingKey, pem(privateKey)),
      publicKey: spki(publicKey).toString('base64'),
    };
  }
  const { privateKey, publicKey } = await generate('ed25519');
  return {
    selector,
    algorithm,
    privateKeySealed: seal(sealingKey, pem(privateKey)),
    // RFC 8463 4.2: p= carries the key itself, not SPKI.
    publicKey: spki(publicKey).subarray(-ED25519_BYTES).toString('base64'),
  };
}

function randomName(): string {
  return `volley-${randomBytes(4).toString('hex')}`;
}

function selectorOf(name: string, algorithm: DkimAlgorithm): string {
  return `${name}-${algorithm === 'rsa-sha256' ? 'rsa' : 'ed'}`;
}

function spki(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

function pem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** PKCS#8 PEM. */
export function openPrivateKey(
  secrets: { secret: string; previousSecrets: readonly string[] },
  sealed: Uint8Array,
): string {
  for (const secret of [secrets.secret, ...secrets.previousSecrets]) {
    try {
      return unseal(deriveKey(secret, 'dkim-at-rest'), sealed);
    } catch {
      // Sealed with another secret: the next one may fit.
    }
  }
  throw new AppError(
    'config_invalid',
    'a DKIM key cannot be opened: VOLLEY_SECRET changed; put the former one into VOLLEY_PREVIOUS_SECRETS',
  );
}
