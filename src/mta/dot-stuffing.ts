/**
 * mta/dot-stuffing — a message as it goes between DATA and the reply to the dot.
 *
 * Pure (RFC 5321 4.5.2).
 *
 * Promises: what has no line that begins with a dot is returned as it is, not copied. The bytes are
 *           searched by native code; JavaScript only sees the hits.
 * Fails:    with null when a dot follows a bare CR or a bare LF: receivers disagree whether a line
 *           begins there, and that is how one message is smuggled inside another.
 * See:      message.ts, for messages of several segments.
 */
const DOT = 0x2e;
const CR = 0x0d;
const LF = 0x0a;

/** `lines` begins where a line begins. */
export function stuffLines(lines: Buffer): Buffer | null {
  if (lines.includes('\r.', 0, 'latin1')) return null;
  const dots = findLineDots(lines);
  if (dots === null) return null;
  return dots.length === 0 ? lines : insertDots(lines, dots);
}

/** What follows the last lines of a message: `.CRLF`, with a CRLF before it when they lack one. */
export function endOf(last: Buffer | undefined): string {
  const terminated = last === undefined || (last.at(-2) === CR && last.at(-1) === LF);
  return terminated || last.length === 0 ? '.\r\n' : '\r\n.\r\n';
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function findLineDots(source: Buffer): number[] | null {
  const dots: number[] = source[0] === DOT ? [0] : [];
  for (
    let at = source.indexOf('\n.', 0, 'latin1');
    at >= 0;
    at = source.indexOf('\n.', at + 2, 'latin1')
  ) {
    if (source[at - 1] !== CR) return null;
    dots.push(at + 1);
  }
  return dots;
}

function insertDots(source: Buffer, dots: readonly number[]): Buffer {
  const target = Buffer.allocUnsafe(source.length + dots.length);
  let from = 0;
  let to = 0;
  for (const at of dots) {
    source.copy(target, to, from, at);
    to += at - from;
    target[to] = DOT;
    to += 1;
    from = at;
  }
  source.copy(target, to, from);
  return target;
}
