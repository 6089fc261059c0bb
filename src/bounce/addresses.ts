/**
 * bounce/addresses — finding mail addresses in the fields and texts of reports.
 *
 * Promises: what comes out has one `@`, a plausible local part and domain, and no brackets, control
 *           characters or trailing punctuation. Case is kept.
 * Never:    completes an address: `user` without a domain is no address here.
 * Why:      looser than kernel/address on purpose: reports hold addresses that no one may send to
 *           (`user@localhost`, 80-octet local parts), and they must still be recognised.
 */

const LOCAL = String.raw`(?:"[^"\r\n]{1,64}"|[^\s<>()[\]\\,;:@"\u0000-\u001f\u007f]{1,128})`;
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
    const address = cleanAddress(match[0]);
    if (address !== null) {
      return { address, start: match.index, end: match.index + match[0].length };
    }
  }
  return null;
}

/** The first address of a text, or null. */
export function firstAddress(text: string): string | null {
  return addressesIn(text, 1)[0] ?? null;
}

export function sameAddress(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
