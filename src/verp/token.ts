/**
 * verp/token — a row id that strangers cannot make up, short enough for a local part.
 *
 *     byte 0      version (high nibble) and kind (low nibble)
 *     byte 1      key id
 *     0..8 bytes  id, big-endian, no leading zero byte
 *     12 bytes    HMAC-SHA-256 over all bytes before it, cut to 96 bits
 *
 * Pure. Promises: `verifyToken` answers only for what a key of the ring signed, in constant time; the
 *           kind is under the MAC, so no token works as another kind. Letter case does not matter,
 *           every other change of a single character is refused. At most 36 characters.
 * Fails:    null, without saying why.
 * Why:      no personal data in the envelope sender, and bounces cannot be forged without VERP.
 *           96 bits cannot be guessed online: each guess costs an RCPT command.
 * See:      verp/address.ts, verp/link.ts.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { invariant } from '../kernel/errors.ts';
import { decodeBase32, encodeBase32 } from './base32.ts';
import type { KeyRing, SigningKey } from './keyring.ts';

/** Never reordered: the position is what is signed. `id` names a delivery, or a batch. */
export const TOKEN_KINDS = [
  'delivery',
  'batch',
  'unsubscribe',
  'unsubscribe_batch',
  'feedback',
] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

export interface Token {
  kind: TokenKind;
  id: bigint;
}

const VERSION = 1;
const MAC_BYTES = 12;
const HEAD_BYTES = 2;
const MAX_TEXT = 36;
const MAX_ID = 2n ** 63n - 1n;

function mac(key: SigningKey, signed: Uint8Array): Buffer {
  const hmac = createHmac('sha256', key.key).update('volley verp token\0').update(signed);
  return hmac.digest().subarray(0, MAC_BYTES);
}

function idBytes(id: bigint): Buffer {
  if (id === 0n) return Buffer.alloc(0);
  const hex = id.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

/** Lower case. `id` is a row id: 0..2^63-1. */
export function signToken(ring: KeyRing, kind: TokenKind, id: bigint): string {
  invariant(id >= 0n && id <= MAX_ID, 'a token carries a row id');
  const head = Buffer.of((VERSION << 4) | TOKEN_KINDS.indexOf(kind), ring.signing.id);
  const signed = Buffer.concat([head, idBytes(id)]);
  return encodeBase32(Buffer.concat([signed, mac(ring.signing, signed)]));
}

export function verifyToken(ring: KeyRing, text: string): Token | null {
  if (text.length > MAX_TEXT) return null;
  const bytes = decodeBase32(text);
  if (bytes === null || bytes.length < HEAD_BYTES + MAC_BYTES) return null;
  const signed = bytes.subarray(0, -MAC_BYTES);
  const given = bytes.subarray(-MAC_BYTES);
  const [head = 0, keyId = 0, firstIdByte] = signed;
  const kind = TOKEN_KINDS[head & 15];
  if (head >> 4 !== VERSION || kind === undefined || firstIdByte === 0) return null;
  const known = ring.verifying.some(
    (key) => key.id === keyId && timingSafeEqual(mac(key, signed), given),
  );
  if (!known) return null;
  const hex = Buffer.from(signed.subarray(HEAD_BYTES)).toString('hex');
  const id = hex === '' ? 0n : BigInt(`0x${hex}`);
  return id > MAX_ID ? null : { kind, id };
}
