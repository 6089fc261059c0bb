/**
 * bounce/families/notification — bounces that a sending service reports as JSON by mail.
 *
 * Amazon SES over SNS: `{"notificationType":"Bounce","bounce":{"bouncedRecipients":[...]}}`, bare or
 * as the string `Message` of an SNS envelope. The mail wraps long lines wherever it likes.
 *
 * Promises: never throws; null when the text holds no such object.
 */
import { cleanAddress } from '../addresses.ts';

export interface Notification {
  kind: 'bounce' | 'feedback' | 'delivered';
  recipients: { recipient: string; status: string | null; diagnostic: string; delayed: boolean }[];
  feedbackType: string | null;
  messageId: string | null;
}

const MAX_JSON = 128 * 1024;

export function readNotification(text: string): Notification | null {
  if (!/notificationType|eventType/.test(text)) return null;
  const start = text.indexOf('{');
  const end = text.lastIndexOf('}');
  if (start < 0 || end <= start || end - start > MAX_JSON) return null;
  const outer = parsed(text.slice(start, end + 1).replace(/\r?\n ?/g, ''));
  const inner = typeof outer['Message'] === 'string' ? parsed(outer['Message']) : outer;
  const type = inner['notificationType'] ?? inner['eventType'];
  const mail = record(inner['mail']);
  const messageId = typeof mail['messageId'] === 'string' ? mail['messageId'] : null;
  if (type === 'Bounce') return { ...bounced(record(inner['bounce'])), messageId };
  if (type === 'Complaint') return { ...complained(record(inner['complaint'])), messageId };
  if (type !== 'Delivery') return null;
  const names = list(record(inner['delivery'])['recipients']);
  const recipients = names.flatMap((name) => recipientOf(name, '2.0.0', '', false));
  return { kind: 'delivered', recipients, feedbackType: null, messageId };
}

function bounced(bounce: Record<string, unknown>): Omit<Notification, 'messageId'> {
  const delayed = bounce['bounceType'] === 'Transient';
  const recipients = list(bounce['bouncedRecipients']).flatMap((item) => {
    const each = record(item);
    const status = typeof each['status'] === 'string' ? each['status'] : null;
    const code = typeof each['diagnosticCode'] === 'string' ? each['diagnosticCode'] : '';
    const diagnostic = code.replace(/^\s*smtp\s*;\s*/i, '');
    return recipientOf(
      each['emailAddress'],
      status,
      diagnostic,
      delayed && each['action'] !== 'failed',
    );
  });
  return { kind: 'bounce', recipients, feedbackType: null };
}

function complained(complaint: Record<string, unknown>): Omit<Notification, 'messageId'> {
  const type = complaint['complaintFeedbackType'];
  const recipients = list(complaint['complainedRecipients']).flatMap((item) =>
    recipientOf(record(item)['emailAddress'], null, '', false),
  );
  const feedbackType = typeof type === 'string' && /^[a-z-]{2,30}$/.test(type) ? type : 'abuse';
  return { kind: 'feedback', recipients, feedbackType };
}

function recipientOf(
  name: unknown,
  status: string | null,
  diagnostic: string,
  delayed: boolean,
): Notification['recipients'] {
  const recipient = typeof name === 'string' ? cleanAddress(name) : null;
  if (recipient === null) return [];
  const known = status !== null && /^[245]\.\d{1,3}\.\d{1,3}$/.test(status) ? status : null;
  return [{ recipient, status: known, diagnostic: diagnostic.slice(0, 2_000), delayed }];
}

function parsed(text: string): Record<string, unknown> {
  try {
    return record(JSON.parse(text));
  } catch {
    // Not JSON after all: then it is not one of these.
    return {};
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, 1_000) : [];
}
