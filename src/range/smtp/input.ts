/**
 * range/smtp/input — cuts what a socket brings into command lines and message content.
 *
 * Pure but for its buffer. Promises: only CRLF dot CRLF ends content (a bare LF never does, so a
 * smuggled second message stays content); dot-stuffing is taken away; a line that never ends does
 * not grow the buffer past the limit.
 * Cost:     content is handed on in slices of what arrived; nothing is copied but chunk seams.
 */
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const EMPTY = Buffer.alloc(0);

/** RFC 5321 says 512, extensions add to it; a real client stays far below. */
export const MAX_LINE_BYTES = 4_096;

export type Line = { kind: 'line'; text: string; endsInCrlf: boolean } | { kind: 'too_long' };
export type Take = 'more' | 'end';

export class SmtpInput {
  #buffer: Buffer = EMPTY;
  #offset = 0;
  /** In content: the next byte begins a line. */
  #atLineStart = true;

  get available(): number {
    return this.#buffer.length - this.#offset;
  }

  push(chunk: Buffer): void {
    this.#buffer =
      this.available === 0 ? chunk : Buffer.concat([this.#buffer.subarray(this.#offset), chunk]);
    this.#offset = 0;
  }

  clear(): void {
    this.#buffer = EMPTY;
    this.#offset = 0;
  }

  /** The next command line without its end; null when it has not come whole. */
  takeLine(): Line | null {
    const end = this.#buffer.indexOf(LF, this.#offset);
    if (end < 0) {
      if (this.available <= MAX_LINE_BYTES) return null;
      this.clear();
      return { kind: 'too_long' };
    }
    const start = this.#offset;
    this.#offset = end + 1;
    if (end - start > MAX_LINE_BYTES) return { kind: 'too_long' };
    const endsInCrlf = end > start && this.#buffer[end - 1] === CR;
    return {
      kind: 'line',
      text: this.#buffer.toString('utf8', start, endsInCrlf ? end - 1 : end),
      endsInCrlf,
    };
  }

  /** Call before the first takeContent of a message. */
  beginContent(): void {
    this.#atLineStart = true;
  }

  /** Hands content to `sink` up to the end of the message or of what is there. */
  takeContent(sink: (slice: Buffer) => void): Take {
    for (;;) {
      if (this.#atLineStart) {
        const start = this.#atLine();
        if (start !== 'content') return start;
      }
      const stop = this.#buffer.indexOf('\r\n.', this.#offset, 'latin1');
      if (stop < 0) break;
      sink(this.#buffer.subarray(this.#offset, stop + 2));
      this.#offset = stop + 2;
      this.#atLineStart = true;
    }
    const length = this.#buffer.length;
    // A CR at the end may be the first byte of the end; it waits for its successor.
    const keep = this.#buffer[length - 1] === CR && this.#offset < length ? 1 : 0;
    if (length - keep > this.#offset) sink(this.#buffer.subarray(this.#offset, length - keep));
    this.#atLineStart =
      length - this.#offset >= 2 &&
      this.#buffer[length - 1] === LF &&
      this.#buffer[length - 2] === CR;
    this.#offset = length - keep;
    return 'more';
  }

  /** Up to `count` bytes (BDAT); how many were there. */
  takeBytes(count: number, sink: (slice: Buffer) => void): number {
    const taken = Math.min(count, this.available);
    if (taken > 0) sink(this.#buffer.subarray(this.#offset, this.#offset + taken));
    this.#offset += taken;
    return taken;
  }

  /** At a line start: is it the final dot, a stuffed dot (skipped), content, or not yet known? */
  #atLine(): Take | 'content' {
    const { available } = this;
    if (available === 0) return 'more';
    if (this.#buffer[this.#offset] !== DOT) {
      this.#atLineStart = false;
      return 'content';
    }
    if (available === 1) return 'more';
    if (this.#buffer[this.#offset + 1] === CR) {
      if (available === 2) return 'more';
      if (this.#buffer[this.#offset + 2] === LF) {
        this.#offset += 3;
        return 'end';
      }
    }
    this.#offset += 1;
    this.#atLineStart = false;
    return 'content';
  }
}
