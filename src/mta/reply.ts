/**
 * mta/reply — an SMTP reply as a plain value, and the parser that makes it from bytes.
 *
 * Pure (RFC 5321 4.2, RFC 3463).
 *
 * Promises: any bytes in any chunking give the same replies. Memory is bounded: a line keeps its
 *           first 4,096 bytes, a reply may have 200 lines and 64 KB. A bare LF ends a line as CRLF
 *           does (real servers send it).
 * Fails:    with a `garbage` event, after which nothing more is parsed: whoever gets one has lost
 *           his place in the conversation and must hang up. Garbage is: no three-digit code from 200
 *           to 599, another code in the middle of a reply, a reply over its bounds.
 */
export interface Reply {
  /** 200..599. */
  code: number;
  /** `5.1.1`, from the first line that carries one; null when none does. */
  enhanced: string | null;
  /** Lines joined by a space, codes removed, control characters replaced, cut to 1,000 characters. */
  text: string;
}

export type ReplyEvent =
  /** `lines` are the texts after the code, for EHLO. */
  { type: 'reply'; reply: Reply; lines: readonly string[] } | { type: 'garbage'; reason: string };

export interface ReplyParser {
  push(bytes: Uint8Array): ReplyEvent[];
  /** Whether part of a reply has come and the rest has not. */
  isMidReply(): boolean;
}

const MAX_LINE_BYTES = 4_096;
const MAX_REPLY_LINES = 200;
const MAX_REPLY_BYTES = 65_536;
const MAX_TEXT = 1_000;
const LF = 10;
const CR = 13;

const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)/;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
const HIGH = /[\u0080-\u00ff]/;

interface ParserState {
  /** The unfinished line, cut to MAX_LINE_BYTES. */
  held: Buffer;
  /** Bytes of the unfinished reply, those thrown away counted too. */
  sizeBytes: number;
  code: number;
  lines: string[];
  broken: boolean;
}

export function createReplyParser(): ReplyParser {
  const state: ParserState = {
    held: Buffer.alloc(0),
    sizeBytes: 0,
    code: 0,
    lines: [],
    broken: false,
  };
  return {
    push: (bytes) => push(state, bytes),
    isMidReply: () => state.sizeBytes > 0,
  };
}

function push(state: ParserState, bytes: Uint8Array): ReplyEvent[] {
  const events: ReplyEvent[] = [];
  const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = 0;
  while (!state.broken && start < chunk.length) {
    const at = chunk.indexOf(LF, start);
    const end = at < 0 ? chunk.length : at;
    const line = lineSoFar(state, chunk.subarray(start, end));
    state.sizeBytes += end - start + 1;
    start = end + 1;
    const event =
      state.sizeBytes > MAX_REPLY_BYTES
        ? garbage(state, 'a reply of more than 64 KB')
        : at < 0
          ? hold(state, line)
          : endLine(state, line);
    if (event !== null) events.push(event);
  }
  return events;
}

function lineSoFar(state: ParserState, piece: Buffer): Buffer {
  if (state.held.length === 0) return piece.subarray(0, MAX_LINE_BYTES);
  const room = MAX_LINE_BYTES - state.held.length;
  return room <= 0 ? state.held : Buffer.concat([state.held, piece.subarray(0, room)]);
}

function hold(state: ParserState, line: Buffer): null {
  // A copy: the chunk it was cut from belongs to the socket.
  state.held = line === state.held ? line : Buffer.from(line);
  return null;
}

function garbage(state: ParserState, reason: string): ReplyEvent {
  state.broken = true;
  state.held = Buffer.alloc(0);
  state.lines = [];
  return { type: 'garbage', reason };
}

function endLine(state: ParserState, raw: Buffer): ReplyEvent | null {
  state.held = Buffer.alloc(0);
  const line = raw.at(-1) === CR ? raw.subarray(0, -1) : raw;
  const code = codeOf(line);
  if (code === 0) return garbage(state, 'a line without a reply code');
  if (state.lines.length > 0 && code !== state.code) {
    return garbage(state, 'two codes in one reply');
  }
  if (state.lines.length >= MAX_REPLY_LINES) return garbage(state, 'a reply of too many lines');
  state.code = code;
  state.lines.push(decode(line.subarray(4)));
  if (line[3] === 0x2d) return null;

  const lines = state.lines;
  state.lines = [];
  state.sizeBytes = 0;
  return { type: 'reply', reply: makeReply(code, lines), lines };
}

/** 0 when the line does not begin with a code and a separator. */
function codeOf(line: Buffer): number {
  const separator = line[3];
  if (separator !== undefined && separator !== 0x20 && separator !== 0x2d) return 0;
  const [a, b, c] = [digit(line[0]), digit(line[1]), digit(line[2])];
  return a < 2 || a > 5 || b < 0 || c < 0 ? 0 : a * 100 + b * 10 + c;
}

function digit(byte: number | undefined): number {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : -1;
}

/** UTF-8 where it is UTF-8, else byte by byte: a reply is never unreadable. */
function decode(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (!HIGH.test(text)) return text;
  const utf8 = bytes.toString('utf8');
  return utf8.includes('\ufffd') ? text : utf8;
}

/** Bytes of a stranger as one readable line of at most 1,000 characters. */
export function readable(bytes: Buffer): string {
  return decode(bytes).slice(0, MAX_TEXT).replace(CONTROLS, ' ').trim();
}

function makeReply(code: number, lines: readonly string[]): Reply {
  let enhanced: string | null = null;
  let text = '';
  for (const line of lines) {
    const found = ENHANCED.exec(line);
    enhanced ??= found?.[1] ?? null;
    const words = found === null ? line : line.slice(found[0].length);
    if (words !== '' && text.length < MAX_TEXT) text += text === '' ? words : ` ${words}`;
  }
  return { code, enhanced, text: text.slice(0, MAX_TEXT).replace(CONTROLS, ' ').trim() };
}
