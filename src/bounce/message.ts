/**
 * bounce/message — a MIME message read within fixed bounds, whatever a stranger sends.
 *
 * Promises: never throws; reads at most LIMITS.messageBytes; gives a flat list of leaf parts in the
 *           order of the message (a returned message is one leaf, its headers are read). Costs are
 *           linear in the bytes read: depth, number of parts, of headers and of field octets are
 *           capped, and what is beyond a cap is left unread.
 * Never:    trusts a structure: a boundary that is never closed ends with its parent; a multipart
 *           without any boundary line is read as text.
 * Why:      libraries parse whole messages, attachments included (postal-mime: 1,800 reports/s of
 *           6 KB); reports need the first kilobytes (this: 80,000/s). Decoding of words and charsets
 *           is theirs.
 * See:      charset.ts (octets to text), inspect.ts.
 */
import { textFromOctets, undoTransferEncoding } from './charset.ts';

export const LIMITS = {
  messageBytes: 2 * 1024 * 1024,
  depth: 12,
  parts: 100,
  headerFields: 500,
  fieldOctets: 16 * 1024,
  partOctets: 256 * 1024,
} as const;

/** Field name in lower case -> unfolded values, undecoded, in order. */
export type Headers = ReadonlyMap<string, readonly string[]>;

export interface Part {
  headers: Headers;
  /** `text/plain`, in lower case; `text/plain` too when there is no usable Content-Type. */
  type: string;
  parameters: ReadonlyMap<string, string>;
  /** The body as it came, one character an octet, cut to LIMITS.partOctets. */
  octets: string;
}

export interface Message {
  headers: Headers;
  type: string;
  parameters: ReadonlyMap<string, string>;
  parts: readonly Part[];
}

interface Cursor {
  source: string;
  parts: Part[];
}

export function firstHeader(headers: Headers, name: string): string | null {
  return headers.get(name)?.[0] ?? null;
}

export function readMessage(raw: Uint8Array): Message {
  const length = Math.min(raw.length, LIMITS.messageBytes);
  const source = withLineFeeds(Buffer.from(raw.buffer, raw.byteOffset, length).toString('latin1'));
  const cursor: Cursor = { source, parts: [] };
  const start = skipEnvelopeLine(source);
  const { headers, bodyStart } = readHeaders(source, start, source.length);
  const { type, parameters } = contentType(headers);
  readBody(cursor, headers, bodyStart, source.length, 0);
  return { headers, type, parameters, parts: cursor.parts };
}

/** Old Macintosh files end lines with CR alone. */
function withLineFeeds(source: string): string {
  return source.includes('\n') ? source : source.replaceAll('\r', '\n');
}

/** The part as text: transfer encoding and charset undone, line ends `\n`. */
export function partText(part: Part): string {
  const encoding = (firstHeader(part.headers, 'content-transfer-encoding') ?? '').toLowerCase();
  const text = textFromOctets(part.octets, encoding, part.parameters.get('charset') ?? null);
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}

/** The part's own octets, transfer encoding undone, charset not. */
export function partOctets(part: Part): string {
  const encoding = (firstHeader(part.headers, 'content-transfer-encoding') ?? '').toLowerCase();
  return undoTransferEncoding(part.octets, encoding);
}

/** Headers of a block that may start with blank lines; for returned messages inside text. */
export function readHeaders(
  source: string,
  start: number,
  end: number,
): { headers: Headers; bodyStart: number } {
  const headers = new Map<string, string[]>();
  let at = start;
  let fields = 0;
  let current: { name: string; value: string } | null = null;
  const keep = (): void => {
    if (current === null) return;
    const values = headers.get(current.name);
    if (values === undefined) headers.set(current.name, [current.value]);
    else values.push(current.value);
    current = null;
  };
  while (at < end) {
    const newline = source.indexOf('\n', at);
    const lineEnd = newline < 0 || newline >= end ? end : newline;
    const next = Math.min(lineEnd + 1, end);
    const textEnd = source.charCodeAt(lineEnd - 1) === 13 && lineEnd > at ? lineEnd - 1 : lineEnd;
    if (textEnd === at) {
      at = next;
      break;
    }
    const first = source.charCodeAt(at);
    const line = source.slice(at, Math.min(textEnd, at + LIMITS.fieldOctets));
    if (first === 32 || first === 9) {
      if (current !== null) append(current, line);
    } else {
      const colon = line.indexOf(':');
      if (colon <= 0 || !/^[!-9;-~]+[ \t]*$/.test(line.slice(0, colon))) {
        // Not a header at all: the body began without a blank line.
        if (!line.startsWith('>From ')) break;
      } else {
        keep();
        fields += 1;
        if (fields > LIMITS.headerFields) break;
        const name = line.slice(0, colon).trimEnd().toLowerCase();
        current = { name, value: line.slice(colon + 1).trim() };
      }
    }
    at = next;
  }
  keep();
  return { headers, bodyStart: at };
}

