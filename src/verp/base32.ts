/**
 * verp/base32 — bytes as lower-case letters and digits (RFC 4648, no padding).
 *
 * Pure. Promises: one spelling per byte string, apart from case: unused bits of the last letter must
 *           be zero, and a length that no byte string has is refused.
 * Why:      some mail systems fold the case of a local part, so base64 would not come home.
 */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const LETTERS = Buffer.from(ALPHABET, 'latin1');
const ONLY_ALPHABET = /^[A-Za-z2-7]+$/;

/** Written into a buffer: put together letter by letter, each letter would make a string. */
export function encodeBase32(bytes: Uint8Array): string {
  const text = Buffer.allocUnsafe(Math.ceil((bytes.length * 8) / 5));
  let length = 0;
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text[length] = LETTERS[(held >> bits) & 31] ?? 0;
      length += 1;
    }
    held &= (1 << bits) - 1;
  }
  if (bits > 0) text[length] = LETTERS[(held << (5 - bits)) & 31] ?? 0;
  return text.toString('latin1');
}

/** The bytes, or null when `text` is not the spelling of any. */
export function decodeBase32(text: string): Uint8Array | null {
  if (!ONLY_ALPHABET.test(text)) return null;
  const bytes = new Uint8Array((text.length * 5) >> 3);
  let length = 0;
  let bits = 0;
  let held = 0;
  for (const letter of text.toLowerCase()) {
    held = (held << 5) | ALPHABET.indexOf(letter);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length] = held >> bits;
    length += 1;
    held &= (1 << bits) - 1;
  }
  return bits >= 5 || held !== 0 ? null : bytes;
}
