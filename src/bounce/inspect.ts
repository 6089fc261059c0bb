/**
 * bounce/inspect — one message that came back, understood.
 *
 * Asked in this order, and the first that answers decides: feedback report (arf.ts), delivery
 * status (dsn.ts, also when it stands in plain text), a service's notification, a report in words
 * (families/), an automatic answer (autoreply.ts).
 *
 * Promises: pure; never throws, whatever the octets; bounded time and memory (message.ts). The same
 *           octets give the same Inspection.
 * Never:    invents an address: each recipient stands in the message. (One program, AOL's, names
 *           its users without their domain: families/local-names.ts completes those.)
 * See:      classify.ts (verdicts), docs/bounces.md.
 */
import { classify as classifyBuiltin, remembering, type Classifier } from './classify.ts';
import { readFeedback } from './arf.ts';
import { isAutoreply, isDispositionNotification } from './autoreply.ts';
import { looksLikeReport } from './families/report-signs.ts';
import { readNotification, type Notification } from './families/notification.ts';
import type { InspectedRecipient, Inspection } from './inspection.ts';
import { readMessage, type Headers, type Message } from './message.ts';
import { readStatusReport } from './status-report.ts';
import { readMaterial, type Material } from './material.ts';
import { readWordedReport } from './worded-report.ts';

/** A report inside a report (a gateway's disclaimer around it) is opened this often. */
const MAX_NESTING = 2;

export async function inspectMessage(
  raw: Uint8Array,
  classify: Classifier = classifyBuiltin,
): Promise<Inspection> {
  return inspect(raw, classify);
}

/** The same, synchronously: nothing here waits. */
export function inspect(raw: Uint8Array, classify: Classifier = classifyBuiltin): Inspection {
  return presentable(inspectNested(readMessage(raw), remembering(classify), 0));
}

const MAX_DIAGNOSTIC = 2_000;

/** Goes into the database, logs and JSON: one line, no control characters, whole code points. */
function presentable(inspection: Inspection): Inspection {
  const recipients = inspection.recipients.map((each) => ({
    ...each,
    recipient: oneLine(each.recipient),
    originalRecipient: each.originalRecipient === null ? null : oneLine(each.originalRecipient),
    diagnostic: oneLine(each.diagnostic),
  }));
  const { envelopeId, traceToken, messageId } = inspection;
  return {
    ...inspection,
    recipients,
    envelopeId: envelopeId === null ? null : oneLine(envelopeId),
    traceToken: traceToken === null ? null : oneLine(traceToken),
    messageId: messageId === null ? null : oneLine(messageId),
  };
}

function oneLine(text: string): string {
  const visible = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return visible.slice(0, MAX_DIAGNOSTIC).toWellFormed();
}

function inspectNested(message: Message, classify: Classifier, depth: number): Inspection {
  const material = readMaterial(message);
  const found = decide(message, material, classify);
  if (found.recipients.length > 0 || found.kind === 'feedback' || depth >= MAX_NESTING)
    return found;
  // Somebody may forward a report he got; only a gateway's report about our message counts.
  const declared = message.parameters.get('report-type')?.toLowerCase() === 'delivery-status';
  const reports = declared || looksLikeReport(message, material.report.text.lines);
  const inner = reports ? material.wrapped() : null;
  if (inner === null) return found;
  const nested = inspectNested(inner, classify, depth + 1);
  return nested.kind === 'bounce' && nested.recipients.length > 0 ? nested : found;
}

function decide(message: Message, material: Material, classify: Classifier): Inspection {
  const base = emptyInspection(material.returned);
  const feedback = readFeedback(message, material.returned);
  if (feedback !== null) {
    const recipients = feedback.recipients.map((each) => complained(each, feedback.type));
    const { envelopeId, type } = feedback;
    return { ...base, kind: 'feedback', recipients, envelopeId, feedbackType: type, family: 'arf' };
  }
  const status = readStatusReport(message, material, classify);
  if (status !== null) return { ...base, ...status };
  const notification = readNotification(material.text);
  if (notification !== null) return { ...base, ...notified(notification, classify) };
  const worded = readWordedReport(message, material, classify);
  if (worded !== null) return { ...base, ...worded };
  if (isDispositionNotification(message)) return { ...base, kind: 'delivered', family: 'mdn' };
  return isAutoreply(message, material.text) ? { ...base, kind: 'autoreply' } : base;
}

function emptyInspection(returned: Headers | null): Inspection {
  const first = (name: string): string | null => returned?.get(name)?.[0]?.slice(0, 500) ?? null;
  return {
    kind: 'none',
    recipients: [],
    envelopeId: null,
    traceToken: first('x-volley-trace'),
    messageId: /<([^<>\s]{1,500})>/.exec(first('message-id') ?? '')?.[1] ?? null,
    feedbackType: null,
    family: null,
  };
}

function complained(recipient: string, type: string): InspectedRecipient {
  return {
    recipient,
    originalRecipient: null,
    status: null,
    action: 'delivered',
    diagnostic: '',
    verdict: { class: 'unknown', permanent: false, rule: `feedback:${type}` },
  };
}

function notified(notification: Notification, classify: Classifier): Partial<Inspection> {
  const { kind, feedbackType, messageId } = notification;
  const recipients = notification.recipients.map((each): InspectedRecipient => {
    if (kind === 'feedback') return complained(each.recipient, feedbackType ?? 'abuse');
    const { recipient, status, diagnostic } = each;
    const verdict = classify({ code: null, enhanced: status, text: diagnostic, stage: null });
    const action = kind === 'delivered' ? 'delivered' : each.delayed ? 'delayed' : 'failed';
    return { recipient, originalRecipient: null, status, action, diagnostic, verdict };
  });
  return { kind, recipients, feedbackType, messageId, family: 'ses' };
}
