/**
 * bounce/policy — what follows for the recipient when a message came back.
 *
 * Pure. Promises: only a permanent verdict whose class is the recipient's own fault suppresses him;
 *           a class that is not in the table never does, whatever the receiver's first digit was.
 *           A complaint or an unsubscribe suppresses at once and for ever.
 * Never:    looks at `action` of a DSN: callers ask only about what failed (a delay is no failure).
 * Why:      `bad_domain` ends after a week because domains lapse, and come back when somebody pays;
 *           `full` and `blocked_by_recipient` pass by themselves, so one failure says nothing.
 * See:      bounce/classes.ts (`fault`), docs/bounces.md.
 */
import { BOUNCE_CLASSES } from './classes.ts';
import type { BounceClass, Verdict } from './classes.ts';
import type { SuppressionReason } from './suppressions/suppression.ts';

export interface SuppressionVerdict {
  reason: SuppressionReason;
  /** null: for ever. */
  expiresAt: Date | null;
}

interface HardRule {
  /** null: until it is released. */
  lifeDays: number | null;
}

/** One permanent failure of these classes is enough. */
export const HARD_RULES: Partial<Record<BounceClass, HardRule>> = {
  bad_mailbox: { lifeDays: null },
  inactive: { lifeDays: null },
  bad_domain: { lifeDays: 7 },
};

const DAY_MS = 86_400_000;

export function suppressionFor(verdict: Verdict, now: Date): SuppressionVerdict | null {
  const rule = HARD_RULES[verdict.class];
  if (rule === undefined || !verdict.permanent) return null;
  if (BOUNCE_CLASSES[verdict.class].fault !== 'recipient') return null;
  const expiresAt =
    rule.lifeDays === null ? null : new Date(now.getTime() + rule.lifeDays * DAY_MS);
  return { reason: 'hard_bounce', expiresAt };
}

/** What a feedback report (RFC 5965 Feedback-Type) means for its recipient. */
export type FeedbackMeaning = 'complaint' | 'unsubscribe' | 'notice';

const FEEDBACK = new Map<string, FeedbackMeaning>([
  ['abuse', 'complaint'],
  ['fraud', 'complaint'],
  ['other', 'complaint'],
  ['opt-out', 'unsubscribe'],
  ['opt-out-list', 'unsubscribe'],
  // Somebody took it out of the spam folder (RFC 6430), a filter's or a DMARC finding (RFC 6591).
  ['not-spam', 'notice'],
  ['virus', 'notice'],
  ['auth-failure', 'notice'],
]);

/** A report without a type, or with one nobody registered, is a complaint that was typed badly. */
export function feedbackMeaning(feedbackType: string | null): FeedbackMeaning {
  return FEEDBACK.get((feedbackType ?? 'abuse').toLowerCase()) ?? 'complaint';
}
