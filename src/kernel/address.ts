/**
 * kernel/address — a mail address as Volley stores, sends and compares it.
 *
 * Promises: `parseAddress` accepts what can stand between the angle brackets of RCPT TO (RFC 5321
 *           4.1.2, dot-string or quoted local part, RFC 6531 for UTF-8 local parts) and gives back
 *           the domain in lower-case ASCII (IDNA, RFC 5891). `key` is what duplicates and
 *           suppressions are compared by: local part in lower case too, without needless quotes.
 * Never:    lets CR, LF, NUL or any other control character through; folds dots or +tags (they are
 *           other mailboxes at most providers); takes `a@x.example/y` for an address at x.example.
 * Fails:    with a reason as a value.
 */
import { domainToASCII } from 'node:url';

export interface Address {
  /** For RCPT TO: `Local.Part@xn--fiqs8s.example`. */
  address: string;
  local: string;
  /** Lower-case ASCII. */
  domain: string;
  /** Lower case, for comparison. */
  key: string;
  /** The local part needs SMTPUTF8. */
  utf8: boolean;
}

export type AddressResult = { ok: true; value: Address } | { ok: false; reason: string };

const ATEXT = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u{80}-\u{10ffff}]+$/u;
const QUOTED = /^"(?:[^"\\\p{Cc}]|\\[^\p{Cc}])*"$/u;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** To `domainToASCII`, which reads the host of a URL, these end the name or stand for another one. */
const NOT_IN_NAME = /[/?#%\\:@]/;
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u;

function refuse(reason: string): AddressResult {
  return { ok: false, reason };
}

/** Lower-case ASCII form of a domain name, or null when it is none. */
export function asciiDomain(domain: string): string | null {
  if (domain === '' || domain.length > 253) return null;
  if (FORBIDDEN.test(domain) || NOT_IN_NAME.test(domain)) return null;
  const ascii = domainToASCII(domain.replace(/\.$/, '')).toLowerCase();
  const labels = ascii.split('.');
  if (ascii.length > 253 || labels.length < 2 || !labels.every((label) => LABEL.test(label))) {
    return null;
  }
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : ascii;
}

/** Lengths: local part <= 64 octets, whole <= 254 (RFC 5321 4.5.3.1, RFC 3696 erratum 1690). */
export function parseAddress(input: string): AddressResult {
  if (FORBIDDEN.test(input)) return refuse('contains a control character');
  const text = input.trim();
  if (text === '') return refuse('is empty');
  const at = text.lastIndexOf('@');
  if (at < 0) return refuse('has no @');
  const local = text.slice(0, at);
  if (local === '') return refuse('has nothing before the @');
  if (Buffer.byteLength(local) > 64) return refuse('has more than 64 octets before the @');
  const plain = local.split('.').every((atom) => ATEXT.test(atom));
  if (!plain && !QUOTED.test(local)) return refuse('has a character or dot that is not allowed');
  const domain = asciiDomain(text.slice(at + 1));
  if (domain === null) return refuse('has no valid domain after the @');
  const address = `${local}@${domain}`;
  if (Buffer.byteLength(address) > 254) return refuse('is longer than 254 octets');

  const key = `${plain ? local : withoutQuotes(local)}@${domain}`.toLowerCase().normalize('NFC');
  const utf8 = /[^\u0000-\u007f]/u.test(local);
  return { ok: true, value: { address, local, domain, key, utf8 } };
}

/** `"anna"` is the mailbox `anna` (RFC 5321 4.1.2); quotes that are needed stay. */
function withoutQuotes(local: string): string {
  const content = local.slice(1, -1).replace(/\\(.)/gu, '$1');
  return content.split('.').every((atom) => ATEXT.test(atom)) ? content : local;
}
