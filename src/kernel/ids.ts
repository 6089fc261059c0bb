/**
 * kernel/ids — the public form of row ids: a type prefix and 13 characters of Crockford base32.
 *
 * Promises: reversible, sorts like the number, one spelling per id. `parseId` answers null for
 *           anything else (wrong prefix, wrong letters, over 63 bits); callers say 404.
 * Why:      rows are keyed by bigint (8 bytes instead of 16 or 30 in every index of ten million
 *           rows); ids are no secret, every route asks for a key.
 */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 13;
/** So many of the last digits, and the rest of them, are exact as numbers. */
const HALF_LENGTH = 7;
const HALF = 32n ** 7n;
const MAX_ID = 2n ** 63n - 1n;

export type IdPrefix =
  | 'key'
  | 'snd'
  | 'tpl'
  | 'cmp'
  | 'rcp'
  | 'upl'
  | 'dlv'
  | 'sup'
  | 'imp'
  | 'ers'
  | 'evt'
  | 'inb'
  | 'rte'
  | 'src'
  | 'tlr'
  | 'alr'
  | 'alm'
  | 'pps'
  | 'whk'
  | 'whd';

/** `formatId('cmp', 7n)` -> `cmp_0000000000007`. */
export function formatId(prefix: IdPrefix, id: bigint): string {
  const high = digits(Number(id / HALF), LENGTH - HALF_LENGTH);
  return `${prefix}_${high}${digits(Number(id % HALF), HALF_LENGTH)}`;
}

/** Of a number, because every step of a bigint makes a new one. */
function digits(number: number, length: number): string {
  let text = '';
  let rest = number;
  for (let i = 0; i < length; i += 1) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** The row id, or null when `text` is not an id of this type. */
export function parseId(prefix: IdPrefix, text: string): bigint | null {
  if (text.length !== prefix.length + 1 + LENGTH || !text.startsWith(`${prefix}_`)) return null;
  let id = 0n;
  for (const letter of text.slice(prefix.length + 1)) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) return null;
    id = (id << 5n) | BigInt(value);
  }
  return id > MAX_ID ? null : id;
}
