/**
 * verp/token — a row id that strangers cannot make up, short enough for a local part.
 *
 *     byte 0      version (high nibble) and kind (low nibble)
 *     byte 1      key id
 *     0..8 bytes  id, big-endian, no leading zero byte
 *     12 bytes    96 bits of the HMAC-SHA-512 over version, key id and id: each kind has its own 96
 *
 * Pure. Promises: `verifyToken` answers only for what a key of the ring signed, in constant time; no
 *           token works as another kind, because another kind is other bits of the HMAC, which tell
 *           nothing of each other. Letter case does not matter, every other change of a single
 *           character is refused. At most 36 characters.
 * Fails:    null, without saying why.
 * Why:      no personal data in the envelope sender, and bounces cannot be forged without VERP.
 *           96 bits cannot be guessed online: each guess costs an RCPT command. One HMAC for all
 *           kinds of one id, because a message carries three tokens of its delivery
 *           (`npm run bench -- verp`).
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
const LABEL = Buffer.from('volley verp token\0', 'latin1');

/** The MACs of all kinds, one behind the other: 60 of 64 bytes. */
function macs(key: SigningKey, id: Uint8Array): Buffer {
  const signed = Buffer.allocUnsafe(LABEL.length + HEAD_BYTES + id.length);
  LABEL.copy(signed);
  signed[LABEL.length] = VERSION;
  signed[LABEL.length + 1] = key.id;
  signed.set(id, LABEL.length + HEAD_BYTES);
  return createHmac('sha512', key.key).update(signed).digest();
}

function macOf(all: Buffer, kind: TokenKind): Buffer {
  const at = TOKEN_KINDS.indexOf(kind) * MAC_BYTES;
  return all.subarray(at, at + MAC_BYTES);
}

function idBytes(id: bigint): Buffer {
  if (id === 0n) return Buffer.alloc(0);
  const hex = id.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

/**
 * Makes the tokens of one row id (0..2^63-1), in lower case. All in one buffer, because they differ in
 * the first byte and the MAC only: 1,300 bytes of heap for the three tokens of a message, where buffers
 * of their own and strings made letter by letter took 5,000.
 */
export function tokensOf(ring: KeyRing, id: bigint): (kind: TokenKind) => string {
  invariant(id >= 0n && id <= MAX_ID, 'a token carries a row id');
  const { signing } = ring;
  const bytes = idBytes(id);
  const all = macs(signing, bytes);
  const macAt = HEAD_BYTES + bytes.length;
  const token = Buffer.allocUnsafe(macAt + MAC_BYTES);
  token[1] = signing.id;
  token.set(bytes, HEAD_BYTES);
  return (kind) => {
    const index = TOKEN_KINDS.indexOf(kind);
    token[0] = (VERSION << 4) | index;
    all.copy(token, macAt, index * MAC_BYTES, (index + 1) * MAC_BYTES);
    return encodeBase32(token);
  };
}

export function signToken(ring: KeyRing, kind: TokenKind, id: bigint): string {
  return tokensOf(ring, id)(kind);
}

export function verifyToken(ring: KeyRing, text: string): Token | null {
  if (text.length > MAX_TEXT) return null;
  const bytes = decodeBase32(text);
  if (bytes === null || bytes.length < HEAD_BYTES + MAC_BYTES) return null;
  const idOctets = bytes.subarray(HEAD_BYTES, -MAC_BYTES);
  const given = bytes.subarray(-MAC_BYTES);
  const [head = 0, keyId = 0] = bytes;
  const kind = TOKEN_KINDS[head & 15];
  if (head >> 4 !== VERSION || kind === undefined || idOctets[0] === 0) return null;
  const known = ring.verifying.some(
    (key) => key.id === keyId && timingSafeEqual(macOf(macs(key, idOctets), kind), given),
  );
  if (!known) return null;
  const hex = Buffer.from(idOctets).toString('hex');
  const id = hex === '' ? 0n : BigInt(`0x${hex}`);
  return id > MAX_ID ? null : { kind, id };
}
