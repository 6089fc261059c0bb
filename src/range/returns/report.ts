/**
 * range/returns/report — the bytes of a DSN (RFC 3464) and of a complaint (ARF, RFC 5965).
 *
 * Pure. Promises: one report per recipient. Final-Recipient is the address as it stood in RCPT;
 *           Original-Recipient and Original-Envelope-Id stand there when the sender gave ORCPT and
 *           ENVID, decoded. Lines end in CRLF; nothing from the envelope can begin a new line
 *           (smtp/command lets no control character through).
 */
import { assertNever } from '../../kernel/errors.ts';
import type { Family } from '../profile.ts';
import { tokenOf } from '../random.ts';
import { reply } from '../replies.ts';
import type { ReplyName } from '../replies.ts';
import type { ReturnOrder } from '../smtp/delivery.ts';
import { domainOf } from '../world.ts';

export interface Report {
  /** Empty: the null sender. */
  mailFrom: string;
  bytes: Buffer;
}

interface Failure {
  status: string;
  diagnosis: ReplyName;
}

/** Subject and first sentence of a DSN. */
const WORDING: Readonly<Record<Family, readonly [subject: string, text: string]>> = {
  postfix: [
    'Undelivered Mail Returned to Sender',
    'This is the mail system of {host}. Your message could not be delivered to the recipient below.',
  ],
  gmail: [
    'Delivery Status Notification (Failure)',
    'Your message was not delivered, because the mailbox could not take it.',
  ],
  outlook: ['Undeliverable: your message', 'Delivery has failed to this recipient:'],
  yahoo: ['Failure Notice', 'Sorry, we were unable to deliver your message to this address.'],
  qq: ['系统退信 / Systems bounce', '抱歉，您的邮件被退回。 Your message was returned.'],
  netease: ['系统退信', '很抱歉，您的邮件未能送达以下收件人。 Your message was not delivered.'],
  naver: ['메일 전송 실패 안내', '메일이 전송되지 못했습니다. Your message was not delivered.'],
  coremail: ['系统退信 / Returned mail', '您的邮件无法投递。 Your message could not be delivered.'],
};

function rfc5322Date(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}

function encodedSubject(text: string): string {
  if (/^[ -~]*$/.test(text)) return text;
  return `=?UTF-8?B?${Buffer.from(text, 'utf8').toString('base64')}?=`;
}

function head(order: ReturnOrder, fields: readonly string[], kind: string, mark: string): string[] {
  const reportType = kind === 'delivery-status' ? 'delivery-status' : 'feedback-report';
  return [
    ...fields,
    `To: <${order.sender}>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=${reportType};`,
    ` boundary="${mark}"`,
    '',
    `--${mark}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
  ];
}

function assemble(lines: readonly string[], headers: string, mark: string): Buffer {
  return Buffer.concat([
    Buffer.from(`${lines.join('\r\n')}\r\n`, 'utf8'),
    Buffer.from(`--${mark}\r\nContent-Type: text/rfc822-headers\r\n\r\n`, 'utf8'),
    Buffer.from(headers, 'latin1'),
    Buffer.from(`\r\n--${mark}--\r\n`, 'utf8'),
  ]);
}

/** `550 5.1.1 a` and more lines -> `smtp; 550-5.1.1 a`, continued on folded lines. */
function diagnostic(order: ReturnOrder, failure: Failure, token: string): string[] {
  const facts = { recipient: order.recipient, client: order.client, host: order.host, token };
  const [first = '', ...rest] = reply(order.profile.family, failure.diagnosis, facts).split('\r\n');
  return [`Diagnostic-Code: smtp; ${first}`, ...rest.map((line) => `    ${line}`)];
}

function deliveryReport(order: ReturnOrder, failure: Failure, now: Date): Buffer {
  const token = tokenOf(1, `${order.sender} ${order.recipient}`);
  const mark = `=_range_${token}`;
  const [subject, text] = WORDING[order.profile.family];
  const fields = [
    `From: Mail Delivery System <mailer-daemon@${order.host}>`,
    `Subject: ${encodedSubject(subject)}`,
    `Date: ${rfc5322Date(now)}`,
    `Message-ID: <${token}.dsn@${order.host}>`,
  ];
  const diagnosis = diagnostic(order, failure, token);
  const lines = [
    ...head(order, fields, 'delivery-status', mark),
    text.replace('{host}', () => order.host),
    '',
    `<${order.recipient}>`,
    ...diagnosis.map((line) => line.replace('Diagnostic-Code: smtp; ', '')),
    '',
    `--${mark}`,
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: dns; ${order.host}`,
    ...(order.envelopeId === null ? [] : [`Original-Envelope-Id: ${order.envelopeId}`]),
    `Arrival-Date: ${rfc5322Date(order.arrivedAt)}`,
    '',
    `Final-Recipient: rfc822; ${order.recipient}`,
    ...(order.originalRecipient === null
      ? []
      : [`Original-Recipient: ${order.originalRecipient.replace(';', '; ')}`]),
    'Action: failed',
    `Status: ${failure.status}`,
    ...diagnosis,
    `Last-Attempt-Date: ${rfc5322Date(now)}`,
    '',
  ];
  return assemble(lines, order.headers, mark);
}

function complaint(order: ReturnOrder, now: Date): Buffer {
  const token = tokenOf(2, `${order.sender} ${order.recipient}`);
  const mark = `=_range_${token}`;
  const domain = domainOf(order.recipient);
  const fields = [
    `From: Feedback Loop <feedback@${domain}>`,
    'Subject: Complaint about a message from you',
    `Date: ${rfc5322Date(now)}`,
    `Message-ID: <${token}.arf@${order.host}>`,
  ];
  const lines = [
    ...head(order, fields, 'feedback-report', mark),
    `This is an abuse report of ${domain} for a message received from ${order.client}.`,
    'One of our users marked it as spam.',
    '',
    `--${mark}`,
    'Content-Type: message/feedback-report',
    '',
    'Feedback-Type: abuse',
    'User-Agent: Range-Feedback/1.0',
    'Version: 1',
    `Original-Mail-From: <${order.sender}>`,
    `Original-Rcpt-To: <${order.recipient}>`,
    `Arrival-Date: ${rfc5322Date(order.arrivedAt)}`,
    `Source-IP: ${order.client}`,
    `Reporting-MTA: dns; ${order.host}`,
    '',
  ];
  return assemble(lines, order.headers, mark);
}

export function composeReport(order: ReturnOrder, now: Date): Report {
  switch (order.kind) {
    case 'late': {
      const bytes = deliveryReport(order, { status: '5.1.1', diagnosis: 'unknown' }, now);
      return { mailFrom: '', bytes };
    }
    case 'latefull': {
      const bytes = deliveryReport(order, { status: '5.2.2', diagnosis: 'fullhard' }, now);
      return { mailFrom: '', bytes };
    }
    case 'complaint':
      return { mailFrom: `feedback@${domainOf(order.recipient)}`, bytes: complaint(order, now) };
    default:
      return assertNever(order.kind);
  }
}
