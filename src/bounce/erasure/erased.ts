/**
 * bounce/erasure/erased — what is left of an address that was erased: a keyed hash of it, and an empty
 * recipient row.
 *
 * Pure. Promises: nobody without VOLLEY_SECRET can ask the hashes whether an address is among them. An
 *           address has one hash per secret, the current one's first; what a former secret hashed is
 *           found as long as that secret is in VOLLEY_PREVIOUS_SECRETS.
 * Why 128 bits: two addresses of a billion share a hash with a chance of 1 in 10^20.
 * See:      DESIGN.md "Erasure".
 */
import { createHmac } from 'node:crypto';
import { deriveKey } from '../../kernel/secrets.ts';

const HASH_BYTES = 16;
/** No address key begins like this: it has an @ somewhere, this has none. */
export const ERASED_KEY = 'erased:';
/** Instead of the address, in recipients and reports. */
export const ERASED_ADDRESS = 'erased';

export function isErased(addressKey: string): boolean {
  return addressKey.startsWith(ERASED_KEY);
}

export interface AddressHasher {
  /** Hex, one per secret, the current secret's first. */
  hashesOf(addressKey: string): string[];
}

export function createAddressHasher(secrets: {
  secret: string;
  previousSecrets: readonly string[];
}): AddressHasher {
  const keys = [...new Set([secrets.secret, ...secrets.previousSecrets])].map((secret) =>
    deriveKey(secret, 'erasure'),
  );
  return {
    hashesOf: (addressKey) =>
      keys.map((key) => {
        const digest = createHmac('sha256', key).update(addressKey).digest();
        return digest.subarray(0, HASH_BYTES).toString('hex');
      }),
  };
}
