/**
 * bounce/inspect — one message that came back, understood.
 *
 * Promises: pure; never throws, whatever the octets; bounded time and memory (message.ts). The same
 *           octets give the same Inspection.
 * Never:    invents an address: each recipient stands in the message.
 * See:      dsn.ts (RFC 3464), arf.ts (feedback), families/ (texts), classify.ts (verdicts).
 */
import { sameAddress } from './addresses.ts';
import { classify as classifyBuiltin, type Classifier } from './classify.ts';
import { readDeliveryStatus, type DsnRecipient, type DsnReport } from './dsn.ts';
import type { InspectedRecipient, Inspection } from './inspection.ts';
import {
  firstHeader,
  partText,
  readHeaders,
  readMessage,
  type Headers,
  type Message,
} from './message.ts';

export async function inspectMessage(
  raw: Uint8Array,
  classify: Classifier = classifyBuiltin,
): Promise<Inspection> {
  return inspect(raw, classify);
}

/** The same, synchronously: nothing here waits. */
export function inspect(raw: Uint8Array, classify: Classifier = classifyBuiltin): Inspection {
  const message = readMessage(raw);
  const returned = returnedHeaders(message);
  const report = deliveryStatus(message);
  const base: Inspection = {
    kind: 'none',
    recipients: [],
    envelopeId: report?.envelopeId ?? null,
    traceToken: traceOf(returned),
    messageId: messageIdOf(returned),
    feedbackType: null,
    family: null,
  };
  if (report === null) return base;
  const recipients = report.recipients.flatMap((each) => inspected(each, classify));
  return { ...base, kind: kindOf(recipients), recipients, family: 'rfc3464' };
}

function kindOf(recipients: readonly InspectedRecipient[]): Inspection['kind'] {
  const failing = recipients.some(({ action }) => action === 'failed' || action === 'delayed');
  if (failing) return 'bounce';
  return recipients.length > 0 ? 'delivered' : 'none';
}

function inspected(recipient: DsnRecipient, classify: Classifier): InspectedRecipient[] {
  const address = recipient.finalRecipient ?? recipient.originalRecipient;
  if (address === null) return [];
  const original = recipient.originalRecipient;
  const { status, diagnostic } = recipient;
  return [
    {
      recipient: address,
      originalRecipient: original !== null && !sameAddress(original, address) ? original : null,
      status,
      action: recipient.action ?? (status?.startsWith('4') === true ? 'delayed' : 'failed'),
      diagnostic,
      verdict: classify({ code: null, enhanced: status, text: diagnostic, stage: null }),
    },
  ];
}

function deliveryStatus(message: Message): DsnReport | null {
  let joined: DsnReport | null = null;
  for (const part of message.parts) {
    if (!/^message\/(?:global-)?delivery-status$/.test(part.type)) continue;
    const report = readDeliveryStatus(partText(part));
    if (report === null) continue;
    if (joined === null) joined = report;
    else joined.recipients.push(...report.recipients);
  }
  return joined;
}

function returnedHeaders(message: Message): Headers | null {
  const returned = message.parts.findLast(({ type }) =>
    /^(?:message\/(?:rfc822|global)|text\/rfc822-headers|message\/(?:rfc822|global)-headers)$/.test(
      type,
    ),
  );
  return returned === undefined
    ? null
    : readHeaders(returned.octets, 0, returned.octets.length).headers;
}

function traceOf(headers: Headers | null): string | null {
  const value = headers === null ? null : firstHeader(headers, 'x-volley-trace');
  return value === null ? null : value.slice(0, 300);
}

function messageIdOf(headers: Headers | null): string | null {
  const value = headers === null ? null : firstHeader(headers, 'message-id');
  return value === null ? null : (/<([^<>\s]{1,500})>/.exec(value)?.[1] ?? null);
}