function append(field: { value: string }, line: string): void {
  if (field.value.length < LIMITS.fieldOctets) field.value += ` ${line.trim()}`;
}

function skipEnvelopeLine(source: string): number {
  let at = 0;
  while (at < source.length && /[\r\n]/.test(source.charAt(at))) at += 1;
  if (!source.startsWith('From ', at) && !source.startsWith('>From ', at)) return at;
  const newline = source.indexOf('\n', at);
  return newline < 0 ? at : newline + 1;
}

export function contentType(headers: Headers): {
  type: string;
  parameters: ReadonlyMap<string, string>;
} {
  const value = firstHeader(headers, 'content-type') ?? '';
  const semicolon = value.indexOf(';');
  const written = (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
  const type = /^[\w.+-]+\/[\w.+-]+$/.test(written) ? written : 'text/plain';
  const parameters = new Map<string, string>();
  if (semicolon < 0) return { type, parameters };
  const each = /;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s;]*))/g;
  for (const match of value.slice(semicolon).matchAll(each)) {
    const name = (match[1] ?? '').toLowerCase().replace(/\*0?\*?$/, '');
    const text = match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '';
    if (!parameters.has(name)) parameters.set(name, text);
    if (parameters.size >= 20) break;
  }
  return { type, parameters };
}

function readBody(
  cursor: Cursor,
  headers: Headers,
  start: number,
  end: number,
  depth: number,
): void {
  if (cursor.parts.length >= LIMITS.parts) return;
  const { type, parameters } = contentType(headers);
  const boundary = parameters.get('boundary');
  if (type.startsWith('multipart/') && boundary !== undefined && depth < LIMITS.depth) {
    if (readMultipart(cursor, boundary, start, end, depth)) return;
  }
  const octets = cursor.source.slice(start, Math.min(end, start + LIMITS.partOctets));
  const leaf = type.startsWith('multipart/') ? 'text/plain' : type;
  cursor.parts.push({ headers, type: leaf, parameters, octets });
}

/** False when no delimiter line is there at all. */
function readMultipart(
  cursor: Cursor,
  boundary: string,
  start: number,
  end: number,
  depth: number,
): boolean {
  const delimiter = `--${boundary}`;
  let line = nextDelimiter(cursor.source, delimiter, start, end);
  if (line < 0) return false;
  while (line >= 0 && cursor.parts.length < LIMITS.parts) {
    if (cursor.source.startsWith('--', line + delimiter.length)) break;
    const newline = cursor.source.indexOf('\n', line);
    if (newline < 0 || newline >= end) break;
    const next = nextDelimiter(cursor.source, delimiter, newline, end);
    const partEnd = next < 0 ? end : next;
    const { headers, bodyStart } = readHeaders(cursor.source, newline + 1, partEnd);
    readBody(cursor, headers, bodyStart, partEnd, depth + 1);
    line = next;
  }
  return true;
}

/** Where the next delimiter begins (at the start of a line), or -1. */
function nextDelimiter(source: string, delimiter: string, from: number, end: number): number {
  let at = source.indexOf(delimiter, from);
  while (at >= 0 && at < end) {
    if (at === 0 || source.charCodeAt(at - 1) === 10) return at;
    at = source.indexOf(delimiter, at + delimiter.length);
  }
  return -1;
}
