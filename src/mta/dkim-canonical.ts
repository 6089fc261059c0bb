/**
 * mta/dkim-canonical — RFC 6376 3.4: the "relaxed" forms of header fields and body.
 *
 * Pure.
 *
 * Why: most bodies are relaxed already (no tab, no double space, no space at a line's end), and that
 *      is found out by native searches; only the others are walked byte by byte.
 */
import { asBuffer } from './dot-stuffing.ts';

const SPACE = 0x20;
const TAB = 0x09;
const CR = 0x0d;
const LF = 0x0a;

export interface HeaderField {
  /** Lower case. */
  name: string;
  /** `name:value`, relaxed, without CRLF. */
  relaxed: string;
}

/** Fields of a header block, in order. Bytes are kept as Latin-1 characters. */
export function parseHeaderBlock(block: string): HeaderField[] {
  const fields: HeaderField[] = [];
  for (const text of block.split(/\r\n(?![ \t])/)) {
    const colon = text.indexOf(':');
    if (colon <= 0) continue;
    const name = text.slice(0, colon).trimEnd().toLowerCase();
    fields.push({ name, relaxed: `${name}:${relaxValue(text.slice(colon + 1))}` });
  }
  return fields;
}

export function relaxValue(value: string): string {
  return value
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/^ | $/g, '');
}

export function relaxBody(body: Uint8Array): Buffer {
  const source = asBuffer(body);
  const relaxed =
    !source.includes('\t', 0, 'latin1') &&
    !source.includes('  ', 0, 'latin1') &&
    !source.includes(' \r', 0, 'latin1') &&
    source.at(-1) !== SPACE;
  return endOnce(relaxed ? source : squeeze(source));
}

function squeeze(source: Buffer): Buffer {
  const target = Buffer.allocUnsafe(source.length);
  let length = 0;
  let gap = false;
  for (let i = 0; i < source.length; i += 1) {
    const byte = source[i] ?? 0;
    if (byte === SPACE || byte === TAB) {
      gap = true;
      continue;
    }
    if (gap && !(byte === CR && source[i + 1] === LF)) {
      target[length] = SPACE;
      length += 1;
    }
    gap = false;
    target[length] = byte;
    length += 1;
  }
  return target.subarray(0, length);
}

/** No empty lines at the end; one CRLF, unless nothing is left. */
function endOnce(source: Buffer): Buffer {
  let end = source.length;
  while (end >= 2 && source[end - 2] === CR && source[end - 1] === LF) end -= 2;
  if (end === 0) return Buffer.alloc(0);
  if (end < source.length) return source.subarray(0, end + 2);
  return Buffer.concat([source, Buffer.from('\r\n')]);
}
