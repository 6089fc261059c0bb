/**
 * campaigns/source/encode — text parts as 7-bit lines (RFC 2045 6.7 and 6.8). Pure.
 *
 * Promises: UTF-8 in, CRLF lines of at most 76 characters out, so no receiver needs 8BITMIME and no
 *           relay has a reason to re-encode (which would break the signature). No line begins with a
 *           dot or a hyphen: nothing a recipient's data says can look like a MIME boundary.
 * Why our own: nodemailer's encoders work on whole MIME trees; this one runs once per recipient.
 */
export type TransferEncoding = 'quoted-printable' | 'base64';

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const EQUALS = 0x3d;
const HYPHEN = 0x2d;
const DOT = 0x2e;
const HEX = Buffer.from('0123456789ABCDEF', 'latin1');
/** 76 with the `=` of a soft line break. */
const MAX_COLUMN = 75;

/** How a byte may stand: never as it is, anywhere, not at the end of a line, not at its beginning. */
const ESCAPED = 0;
const ANYWHERE = 1;
const NOT_LAST = 2;
const NOT_FIRST = 3;
const PLACE = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === SPACE || byte === TAB) return NOT_LAST;
  if (byte === HYPHEN || byte === DOT) return NOT_FIRST;
  return byte > SPACE && byte <= 0x7e && byte !== EQUALS ? ANYWHERE : ESCAPED;
});

/** Quoted-printable while most of the text stays readable; base64 for text that is mostly not ASCII. */
export function chooseEncoding(samples: readonly string[]): TransferEncoding {
  const bytes = samples.reduce((sum, sample) => sum + Buffer.byteLength(sample), 0);
  const ascii = samples.reduce(
    (sum, sample) => sum + sample.replace(/[^\u0000-\u007f]/g, '').length,
    0,
  );
  return bytes - ascii > bytes / 5 ? 'base64' : 'quoted-printable';
}

export function encodePart(text: string, encoding: TransferEncoding): Buffer {
  const canonical = Buffer.from(text.replace(/\r\n?|\n/g, '\r\n'));
  return encoding === 'base64' ? base64(canonical) : quotedPrintable(canonical);
}

function base64(source: Buffer): Buffer {
  return Buffer.from(source.toString('base64').replace(/.{76}(?=.)/g, '$&\r\n'), 'latin1');
}

function quotedPrintable(source: Buffer): Buffer {
  // Three octets a byte, and a soft break of three for every 73 octets.
  const target = Buffer.allocUnsafe(Math.ceil((source.length * 3 * 76) / 73) + 3);
  let length = 0;
  let column = 0;
  for (let i = 0; i < source.length; i += 1) {
    const byte = source[i] ?? 0;
    const place = PLACE[byte];
    // The way of nine bytes in ten.
    if (place === ANYWHERE && column < MAX_COLUMN) {
      target[length] = byte;
      length += 1;
      column += 1;
      continue;
    }
    if (byte === CR && source[i + 1] === LF) {
      target[length] = CR;
      target[length + 1] = LF;
      length += 2;
      column = 0;
      i += 1;
      continue;
    }
    const last = i + 1 === source.length || (source[i + 1] === CR && source[i + 2] === LF);
    const mayStand = place !== ESCAPED && !(place === NOT_LAST && last);
    if (column + (mayStand ? 1 : 3) > MAX_COLUMN) {
      target[length] = EQUALS;
      target[length + 1] = CR;
      target[length + 2] = LF;
      length += 3;
      column = 0;
    }
    if (mayStand && !(place === NOT_FIRST && column === 0)) {
      target[length] = byte;
      length += 1;
      column += 1;
    } else {
      target[length] = EQUALS;
      target[length + 1] = HEX[byte >> 4] ?? 0;
      target[length + 2] = HEX[byte & 15] ?? 0;
      length += 3;
      column += 3;
    }
  }
  return target.subarray(0, length);
}
