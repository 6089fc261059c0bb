/**
 * mta/tls/rpt-record — whether a domain asks for TLS reports, and where to (RFC 8460 3).
 *
 * Pure. Promises: strict: one record, `v=TLSRPTv1` first, every field of the grammar, else nobody asks.
 *           At most 8 places; those of other schemes, and web servers named by a bare IP address, are
 *           passed over. A mail address is one that can stand in a header.
 */
import ipaddr from 'ipaddr.js';
import { parseAddress } from '../../kernel/address.ts';

export interface ReportPlaces {
  /** Mail addresses. */
  mail: readonly string[];
  /** https URLs. */
  web: readonly string[];
}

const MAX_RECORD = 4_096;
const MAX_URL = 1_024;
const MAX_PLACES = 8;
const VERSION = 'v=TLSRPTv1';
const FIELD = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([\x21-\x3a\x3c\x3e-\x7e]+)$/;
/** RFC 3986, with `,`, `;` and `!` encoded. */
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[\w.~:/?#[\]@$&'()*+=%-]+$/;

/** `texts`: the TXT records of `_smtp._tls.<domain>`. null: reports are not asked for. */
export function parseReportRecord(texts: readonly string[]): ReportPlaces | null {
  const records = texts.filter((text) => /^v=TLSRPTv1[ \t]*;/.test(text));
  const [record] = records;
  if (record === undefined || records.length > 1 || record.length > MAX_RECORD) return null;
  const fields = record.slice(VERSION.length).split(';').slice(1).map(trim);
  // One delimiter may stand at the end.
  if (fields.at(-1) === '') fields.pop();
  let rua: string | null = null;
  for (const field of fields) {
    if (field.startsWith('rua=')) {
      if (rua !== null) return null;
      rua = field.slice('rua='.length);
    } else if (!FIELD.test(field)) return null;
  }
  return rua === null ? null : placesOf(rua.split(',').map(trim));
}

function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}

function placesOf(uris: readonly string[]): ReportPlaces | null {
  if (!uris.every((uri) => URI.test(uri))) return null;
  const mail = new Set<string>();
  const web = new Set<string>();
  for (const uri of uris) {
    if (mail.size + web.size === MAX_PLACES) break;
    const address = mailAddress(uri);
    if (address !== null) mail.add(address);
    const url = webAddress(uri);
    if (url !== null) web.add(url);
  }
  return mail.size + web.size === 0 ? null : { mail: [...mail], web: [...web] };
}

function mailAddress(uri: string): string | null {
  if (!/^mailto:/i.test(uri)) return null;
  const [encoded = ''] = uri.slice('mailto:'.length).split('?');
  try {
    const parsed = parseAddress(decodeURIComponent(encoded));
    return parsed.ok && !parsed.value.utf8 ? parsed.value.address : null;
  } catch {
    // Not percent-encoded UTF-8.
    return null;
  }
}

function webAddress(uri: string): string | null {
  if (uri.length > MAX_URL || !/^https:/i.test(uri) || !URL.canParse(uri)) return null;
  const url = new URL(uri);
  const bare = url.hostname.replace(/^\[|\]$/g, '');
  if (ipaddr.isValid(bare) || url.username !== '' || url.password !== '') return null;
  url.hash = '';
  return url.href;
}
