/**
 * campaigns/senders/dkim-keys — makes the keys of a new sender and opens sealed ones.
 *
 * Promises: generated off the event loop (RSA-2048 takes 50 to 500 ms). A private key leaves this file
 *           sealed; only source.ts opens it, in memory. Selectors are random, so two installations
 *           that sign for one domain do not publish under one name.
 * Fails:    `openPrivateKey` throws `config_invalid` when no secret we know has sealed it.
 */
import { generateKeyPair, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { AppError } from '../../kernel/errors.ts';
import { deriveKey, seal, unseal } from '../../kernel/secrets.ts';
import type { NewDkimKey } from './store.ts';

const generate = promisify(generateKeyPair);
/** A raw Ed25519 public key is the last 32 bytes of its SPKI form. */
const ED25519_BYTES = 32;

export async function generateDkimKeys(secret: string): Promise<NewDkimKey[]> {
  const [rsa, ed25519] = await Promise.all([
    generate('rsa', { modulusLength: 2048 }),
    generate('ed25519'),
  ]);
  const sealingKey = deriveKey(secret, 'dkim-at-rest');
  const name = `volley-${randomBytes(4).toString('hex')}`;
  return [
    {
      selector: `${name}-rsa`,
      algorithm: 'rsa-sha256',
      privateKeySealed: seal(sealingKey, pem(rsa.privateKey)),
      publicKey: spki(rsa.publicKey).toString('base64'),
    },
    {
      selector: `${name}-ed`,
      algorithm: 'ed25519-sha256',
      privateKeySealed: seal(sealingKey, pem(ed25519.privateKey)),
      // RFC 8463 4.2: p= carries the key itself, not SPKI.
      publicKey: spki(ed25519.publicKey).subarray(-ED25519_BYTES).toString('base64'),
    },
  ];
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
