/**
 * bounce/material — the pieces of a message that the readers of reports work on.
 *
 * Promises: each piece is made once; texts are cut (message.ts LIMITS). `text` is what a person
 *           would read: the text parts before the returned message, or the HTML when there is none.
 */
import { addressesIn } from './addresses.ts';
import { headerText } from './charset.ts';
import { isReturnedType } from './families/report-signs.ts';
import { readTextReport, failedRecipientsOf, type TextReport } from './families/text-report.ts';
import { htmlText } from './html-text.ts';
import {
  firstHeader,
  partOctets,
  partText,
  readHeaders,
  readMessage,
  type Headers,
  type Message,
  type Part,
} from './message.ts';

export interface Material {
  text: string;
  /** The text read by its layout. */
  report: TextReport;
  /** Header of the returned message, from its part or from the text; null when none came back. */
  returned: Headers | null;
  /** To whom this message was sent, hence who sent the one that failed. */
  own: readonly string[];
  failedRecipients: readonly string[];
  /** A message inside that may be the real report. */
  wrapped(): Message | null;
}

export function readMaterial(message: Message): Material {
  const own = ownAddresses(message.headers);
  const failedRecipients = failedRecipientsOf(message.headers.get('x-failed-recipients') ?? []);
  const { text, report } = readText(message, own, failedRecipients);
  const part = message.parts.findLast(({ type }) => isReturnedType(type));
  const returned =
    part === undefined ? headersIn(report.text.returned) : headersIn(partOctets(part));
  const wrapped = (): Message | null => {
    const inner = message.parts.find(({ type }) => type === 'message/rfc822');
    return inner === undefined ? null : readMessage(Buffer.from(partOctets(inner), 'latin1'));
  };
  return { text, report, returned, own, failedRecipients, wrapped };
}

/** The first text part that names somebody; else all of them. */
function readText(
  message: Message,
  own: readonly string[],
  failedRecipients: readonly string[],
): { text: string; report: TextReport } {
  const texts = readableTexts(message.parts);
  for (const text of [...texts.slice(0, 3), texts.join('\n\n')]) {
    const report = readTextReport({ text, own, failedRecipients });
    const named = report.recipients.some(({ reason }) => reason !== '');
    if (named || (failedRecipients.length === 0 && report.recipients.length > 0)) {
      return { text, report };
    }
  }
  const text = texts.join('\n\n');
  return { text, report: readTextReport({ text, own, failedRecipients }) };
}

function readableTexts(parts: readonly Part[]): string[] {
  const end = parts.findIndex(({ type }) => isReturnedType(type));
  const before = end < 0 ? parts : parts.slice(0, end);
  const plain = before.filter(({ type }) => type === 'text/plain').map(partText);
  const filled = plain.filter((text) => text.trim() !== '');
  if (filled.length > 0) return filled;
  const html = before.filter(({ type }) => type === 'text/html').map((p) => htmlText(partText(p)));
  if (html.some((text) => text.trim() !== '')) return html;
  return end < 0
    ? []
    : parts
        .slice(end)
        .filter(({ type }) => type === 'text/plain')
        .map(partText);
}

function headersIn(block: string): Headers | null {
  const start = /\S/.exec(block)?.index;
  if (start === undefined) return null;
  const { headers } = readHeaders(block, start, block.length);
  return headers.size === 0 ? null : headers;
}

function ownAddresses(headers: Headers): string[] {
  const values = ['to', 'delivered-to', 'x-original-to'].map((name) => firstHeader(headers, name));
  return values.flatMap((value) => addressesIn(headerText(value ?? ''), 5));
}
