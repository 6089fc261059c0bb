/**
 * campaigns/audience/text — the bytes of an upload as valid UTF-8, whatever they came as.
 *
 * Promises: pieces of at most 64 KiB whatever the body's chunks are, whole characters only, no byte
 *           order mark. What comes before the first invalid byte is handed on first, so that the
 *           reader behind knows in which row it stands.
 * Fails:    InvalidText at the first byte that is no character; AppError `upload_aborted` when the
 *           body breaks off, `invalid_body` for a gzip that is none, `body_too_large` over 8 GiB.
 * Why not U+FFFD instead: a name with a hole in it would be mailed to somebody.
 */
import { isUtf8 } from 'node:buffer';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import iconv from 'iconv-lite';
import { AppError } from '../../kernel/errors.ts';

export class InvalidText extends Error {}

const PIECE_BYTES = 65_536;
const MAX_BYTES = 8 * 1024 ** 3;
const BOM = Buffer.from('\ufeff');
/** What lists come in here: GBK is a part of GB18030, and so is decoded as it. */
const CHARSETS: Record<string, string> = {
  'utf-8': 'utf8',
  utf8: 'utf8',
  'us-ascii': 'utf8',
  gb18030: 'gb18030',
  gbk: 'gb18030',
  gb2312: 'gb18030',
  big5: 'big5',
  'euc-kr': 'euc-kr',
  shift_jis: 'shift_jis',
  'iso-8859-1': 'windows-1252',
  'windows-1252': 'windows-1252',
};

/** The decoder's name for a charset; `unsupported_media_type` when there is none. */
export function resolveCharset(charset: string | null): string {
  const known = CHARSETS[(charset ?? 'utf-8').toLowerCase()];
  if (known !== undefined) return known;
  throw new AppError(
    'unsupported_media_type',
    `charset must be one of ${Object.keys(CHARSETS).join(', ')}`,
  );
}

/** `charset` as `resolveCharset` gives it. */
export async function* readText(
  body: AsyncIterable<Uint8Array>,
  options: { gzip: boolean; charset: string },
): AsyncGenerator<Buffer> {
  const sent = fromClient(body);
  const bytes = pieces(options.gzip ? gunzip(sent) : sent);
  let first = true;
  for await (const text of options.charset === 'utf8'
    ? utf8(bytes)
    : decode(bytes, options.charset)) {
    const unmarked = first && text.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
    first = false;
    if (text.length > unmarked) yield text.subarray(unmarked);
  }
}

async function* fromClient(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('upload_aborted', 'the upload broke off; nothing of it was kept', {
      cause: error,
    });
  }
}

async function* gunzip(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip({ chunkSize: PIECE_BYTES });
  // A failure of the body destroys `unzip` with the same error, and so reaches the loop.
  const feeding = pipeline(body, unzip).catch(() => undefined);
  try {
    yield* unzip as AsyncIterable<Uint8Array>;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('Z_')) throw error;
    throw new AppError('invalid_body', 'the body is no complete gzip', { cause: error });
  } finally {
    unzip.destroy();
    await feeding;
  }
}

async function* pieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const chunk of body) {
    total += chunk.length;
    if (total > MAX_BYTES) {
      throw new AppError('body_too_large', `more than ${MAX_BYTES} bytes in one upload; split it`);
    }
    const whole = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < whole.length; at += PIECE_BYTES) {
      yield whole.subarray(at, at + PIECE_BYTES);
    }
  }
}

async function* utf8(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of body) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = wholeCharacters(bytes);
    const text = bytes.subarray(0, end);
    if (!isUtf8(text)) {
      yield validLines(text);
      throw new InvalidText();
    }
    rest = Buffer.from(bytes.subarray(end));
    yield text;
  }
  if (rest.length > 0) throw new InvalidText();
}

/** Where the last character that has all its bytes ends: a lead byte has up to three after it. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** The lines before the one with the invalid byte. */
function validLines(bytes: Buffer): Buffer {
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0 || !isUtf8(bytes.subarray(start, end))) return bytes.subarray(0, start);
    start = end + 1;
  }
}

async function* decode(body: AsyncIterable<Buffer>, charset: string): AsyncGenerator<Buffer> {
  const decoder = iconv.getDecoder(charset);
  for await (const piece of body) yield* checked(decoder.write(piece));
  yield* checked(decoder.end() ?? '');
}

/** The decoder puts U+FFFD where it found no character. */
function* checked(text: string): Generator<Buffer> {
  const hole = text.indexOf('\ufffd');
  if (text !== '') yield Buffer.from(hole < 0 ? text : text.slice(0, hole));
  if (hole >= 0) throw new InvalidText();
}
