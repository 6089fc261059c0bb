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
  for (let from = 0; from < block.length;) {
    const to = endOfField(block, from);
    const colon = block.indexOf(':', from);
    if (colon > from && colon < to) {
      const name = block.slice(from, colon).trimEnd().toLowerCase();
      fields.push({ name, relaxed: `${name}:${relaxValue(block.slice(colon + 1, to))}` });
    }
    from = to + 2;
  }
  return fields;
}

/** Where the line break is that no folding follows. */
function endOfField(block: string, from: number): number {
  for (let at = block.indexOf('\r\n', from); at >= 0; at = block.indexOf('\r\n', at + 2)) {
    const next = block.charCodeAt(at + 2);
    if (next !== SPACE && next !== TAB) return at;
  }
  return block.length;
}

export function relaxValue(value: string): string {
  let text = value.includes('\r\n') ? value.replaceAll('\r\n', '') : value;
  // Most values need nothing but their first space taken away.
  if (text.includes('  ') || text.includes('\t')) text = text.replace(/[ \t]+/g, ' ');
  const from = text.startsWith(' ') ? 1 : 0;
  return text.endsWith(' ') ? text.slice(from, -1) : text.slice(from);
}

/**
 * 3.4.4 without its rules for the end of the body. Lines relaxed apart are the lines relaxed together,
 * as long as no white space stands where they were cut.
 */
export function relaxLines(lines: Uint8Array): Buffer {
  const source = asBuffer(lines);
  const relaxed =
    !source.includes(TAB) &&
    !source.includes('  ', 0, 'latin1') &&
    !source.includes(' \r', 0, 'latin1') &&
    source.at(-1) !== SPACE;
  return relaxed ? source : squeeze(source);
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
export function endOnce(source: Buffer): Buffer {
  let end = source.length;
  while (end >= 2 && source[end - 2] === CR && source[end - 1] === LF) end -= 2;
  if (end === 0) return Buffer.alloc(0);
  if (end < source.length) return source.subarray(0, end + 2);
  return Buffer.concat([source, Buffer.from('\r\n')]);
}
