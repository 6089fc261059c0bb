/**
 * verp/keyring — the keys that sign tokens, and those that still verify.
 *
 * Pure. Promises: the first secret signs, all verify, so a secret is rotated by putting the new one
 *           in front (VOLLEY_SECRET, VOLLEY_PREVIOUS_SECRETS). A key's id is one byte made from the
 *           key itself: nothing to configure, and the same on every node.
 * Fails:    no secret at all is a bug of the caller. Two keys with the same id (1 in 256) are fine:
 *           both are tried.
 */
import { createHmac, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { invariant } from '../kernel/errors.ts';
import { deriveKey } from '../kernel/secrets.ts';

export interface SigningKey {
  /** 0..255. */
  id: number;
  /** Not bytes: made into a key object for every token they cost 13.8 us instead of 2.6. */
  key: KeyObject;
}

export interface KeyRing {
  signing: SigningKey;
  /** All of them, the signing one too. */
  verifying: readonly SigningKey[];
}

function signingKey(secret: string): SigningKey {
  const key = createSecretKey(deriveKey(secret, 'verp'));
  return { id: createHmac('sha256', key).update('volley verp key id').digest().readUInt8(0), key };
}

/** `secrets`: the current one first, then former ones. */
export function createKeyRing(secrets: readonly string[]): KeyRing {
  const verifying = [...new Set(secrets)].map(signingKey);
  const signing = verifying[0];
  invariant(signing !== undefined, 'a key ring has at least one secret');
  return { signing, verifying };
}
