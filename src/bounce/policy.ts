/**
 * bounce/policy — what follows for the recipient when a message came back.
 *
 * Pure. Promises: only a class that is the recipient's own fault ever counts against him; a class that
 *           is not in the tables never does, whatever the receiver's first digit was. A permanent
 *           failure of HARD_RULES suppresses at once. Every other one of the recipient's own is a
 *           soft bounce: SOFT_LIMITS say how many, over how many days, make him a suspect.
 *           A complaint or an unsubscribe suppresses at once and for ever.
 * Never:    looks at `action` of a DSN: callers ask only about what failed (a delay is no failure).
 * Why:      `bad_domain` ends after a week because domains lapse, and come back when somebody pays;
 *           `inactive` ends because people come back to old mailboxes; `full` and
 *           `blocked_by_recipient` pass by themselves, so one failure says nothing.
 * See:      bounce/classes.ts (`fault`), bounce/watch (what follows for a suspect),
 *           docs/suppressions.md.
 */
import { BOUNCE_CLASS_NAMES, BOUNCE_CLASSES } from './classes.ts';
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
  inactive: { lifeDays: 90 },
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

/** Which limit counts a soft bounce. */
export type SoftKind = 'soft' | 'full';

export interface SoftLimit {
  /** This many ... */
  failures: number;
  /** ... in so many days back from today ... */
  windowDays: number;
  /** ... on at least so many different days. */
  days: number;
}

export type SoftLimits = Readonly<Record<SoftKind, SoftLimit>>;

/** A full mailbox belongs to somebody who may be on holiday: it takes more, and longer. */
export const SOFT_LIMITS: SoftLimits = {
  soft: { failures: 3, windowDays: 30, days: 2 },
  full: { failures: 5, windowDays: 60, days: 5 },
};

/** A suspect whose warning and probe came back is given up for so long. */
export const GIVEN_UP_DAYS = 180;

/** The classes that can count against a recipient at all. */
export const RECIPIENT_CLASSES: readonly BounceClass[] = BOUNCE_CLASS_NAMES.filter(
  (name) => BOUNCE_CLASSES[name].fault === 'recipient',
);

/** How a class counts when a message has failed for good by it and nobody was suppressed; null: not. */
export function softKindOf(name: BounceClass): SoftKind | null {
  if (BOUNCE_CLASSES[name].fault !== 'recipient') return null;
  return name === 'full' ? 'full' : 'soft';
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
