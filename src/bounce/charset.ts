/**
 * bounce/charset — octets of a mail body to text.
 *
 * Promises: never throws; an unknown or lying charset gives readable text rather than none. Without
 *           a declared charset: UTF-8 when it is valid, ISO-2022-JP when its escapes are there,
 *           GB18030 when that is valid (Chinese hosts often declare nothing), else Latin-1.
 * Why:      TextDecoder has ISO-2022-JP, which iconv-lite lacks; iconv-lite has the rest.
 */
import iconv from 'iconv-lite';
import { decodeWords } from 'postal-mime';

/** `octets`: one character an octet. */
export function textFromOctets(octets: string, encoding: string, charset: string | null): string {
  const plain = undoTransferEncoding(octets, encoding);
  const label = (charset ?? '').trim().toLowerCase();
  if (!/[\x80-\xff\x1b]/.test(plain) && !/^(?:utf-?(?:16|32|7)|hz)/.test(label)) return plain;
  return decode(Buffer.from(plain, 'latin1'), label);
}

/** A header value with its encoded words (RFC 2047) as text; raw 8-bit text is guessed. */
export function headerText(value: string): string {
  const text = /[\x80-\xff\x1b]/.test(value) ? decode(Buffer.from(value, 'latin1'), '') : value;
  if (!text.includes('=?')) return text;
  try {
    return decodeWords(text.slice(0, 4_096));
  } catch {
    // A library's opinion on broken words is not worth losing the message for.
    return text;
  }
}

export function undoTransferEncoding(octets: string, encoding: string): string {
  if (encoding.includes('base64')) {
    const clean = octets.replace(/[^A-Za-z0-9+/=]/g, '');
    return Buffer.from(clean, 'base64').toString('latin1');
  }
  if (!encoding.includes('quoted-printable') || !octets.includes('=')) return octets;
  return octets
    .replace(/=[ \t]*\r?\n/g, '')
    .replace(/=([0-9A-Fa-f]{2})/g, (_whole, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
}

function decode(bytes: Buffer, label: string): string {
  if (label === '' || label === 'us-ascii' || label === 'ascii' || /^(?:x-)?unknown/.test(label)) {
    return guess(bytes);
  }
  const exact = strictly(bytes, label, true) ?? viaIconv(bytes, label);
  return exact ?? mislabelled(bytes, label) ?? strictly(bytes, label, false) ?? guess(bytes);
}

/** Gateways convert the text and keep the label: UTF-8, EUC-JP or Shift_JIS under ISO-2022-JP. */
function mislabelled(bytes: Buffer, label: string): string | null {
  const others = /^(?:iso-2022-jp|euc-jp|shift_jis|x-sjis)/.test(label)
    ? ['utf-8', 'euc-jp', 'shift_jis']
    : ['utf-8'];
  for (const other of others) {
    const text = strictly(bytes, other, true);
    if (text !== null) return text;
  }
  return null;
}

function guess(bytes: Buffer): string {
  const utf8 = strictly(bytes, 'utf-8', true);
  if (utf8 !== null && !utf8.includes('\u001b$') && !utf8.includes('\u001b(')) return utf8;
  const japanese = bytes.includes('\u001b$') || bytes.includes('\u001b(');
  const other = strictly(bytes, japanese ? 'iso-2022-jp' : 'gb18030', true);
  return other ?? bytes.toString('latin1');
}

function strictly(bytes: Buffer, label: string, fatal: boolean): string | null {
  try {
    return new TextDecoder(label, { fatal }).decode(bytes);
  } catch {
    // RangeError: no such charset. TypeError: not valid in it.
    return null;
  }
}

/** Only what TextDecoder does not know: it would have been asked first. */
function viaIconv(bytes: Buffer, label: string): string | null {
  if (isKnown(label) || !iconv.encodingExists(label)) return null;
  return iconv.decode(bytes, label);
}

function isKnown(label: string): boolean {
  try {
    return new TextDecoder(label).encoding !== '';
  } catch {
    // RangeError: TextDecoder has no such charset.
    return false;
  }
}
