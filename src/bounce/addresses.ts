/**
 * bounce/addresses — finding mail addresses in the fields and texts of reports.
 *
 * Promises: what comes out has one `@`, a plausible local part and domain, and no brackets, control
 *           characters or trailing punctuation. Case is kept.
 * Never:    completes an address: `user` without a domain is no address here.
 * Why:      looser than kernel/address on purpose: reports hold addresses that no one may send to
 *           (`user@localhost`, 80-octet local parts), and they must still be recognised.
 */

const LOCAL = String.raw`(?:"[^"\r\n]{1,64}"|[^\s<>()[\]\\,;:@"\u0000-\u001f\u007f：，。；（）【】「」《》“”‘’、！？]{1,128})`;
const DOMAIN = String.raw`(?:[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}._-]{0,251}[\p{L}\p{M}\p{N}])?|\[[\d.:A-Fa-f]{7,45}\])`;
const WHOLE = new RegExp(`^${LOCAL}@${DOMAIN}$`, 'u');
const ANY = new RegExp(`${LOCAL}@${DOMAIN}`, 'gu');

/** `<Mailto:user@example.com>` -> `user@example.com`; null when it is no address. */
export function cleanAddress(text: string): string | null {
  let address = text.trim();
  const angle = /<([^<>]*@[^<>]*)>/.exec(address);
  if (angle?.[1] !== undefined) address = angle[1];
  address = address
    .replace(/^(?:mailto|smtp):/i, '')
    .replace(/^[<'`\s]+|[>'`\s.,;:]+$/g, '')
    // A source route (RFC 5321 C): `@relay.example:user@example.com`.
    .replace(/^@[^:\s]+:/, '');
  if (address.length > 320 || !WHOLE.test(address)) return null;
  return address;
}

/** All addresses of a text in order, without repeats, at most `limit`. */
export function addressesIn(text: string, limit = 20): string[] {
  const head = text.slice(0, 16_384);
  const found = new Map<string, string>();
  let from = 0;
  while (found.size < limit) {
    const next = addressAt(head, from);
    if (next === null) break;
    from = next.end;
    const key = next.address.toLowerCase();
    if (!found.has(key)) found.set(key, next.address);
  }
  return [...found.values()];
}

/** The first address at or after `from`, and where it stands. */
export function addressAt(
  text: string,
  from: number,
): { address: string; start: number; end: number } | null {
  if (!text.includes('@', from)) return null;
  ANY.lastIndex = from;
  for (let count = 0; count < 5; count += 1) {
    const match = ANY.exec(text);
    if (match === null) return null;
    const { text: found, skipped } = unglued(match[0]);
    const address = cleanAddress(found);
    const start = match.index + skipped;
    if (address !== null) return { address, start, end: start + found.length };
  }
  return null;
}

/**
 * Chinese and Japanese write no spaces: `发送到anna@example.com不存在`. An ASCII domain has an ASCII
 * local part, and ends where other letters begin.
 */
function unglued(text: string): { text: string; skipped: number } {
  const at = text.lastIndexOf('@');
  const domain = /^[\w-]+(?:\.[\w-]+)+(?=[^\u0000-\u007f])/.exec(text.slice(at + 1))?.[0];
  const whole = domain === undefined ? text : text.slice(0, at + 1) + domain;
  if (/[^\u0000-\u007f]/.test(whole.slice(at + 1))) return { text: whole, skipped: 0 };
  const local = /[\u0021-\u007e]+$/.exec(whole.slice(0, at))?.[0] ?? '';
  if (local === '') return { text: whole, skipped: 0 };
  return { text: `${local}${whole.slice(at)}`, skipped: at - local.length };
}

/** The first address of a text, or null. */
export function firstAddress(text: string): string | null {
  return addressesIn(text, 1)[0] ?? null;
}

export function sameAddress(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
