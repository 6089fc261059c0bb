/**
 * bounce/arf — feedback reports: somebody complained, or a check failed.
 *
 * Reads RFC 5965 (abuse), RFC 6591 (auth-failure), RFC 6430 (not-spam), opt-out reports, Microsoft
 * JMRP (no report part: a forwarded message with X-HmXmrOriginalRecipient) and Yahoo's forms.
 *
 * Promises: recipients are those the report names; when it redacts them, the To of the returned
 *           message. A token that we signed ourselves (traceToken) is worth more than either.
 * Never:    takes a message for feedback only because its subject says so.
 */
import { addressesIn, firstAddress } from './addresses.ts';
import { headerText } from './charset.ts';
import { decodeXtext } from './dsn.ts';
import { firstHeader, partText, readHeaders, type Headers, type Message } from './message.ts';

export interface Feedback {
  type: string;
  recipients: string[];
  envelopeId: string | null;
}

/** Null when the message is no feedback report. */
export function readFeedback(message: Message, returned: Headers | null): Feedback | null {
  const part = message.parts.find(({ type }) => type === 'message/feedback-report');
  if (part !== undefined) return feedbackOf(fieldsOf(partText(part)), returned);
  const declared = message.parameters.get('report-type')?.toLowerCase() === 'feedback-report';
  const inText = declared ? fieldsInText(message) : null;
  if (inText !== null) return feedbackOf(inText, returned);
  return readJmrp(message, returned);
}

function fieldsOf(text: string): Headers {
  const start = /\S/.exec(text)?.index ?? 0;
  return readHeaders(text, start, text.length).headers;
}

function fieldsInText(message: Message): Headers | null {
  for (const part of message.parts) {
    if (!part.type.startsWith('text/')) continue;
    const text = partText(part);
    const start = /^feedback-type:/im.exec(text)?.index;
    if (start !== undefined) return fieldsOf(text.slice(start));
  }
  return null;
}

function feedbackOf(fields: Headers, returned: Headers | null): Feedback {
  const written = firstHeader(fields, 'feedback-type')?.trim().toLowerCase() ?? '';
  const named = ['original-rcpt-to', 'removal-recipient'].flatMap((name) =>
    (fields.get(name) ?? []).flatMap((value) => addressesIn(value, 1)),
  );
  const id = firstHeader(fields, 'original-envelope-id');
  return {
    type: /^[a-z][a-z-]{1,30}$/.test(written) ? written : 'abuse',
    recipients: named.length > 0 ? unique(named) : recipientsOf(returned),
    envelopeId: id === null ? null : decodeXtext(id).slice(0, 200),
  };
}

/** Microsoft: a plain multipart that carries the message with the complainer's address added. */
function readJmrp(message: Message, returned: Headers | null): Feedback | null {
  const from = firstAddress(firstHeader(message.headers, 'from') ?? '') ?? '';
  const subject = headerText(firstHeader(message.headers, 'subject') ?? '');
  const added = ['x-hmxmroriginalrecipient', 'x-hotmail-original-recipient'].flatMap((name) =>
    [returned, message.headers].flatMap((headers) => headers?.get(name) ?? []),
  );
  const recipients = added.flatMap((value) => addressesIn(value, 1));
  const announced =
    /@(?:hotmail|outlook|live|microsoft)\.com$/i.test(from) &&
    /^complaint about message from /i.test(subject);
  if (recipients.length === 0 && !announced) return null;
  return {
    type: 'abuse',
    recipients: recipients.length > 0 ? unique(recipients) : recipientsOf(returned),
    envelopeId: null,
  };
}

/** To whom the returned message was sent; Yahoo writes X-Apparently-To. */
function recipientsOf(returned: Headers | null): string[] {
  if (returned === null) return [];
  for (const name of ['x-apparently-to', 'to', 'delivered-to']) {
    const addresses = addressesIn(headerText(firstHeader(returned, name) ?? ''), 20);
    if (addresses.length > 0) return addresses;
  }
  return [];
}

function unique(addresses: readonly string[]): string[] {
  return [...new Map(addresses.map((each) => [each.toLowerCase(), each])).values()];
}
