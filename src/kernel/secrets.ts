/**
 * kernel/secrets — keys derived from VOLLEY_SECRET, and sealing with them.
 *
 * Promises: one secret, many keys: HKDF-SHA-256 with the purpose as info (RFC 5869), so a VERP key
 *           never opens a DKIM key. Sealed = 12-byte nonce, 16-byte tag, ciphertext (AES-256-GCM).
 * Fails:    `unseal` throws when the secret is not the one it was sealed with; callers say so.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

export type KeyPurpose =
  'verp' | 'links' | 'dkim-at-rest' | 'routing-at-rest' | 'webhooks-at-rest' | 'erasure';

/** 32 bytes. `secret` is the text of VOLLEY_SECRET. */
export function deriveKey(secret: string, purpose: KeyPurpose): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, 'volley', purpose, 32));
}

export function seal(key: Uint8Array, plaintext: string): Uint8Array {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

export function unseal(key: Uint8Array, sealed: Uint8Array): string {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(12, 28));
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8');
}

/** With the first secret that fits, newest first; null when none does. */
export function unsealWithAny(
  secrets: readonly string[],
  purpose: KeyPurpose,
  sealed: Uint8Array,
): string | null {
  for (const secret of secrets) {
    try {
      return unseal(deriveKey(secret, purpose), sealed);
    } catch {
      // Sealed with another secret: the next one may fit.
    }
  }
  return null;
}
