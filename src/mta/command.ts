/**
 * mta/command — SMTP commands as lines to write.
 *
 * Pure (RFC 5321 4.1.1, RFC 1870 SIZE, RFC 3461 DSN, RFC 6152 8BITMIME, RFC 6531 SMTPUTF8,
 * RFC 8689 REQUIRETLS, Postfix's XVERP).
 *
 * Promises: every line ends with CRLF and holds no other CR, LF or NUL.
 * Never:    repairs an unsafe value: that would send mail to somebody else. `isSafe` asks first;
 *           an unsafe value that reaches an encoder is a bug, and throws.
 * Why:      NOTIFY=FAILURE, not FAILURE,DELAY: without NOTIFY a receiver may send delay notices as it
 *           likes (RFC 3461 4.1); of a million messages those are noise nobody acts on, while a
 *           failure is what suppression is for. RET=HDRS: a DSN of 30 KB content each is bandwidth
 *           for nothing; the header block still has the Message-ID.
 */
import { invariant } from '../kernel/errors.ts';

export interface MailParameters {
  /** Empty for the null sender. */
  sender: string;
  /** null: SIZE is not offered. */
  sizeBytes: number | null;
  /** null: DSN is not offered. */
  dsn: { envelopeId: string | null } | null;
  eightBit: boolean;
  utf8: boolean;
  requireTls: boolean;
  /** The receiver writes each recipient into the envelope sender: see `fitsXverp`. */
  xverp: boolean;
}

const UNSAFE = /[\r\n\0]/;
const VERP_SAFE = /^[\w.!#$%&'*+/?^`{|}~-]+@[\w.-]+$/;
const MAX_LOCAL_PART = 64;
const NON_ASCII = /[^\u0000-\u007f]/;
/** RFC 3461 4.4: ENVID has at most 100 characters. */
const MAX_ENVELOPE_ID = 100;
/** RFC 3461 4.2: ORCPT has at most 500 characters. */
const MAX_ORIGINAL_RECIPIENT = 500;

/** Whether `text` can stand in a command at all. */
export function isSafe(text: string): boolean {
  return !UNSAFE.test(text);
}

export function needsUtf8(text: string): boolean {
  return NON_ASCII.test(text);
}

export function greetCommand(verb: 'EHLO' | 'HELO' | 'LHLO', heloName: string): string {
  return line(`${verb} ${heloName}`);
}

export function mailCommand(parameters: MailParameters): string {
  let text = `MAIL FROM:<${parameters.sender}>`;
  if (parameters.sizeBytes !== null) text += ` SIZE=${parameters.sizeBytes}`;
  if (parameters.eightBit) text += ' BODY=8BITMIME';
  if (parameters.utf8) text += ' SMTPUTF8';
  if (parameters.dsn !== null) {
    text += ' RET=HDRS';
    const envelopeId = xtext(parameters.dsn.envelopeId ?? '');
    if (envelopeId !== '' && envelopeId.length <= MAX_ENVELOPE_ID) text += ` ENVID=${envelopeId}`;
  }
  if (parameters.requireTls) text += ' REQUIRETLS';
  if (parameters.xverp) text += ' XVERP';
  return line(text);
}

/**
 * Whether `b+token@bounce` for `ann@one.example` may become `b+token+ann=one.example@bounce`: a bounce
 * to a local part of more than 64 octets (RFC 5321 4.5.3.1.1) might never come home.
 */
export function fitsXverp(sender: string, recipients: readonly string[]): boolean {
  const local = sender.slice(0, sender.lastIndexOf('@'));
  if (local === '') return false;
  return recipients.every(
    (address) => VERP_SAFE.test(address) && local.length + 1 + address.length <= MAX_LOCAL_PART,
  );
}

export function rcptCommand(address: string, dsn: boolean): string {
  if (!dsn) return line(`RCPT TO:<${address}>`);
  const original = originalRecipient(address);
  const orcpt = original.length <= MAX_ORIGINAL_RECIPIENT ? ` ORCPT=${original}` : '';
  return line(`RCPT TO:<${address}> NOTIFY=FAILURE${orcpt}`);
}

/** RFC 3030; LAST because a message is always sent whole. */
export function bdatCommand(sizeBytes: number): string {
  return line(`BDAT ${sizeBytes} LAST`);
}

/** RFC 3461 4: printable ASCII as it is, except `+` and `=`; the rest as +HH. */
export function xtext(text: string): string {
  return text.replace(/[^!-*,-<>-~]/gu, plusHex);
}

function plusHex(character: string): string {
  return [...Buffer.from(character)]
    .map((byte) => `+${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

/** RFC 3461 4.2; addresses beyond ASCII in the form of RFC 6533 3 that is ASCII itself. */
function originalRecipient(address: string): string {
  if (!needsUtf8(address)) return `rfc822;${xtext(address)}`;
  const ascii = address.replace(/[^!-*,-<>-[\]-~]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x{${code.toString(16).toUpperCase()}}`;
  });
  return `utf-8;${ascii}`;
}

function line(text: string): string {
  invariant(isSafe(text), 'CR, LF or NUL in an SMTP command');
  return `${text}\r\n`;
}
