/**
 * bounce/families/report-signs — is this message a delivery report at all, and who wrote it.
 *
 * Promises: weighs signs instead of trusting one: spam forges subjects, people write the word
 *           `failure`, and list software answers from odd addresses.
 * Why:      a report taken for a letter loses a bounce; a letter taken for a report could suppress
 *           somebody. The second is worse, so two independent signs are needed.
 */
import { headerText } from '../charset.ts';
import { firstHeader, type Message } from '../message.ts';
import { FAILURE, REPORTER, REPORT_SUBJECT } from './wording.ts';

const ENOUGH = 3;

export function looksLikeReport(message: Message, lines: readonly string[]): boolean {
  return weigh(message, lines) >= ENOUGH;
}

function weigh(message: Message, lines: readonly string[]): number {
  const { headers } = message;
  const subject = headerText(firstHeader(headers, 'subject') ?? '');
  let weight = 0;
  if (isFromReporter(message)) weight += 2;
  if (firstHeader(headers, 'return-path')?.trim() === '<>') weight += 1;
  if (headers.has('x-failed-recipients')) weight += 3;
  // A read receipt has that form too, and the null sender (RFC 8098).
  if (message.type === 'multipart/report' && !isReceipt(message)) weight += 2;
  if (REPORT_SUBJECT.test(subject)) weight += 2;
  if (FAILURE.test(lines.slice(0, 40).join(' ').replace(/\s+/g, ' '))) weight += 2;
  if (message.parts.some(({ type }) => isReturnedType(type))) weight += 1;
  return weight;
}

/** A mail system wrote it, by its name. */
export function isFromReporter(message: Message): boolean {
  const from = headerText(firstHeader(message.headers, 'from') ?? '');
  return REPORTER.test(from) || /<>/.test(from);
}

function isReceipt(message: Message): boolean {
  return message.parameters.get('report-type')?.toLowerCase() === 'disposition-notification';
}

export function isReturnedType(type: string): boolean {
  return /^(?:message\/(?:rfc822|global|partial)|text\/rfc822-headers|message\/(?:rfc822|global)-headers)$/.test(
    type,
  );
}

interface Signature {
  name: string;
  /** Tried on the first lines, the subject and the mailer, joined. */
  pattern: RegExp;
}

const SIGNATURES: readonly Signature[] = [
  {
    name: 'qmail',
    pattern: /this is the .{0,40}(?:qmail-send|mta) program|below this line is a copy/i,
  },
  {
    name: 'exim',
    pattern: /created automatically by mail delivery software|a message that you sent/i,
  },
  { name: 'postfix', pattern: /this is the .{0,40}(?:postfix|mail system at host)/i },
  { name: 'sendmail', pattern: /----- (?:transcript of session|the following addresses)/i },
  {
    name: 'exchange',
    pattern:
      /did not reach the following|generating server|ms-exchange|microsoft exchange|internet mail service/i,
  },
  { name: 'domino', pattern: /was not delivered to:|lotus|domino|failure reasons/i },
  {
    name: 'gmail',
    pattern:
      /technical details of (?:permanent|temporary) failure|message (?:not delivered|blocked)|googlemail/i,
  },
  {
    name: 'yahoo',
    pattern:
      /^message from .{0,60}unable to deliver|we were unable to deliver your message to the following|yahoo/i,
  },
  { name: 'courier', pattern: /running the courier mail server/i },
  { name: 'opensmtpd', pattern: /this is the mailer-daemon, please do not reply/i },
  { name: 'imail', pattern: /smtp32 v/i },
  { name: 'netease', pattern: /(?:163|126|yeah|netease|188)\.(?:com|net)|coremail/i },
  { name: 'qq', pattern: /qq\.com|腾讯/i },
  { name: 'sina', pattern: /sina\.com/i },
];

/** A name for the reporter's software, or `text`. */
export function familyOf(message: Message, lines: readonly string[]): string {
  const { headers } = message;
  const fields = ['from', 'subject', 'x-mailer'].map((name) => firstHeader(headers, name) ?? '');
  const sample = `${lines.slice(0, 20).join(' ').replace(/\s+/g, ' ').trim()} ${fields.join(' ')}`;
  return SIGNATURES.find(({ pattern }) => pattern.test(sample.slice(0, 2_000)))?.name ?? 'text';
}
