/**
 * mta/message — a message as it goes over the wire: segments, one behind the other.
 *
 * Pure.
 *
 * Promises: the bytes are those of the segments in their order, however they were cut: a message in
 *           many segments leaves as the same message in one would. Where a cut could hide the
 *           beginning of a line, the segments around it are made one.
 * Fails:    `stuffMessage` with null for what may not go behind DATA (dot-stuffing.ts).
 */
import { asBuffer, endOf } from './dot-stuffing.ts';
import { Segment } from './segment.ts';

export interface Message {
  readonly segments: readonly Segment[];
  readonly sizeBytes: number;
}

/** The bytes that follow DATA or BDAT, one part behind the other. */
export interface WireBody {
  parts: readonly Buffer[];
  sizeBytes: number;
  /** What ends it: behind DATA `.CRLF`, with a CRLF before it when the message lacks one. */
  end: string;
}

const DOT = 0x2e;
const CR = 0x0d;
const LF = 0x0a;

export function messageFrom(segments: readonly Segment[]): Message {
  const sizeBytes = segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const isClean = segments.every((one, i) => isCleanCut(segments[i - 1], one));
  return { segments: isClean ? segments : [joined(segments)], sizeBytes };
}

/** Of bytes that are no other message's. */
export function wholeMessage(bytes: Uint8Array): Message {
  return messageFrom([new Segment(asBuffer(bytes))]);
}

export function isAsciiMessage({ segments }: Message): boolean {
  return segments.every((segment) => segment.isAscii());
}

/** For BDAT, and for files. */
export function plainBody({ segments, sizeBytes }: Message): WireBody {
  return { parts: segments.map(({ bytes }) => bytes), sizeBytes, end: '' };
}

/** For DATA. */
export function stuffMessage({ segments }: Message): WireBody | null {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for (const segment of segments) {
    const stuffed = segment.stuffed();
    if (stuffed === null) return null;
    parts.push(stuffed);
    sizeBytes += stuffed.length;
  }
  return { parts, sizeBytes, end: endOf(segments.at(-1)?.bytes) };
}

/** The bytes from `from` to `to`. */
export function cutBody({ parts, sizeBytes }: WireBody, from: number, to: number): Buffer[] {
  if (from === 0 && to >= sizeBytes) return [...parts];
  const cut: Buffer[] = [];
  let at = 0;
  for (const part of parts) {
    const piece = part.subarray(Math.max(0, from - at), Math.max(0, to - at));
    if (piece.length > 0) cut.push(piece);
    at += part.length;
  }
  return cut;
}

/** A line begins with the second one, or what begins there is no matter (a dot, and LF before one). */
function isCleanCut(before: Segment | undefined, { bytes }: Segment): boolean {
  if (before === undefined) return true;
  if (bytes.length === 0 || before.bytes.length === 0) return false;
  if (before.bytes.at(-2) === CR && before.bytes.at(-1) === LF) return true;
  return bytes[0] !== DOT && bytes[0] !== LF;
}

function joined(segments: readonly Segment[]): Segment {
  return new Segment(Buffer.concat(segments.map(({ bytes }) => bytes)));
}
