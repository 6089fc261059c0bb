/**
 * bounce/findings — what a returning message means: the events and suppressions that follow.
 *
 * Pure. Promises:
 *           `bounce.late`             a report that a delivery we count as accepted failed, for
 *                                     whatever reason and however often it may be tried again: the
 *                                     recipient did not get it.
 *           `bounce.notice`           a delay, relay or success; a report that names nobody; a failure
 *                                     of a delivery that is not counted as accepted (it stays what it
 *                                     is; the policy still applies); feedback that is no complaint.
 *           `feedback.complaint`      suppressed everywhere, for ever.
 *           `recipient.unsubscribed`  suppressed for the campaign's stream, for ever.
 *           Auto-replies, and mail that is no report at all, mean nothing; they are kept as received.
 * Never:    suppresses for a delay (RFC 3464 Action: delayed), nor because of what an auto-reply says.
 * See:      attribution.ts (who), policy.ts (suppressed or not), record.ts (writes it).
 */
import type { EventKind } from '../kernel/events.ts';
import type { Arrival, KnownDelivery } from './arrival.ts';
import type { Attributed } from './attribution.ts';
import type { InspectedRecipient } from './inspection.ts';
import { feedbackMeaning, suppressionFor } from './policy.ts';
import { plainText } from './suppressions/entry.ts';
import type { NewSuppression } from './suppressions/suppression.ts';

export interface Finding {
  kind: EventKind;
  /** null: the report names nobody. */
  delivery: KnownDelivery | null;
  class: string | null;
  rule: string | null;
  enhancedCode: string | null;
  text: string | null;
  data: Record<string, string | boolean>;
  suppression: NewSuppression | null;
}

/** Counted as accepted, or about to be: the report overtook the recording of the acceptance. */
const LATE_STATES: readonly string[] = ['accepted', 'sending'];

export function findingsOf(arrival: Arrival, attributed: readonly Attributed[]): Finding[] {
  const { inspection, destination } = arrival;
  if (destination.purpose === 'unsubscribe') {
    return inspection.kind === 'none' ? attributed.map((each) => unsubscribed(each, null)) : [];
  }
  if (inspection.kind === 'feedback') {
    const type = plainText(inspection.feedbackType ?? 'abuse') ?? 'abuse';
    switch (feedbackMeaning(inspection.feedbackType)) {
      case 'complaint':
        return attributed.map((each) => complained(each, type));
      case 'unsubscribe':
        return attributed.map((each) => unsubscribed(each, type));
      case 'notice':
        return attributed.map((each) => notice(each.delivery, each, { feedback: type }));
    }
  }
  const isReport = inspection.kind === 'bounce' || inspection.kind === 'delivered';
  if (destination.purpose !== 'bounce' || !isReport) return [];
  if (attributed.length === 0) return [notice(null, null, {})];
  return attributed.map((each) => bounced(each, arrival.receivedAt));
}

function bounced(each: Attributed, now: Date): Finding {
  const { delivery, report } = each;
  if (report?.action !== 'failed') return notice(delivery, each, {});
  const late = LATE_STATES.includes(delivery.state);
  const policy = suppressionFor(report.verdict, now);
  const evidence = plainText(`${report.status ?? ''} ${report.diagnostic}`);
  const suppression =
    policy === null
      ? null
      : ({ ...suppressionOf(delivery, evidence), ...policy, origin: 'system' } as const);
  return {
    ...notice(delivery, each, {}),
    kind: late ? 'bounce.late' : 'bounce.notice',
    suppression,
  };
}

function complained(each: Attributed, type: string): Finding {
  const evidence = plainText(`feedback report: ${type}`);
  return {
    ...notice(each.delivery, each, { feedback: type }),
    kind: 'feedback.complaint',
    suppression: {
      ...suppressionOf(each.delivery, evidence),
      reason: 'complaint',
      origin: 'recipient',
      expiresAt: null,
    },
  };
}

function unsubscribed(each: Attributed, feedbackType: string | null): Finding {
  const how = feedbackType === null ? 'mail' : `feedback report: ${feedbackType}`;
  return unsubscribe(each.delivery, how, feedbackType === null ? {} : { feedback: feedbackType });
}

/** The recipient of `delivery` wants no more of its stream; `how` he said so. */
export function unsubscribe(
  delivery: KnownDelivery,
  how: string,
  data: Finding['data'] = {},
): Finding {
  return {
    ...notice(delivery, null, data),
    kind: 'recipient.unsubscribed',
    suppression: {
      ...suppressionOf(delivery, plainText(how)),
      scope: 'stream',
      scopeValue: delivery.stream,
      reason: 'unsubscribe',
      origin: 'recipient',
      expiresAt: null,
    },
  };
}

function notice(
  delivery: KnownDelivery | null,
  each: Attributed | null,
  data: Finding['data'],
): Finding {
  const report = each?.report ?? null;
  return {
    kind: 'bounce.notice',
    delivery,
    class: report?.action === 'failed' ? report.verdict.class : null,
    rule: report?.action === 'failed' ? report.verdict.rule : null,
    enhancedCode: report?.status ?? null,
    text: report === null ? null : plainText(report.diagnostic),
    data: { ...data, ...reported(report), ...(each?.mismatch === true ? { mismatch: true } : {}) },
    suppression: null,
  };
}

function reported(report: InspectedRecipient | null): Finding['data'] {
  if (report === null) return {};
  return { action: report.action, recipient: plainText(report.recipient) ?? '' };
}

function suppressionOf(delivery: KnownDelivery, evidence: string | null) {
  const { addressKey, campaignId, deliveryId } = delivery;
  return { addressKey, campaignId, deliveryId, evidence };
}
