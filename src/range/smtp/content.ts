/**
 * range/smtp/content — the message being received, bounded, and what is looked up in it.
 *
 * Promises: never holds more than `maxBytes`; the rest is counted and dropped.
 */
import { isAscii } from 'node:buffer';

/** Header sections are looked at up to here. */
const MAX_HEADER_BYTES = 32_768;
const MAX_LINE_BYTES = 998;

export class Content {
  readonly #parts: Buffer[] = [];
  readonly #maxBytes: number;
  #sizeBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  readonly add = (slice: Buffer): void => {
    this.#sizeBytes += slice.length;
    if (this.#sizeBytes <= this.#maxBytes) this.#parts.push(slice);
    else this.#parts.length = 0;
  };

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get tooLarge(): boolean {
    return this.#sizeBytes > this.#maxBytes;
  }

  /** The whole message; a view of the socket's chunk when it came in one. */
  bytes(): Buffer {
    const [only] = this.#parts;
    return this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts);
  }
}

/** The header section, with the last CRLF, cut after 32 KiB. */
export function headerSection(message: Buffer): string {
  const end = message.indexOf('\r\n\r\n', 0, 'latin1');
  const stop = end < 0 ? message.length : end + 2;
  return message.toString('latin1', 0, Math.min(stop, MAX_HEADER_BYTES));
}

const MESSAGE_ID = /^message-id:[ \t]*(?:\r\n[ \t]+)?(\S+)/im;

export function messageIdOf(headers: string): string | null {
  return MESSAGE_ID.exec(headers)?.[1] ?? null;
}

export type ContentFault = 'bare_newline' | 'line_too_long' | 'eight_bit_undeclared';

/** What is wrong with the bytes by RFC 5321 and 5322; null when nothing is. */
export function contentFault(message: Buffer, eightBitDeclared: boolean): ContentFault | null {
  if (!eightBitDeclared && !isAscii(message)) return 'eight_bit_undeclared';
  let lineStart = 0;
  for (;;) {
    const end = message.indexOf(0x0a, lineStart);
    if (end < 0) return message.length - lineStart > MAX_LINE_BYTES ? 'line_too_long' : null;
    if (message[end - 1] !== 0x0d) return 'bare_newline';
    if (end - 1 - lineStart > MAX_LINE_BYTES) return 'line_too_long';
    lineStart = end + 1;
  }
}
