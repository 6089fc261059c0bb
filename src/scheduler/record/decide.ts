/**
 * scheduler/record/decide — what an outcome means for the delivery.
 *
 * Pure. The mta says what happened, the classifier whose fault it is, the campaign how long and
 * with which ambiguity policy; this says which state the delivery takes (the table in DESIGN.md).
 *
 * Promises: a 5xx whose class is a rate or reputation limit is a deferral; a 4xx stays one. Nothing
 *           is tried at or past the campaign's end. An attempt that we broke off ourselves is no
 *           attempt. Suppression is asked of bounce/policy only when the delivery bounced, and a soft
 *           bounce is counted only when it is over: bounced or expired. A reply to a copy for many
 *           is held against none of them.
 */
import { classify as classifyBuiltin } from '../../bounce/classify.ts';
import type { Classifier } from '../../bounce/classify.ts';
import { softKindOf, suppressionFor } from '../../bounce/policy.ts';
import type { SoftKind } from '../../bounce/policy.ts';
import { BOUNCE_CLASSES } from '../../bounce/classes.ts';
import type { BounceClass, Verdict } from '../../bounce/classes.ts';
import type { Random } from '../../kernel/clock.ts';
import { assertNever } from '../../kernel/errors.ts';
import type { DeliveryEventKind } from '../../kernel/events.ts';
import { describeFailure } from '../../mta/failure.ts';
import type { LocalFailure } from '../../mta/outcome.ts';
import type { SiteFailure } from '../../mta/transaction.ts';
import { nextAttemptAt } from '../retry.ts';

export type AmbiguityPolicy = 'hold' | 'retry' | 'assume_accepted';

export interface DecisionContext {
  /** Attempts recorded before this one. */
  attempts: number;
  expiresAt: Date;
  ambiguityPolicy: AmbiguityPolicy;
  retryScheduleSeconds: readonly number[];
  now: Date;
  random: Random;
  /** The built-in rules when absent. */
  classify?: Classifier | undefined;
}

export type Suppression = NonNullable<ReturnType<typeof suppressionFor>>;

export interface Decision {
  state: 'pending' | 'accepted' | 'bounced' | 'expired' | 'ambiguous';
  event: DeliveryEventKind | null;
  class: BounceClass | null;
  rule: string | null;
  /** Only for `pending`; null: at once. */
  nextAttemptAt: Date | null;
  /** Whether it counts as an attempt. */
  counted: boolean;
  suppression: Suppression | null;
  /** It counts as a soft bounce of the recipient. */
  soft: SoftKind | null;
}

/** The outcome without its recipient. */
export function decide(outcome: SiteFailure, context: DecisionContext): Decision {
  switch (outcome.result) {
    case 'accepted':
      return settled('accepted', 'delivery.accepted');
    case 'ambiguous':
      return decideAmbiguous(context.ambiguityPolicy);
    case 'deferred':
    case 'rejected':
      if (outcome.failure === 'aborted') return brokenOff();
      return decideFailure(verdictOf(outcome, context.classify), context);
    default:
      return assertNever(outcome.result);
  }
}

function settled(state: Decision['state'], event: DeliveryEventKind): Decision {
  return {
    state,
    event,
    class: null,
    rule: null,
    nextAttemptAt: null,
    counted: true,
    suppression: null,
    soft: null,
  };
}

function brokenOff(): Decision {
  return { ...settled('pending', 'delivery.deferred'), event: null, counted: false };
}

/** The event is always `delivery.ambiguous`: the fact. The state is the policy's. */
function decideAmbiguous(policy: AmbiguityPolicy): Decision {
  switch (policy) {
    case 'hold':
      return settled('ambiguous', 'delivery.ambiguous');
    case 'retry':
      return settled('pending', 'delivery.ambiguous');
    case 'assume_accepted':
      return settled('accepted', 'delivery.ambiguous');
    default:
      return assertNever(policy);
  }
}

function decideFailure(verdict: Verdict, context: DecisionContext): Decision {
  const facts = { class: verdict.class, rule: verdict.rule };
  if (verdict.permanent) {
    const suppression = suppressionFor(verdict, context.now);
    const soft = suppression === null ? softKindOf(verdict.class) : null;
    return { ...settled('bounced', 'delivery.bounced'), ...facts, suppression, soft };
  }
  const next = nextAttemptAt(
    context.retryScheduleSeconds,
    context.attempts + 1,
    context.now,
    context.expiresAt,
    context.random,
  );
  if (next === null) {
    const soft = softKindOf(verdict.class);
    return { ...settled('expired', 'delivery.expired'), ...facts, soft };
  }
  return { ...settled('pending', 'delivery.deferred'), ...facts, nextAttemptAt: next };
}

function verdictOf(outcome: SiteFailure, classify: Classifier = classifyBuiltin): Verdict {
  const { reply, failure, stage } = outcome;
  // Our own observation stands above the words of a reply that came with it.
  if (failure !== null || reply === null) return localVerdict(failure ?? 'connection_lost');
  const verdict = classify({ ...reply, stage });
  return outcome.shared === true ? clearOfOthers(verdict) : verdict;
}

/** One reply for a copy to many: `Account disabled` is true of one of them, nobody knows of whom. */
function clearOfOthers(verdict: Verdict): Verdict {
  const isHis = BOUNCE_CLASSES[verdict.class].fault === 'recipient';
  if (!isHis || verdict.class === 'bad_domain') return verdict;
  return { ...verdict, class: 'policy', rule: `${verdict.rule}/shared` };
}

const LOCAL_CLASSES: Record<LocalFailure, BounceClass> = {
  bad_address: 'bad_mailbox',
  no_such_domain: 'bad_domain',
  null_mx: 'bad_domain',
  dns_temporary: 'network',
  loops_to_self: 'routing',
  private_address: 'routing',
  source_failed: 'system',
  connect_failed: 'network',
  connect_timeout: 'network',
  connection_lost: 'network',
  reply_timeout: 'network',
  protocol_error: 'protocol',
  tls_failed: 'network',
  auth_failed: 'system',
  certificate_unverified: 'network',
  sts_mx_mismatch: 'network',
  encryption_needed: 'protocol',
  requiretls_unsupported: 'protocol',
  too_large: 'too_large',
  eight_bit_unsupported: 'protocol',
  smtputf8_unsupported: 'protocol',
  storage_failed: 'system',
  aborted: 'system',
  render_failed: 'content',
};

function localVerdict(failure: LocalFailure): Verdict {
  const { permanent } = describeFailure(failure);
  return { class: LOCAL_CLASSES[failure], permanent, rule: `local:${failure}` };
}
