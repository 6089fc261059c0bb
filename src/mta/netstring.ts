/**
 * mta/netstring — `5:hello,` (cr.yp.to/proto/netstrings.txt).
 *
 * Pure. Promises: any chunking gives the same strings; a string of more than `maxBytes`, a length
 *           that is none (a leading zero too), or a missing comma is garbage, and nothing after it
 *           is parsed. Memory is bounded by `maxBytes`.
 */
export type NetstringEvent = { type: 'string'; bytes: Buffer } | { type: 'garbage' };

export interface NetstringParser {
  push(bytes: Uint8Array): NetstringEvent[];
}

const COLON = 0x3a;
const COMMA = 0x2c;
const MAX_DIGITS = 9;

export function netstringHead(sizeBytes: number): string {
  return `${sizeBytes}:`;
}

export function netstring(text: string): string {
  return `${netstringHead(Buffer.byteLength(text))}${text},`;
}

export function createNetstringParser(maxBytes: number): NetstringParser {
  let held: Buffer = Buffer.alloc(0);
  let broken = false;
  return {
    push(bytes) {
      const events: NetstringEvent[] = [];
      held = Buffer.concat([held, bytes]);
      while (!broken) {
        const found = take(held, maxBytes);
        if (found === null) break;
        if (found === 'garbage') {
          broken = true;
          events.push({ type: 'garbage' });
        } else {
          events.push({ type: 'string', bytes: found.bytes });
          held = held.subarray(found.end);
        }
      }
      if (broken) held = Buffer.alloc(0);
      return events;
    },
  };
}

/** The first string of `bytes`; null when it is not whole yet. */
function take(bytes: Buffer, maxBytes: number): { bytes: Buffer; end: number } | 'garbage' | null {
  const colon = bytes.subarray(0, MAX_DIGITS + 1).indexOf(COLON);
  const digits = bytes.subarray(0, colon < 0 ? MAX_DIGITS + 1 : colon).toString('latin1');
  if (colon < 0) {
    return digits.length <= MAX_DIGITS && /^(?:0|[1-9]\d*)?$/.test(digits) ? null : 'garbage';
  }
  if (!/^(?:0|[1-9]\d*)$/.test(digits)) return 'garbage';
  const sizeBytes = Number(digits);
  if (sizeBytes > maxBytes) return 'garbage';
  const start = colon + 1;
  if (bytes.length < start + sizeBytes + 1) return null;
  if (bytes[start + sizeBytes] !== COMMA) return 'garbage';
  return { bytes: bytes.subarray(start, start + sizeBytes), end: start + sizeBytes + 1 };
}
