/**
 * bounce/findings — what a returning message means: the events and suppressions that follow.
 *
 * Pure. Promises:
 *           `bounce.late`             a report that a delivery failed which was accepted, or may have
 *                                     been, for whatever reason and however often it may be tried
 *                                     again: the recipient did not get it.
 *           `bounce.notice`           a delay, relay or success; a report that names nobody; a failure
 *                                     of a delivery that was never accepted (it stays what it is; the
 *                                     policy still applies); feedback that is no complaint.
 *           `feedback.complaint`      suppressed everywhere, for ever.
 *           `recipient.unsubscribed`  suppressed for the campaign's stream, its sender, or everything,
 *                                     as he chose, for ever.
 *           `recipient.paused`        suppressed for the campaign's stream, for a while.
 *           Auto-replies, and mail that is no report at all, mean nothing; they are kept as received.
 * Never:    suppresses for a delay (RFC 3464 Action: delayed), nor because of what an auto-reply says.
 * See:      attribution.ts (who), policy.ts (suppressed or not), record.ts (writes it).
 */
import type { EventKind } from '../kernel/events.ts';
import type { Arrival, KnownDelivery } from './arrival.ts';
import type { Attributed } from './attribution.ts';
import { isErased } from './erasure/erased.ts';
import type { InspectedRecipient } from './inspection.ts';
import { feedbackMeaning, softKindOf, suppressionFor } from './policy.ts';
import type { SoftKind } from './policy.ts';
import { plainText } from './suppressions/entry.ts';
import { streamOfSender } from './suppressions/suppression.ts';
import type { NewSuppression } from './suppressions/suppression.ts';

/** What a recipient may choose on the page behind his link; a click alone means `list`. */
export const CHOICES = ['list', 'pause', 'sender', 'all'] as const;
export type Choice = (typeof CHOICES)[number];
export const WHYS = ['never_asked', 'too_many', 'not_relevant', 'other'] as const;
export type Why = (typeof WHYS)[number];

export interface Wish {
  choice: Choice;
  /** null: he did not say. */
  why: Why | null;
  /** How he said it. */
  how: string;
}

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
  /** It counts as a soft bounce, if the fact is new. */
  soft: SoftKind | null;
}

/** The last two: the message may be with the receiver, and that is not recorded yet, or not known. */
const LATE_STATES: readonly string[] = ['accepted', 'sending', 'ambiguous'];

/** Of somebody who was erased nothing is kept but that it happened. */
export function impersonal(finding: Finding): Finding {
  if (finding.delivery === null || !isErased(finding.delivery.addressKey)) return finding;
  const data = { ...finding.data };
  delete data['recipient'];
  return { ...finding, text: null, data, suppression: null, soft: null };
}

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
  const { class: name } = report.verdict;
  const suppression =
    policy === null
      ? null
      : ({
          ...suppressionOf(delivery, evidence),
          ...policy,
          class: name,
          origin: 'system',
        } as const);
  return {
    ...notice(delivery, each, {}),
    kind: late ? 'bounce.late' : 'bounce.notice',
    suppression,
    // What we counted as bounced or expired ourselves was counted then.
    soft: late && suppression === null ? softKindOf(name) : null,
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
  const wish: Wish = { choice: 'list', why: null, how: 'mail' };
  if (feedbackType === null) return wished(each.delivery, wish, null);
  return wished(each.delivery, { ...wish, how: `feedback report: ${feedbackType}` }, null, {
    feedback: feedbackType,
  });
}

/** What `delivery`'s recipient wants no more of, as he chose; `until`: for that long (a pause). */
export function wished(
  delivery: KnownDelivery,
  wish: Wish,
  until: Date | null,
  data: Finding['data'] = {},
): Finding {
  const { choice, why, how } = wish;
  const said = {
    ...data,
    ...(choice === 'list' ? {} : { choice }),
    ...(why === null ? {} : { why }),
  };
  return {
    ...notice(delivery, null, said),
    kind: choice === 'pause' ? 'recipient.paused' : 'recipient.unsubscribed',
    suppression: {
      ...suppressionOf(delivery, plainText(why === null ? how : `${how}; why: ${why}`)),
      ...scopeOf(delivery, choice),
      reason: 'unsubscribe',
      origin: 'recipient',
      expiresAt: until,
    },
  };
}

function scopeOf(delivery: KnownDelivery, choice: Choice) {
  switch (choice) {
    case 'list':
    case 'pause':
      return {
        scope: 'stream',
        scopeValue: streamOfSender(delivery.senderDomain, delivery.stream),
      } as const;
    case 'sender':
      return { scope: 'sender', scopeValue: delivery.senderDomain } as const;
    case 'all':
      return { scope: 'global', scopeValue: '' } as const;
  }
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
    soft: null,
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
