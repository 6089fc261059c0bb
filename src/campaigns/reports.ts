/**
 * campaigns/reports — who got it, who did not, and why: the balance and what stands behind it.
 *
 * Promises: recipients = accepted + bouncedLate + bounced + expired + suppressed + cancelled +
 *           ambiguous + pending. A late bounce, the report that an accepted message failed after all,
 *           moves its recipient from `accepted` to `bouncedLate` here; the delivery row keeps what
 *           SMTP said, so the rows that are `accepted` are both terms together. The timeline shows
 *           each fact at its own time: `accepted` there is what SMTP accepted in that step.
 *           All figures come from the rollups that are written in the transactions of the facts, so
 *           they cost the same for ten recipients and ten million; `verifyBalance` counts the rows
 *           again and compares.
 * Fails:    `not_found`.
 * See:      reports/store.ts for the statements, kernel/rollups/store.ts for who writes,
 *           reports/period-report.ts for reports over all campaigns.
 */
import { AppError } from '../kernel/errors.ts';
import { toHeldProvider } from './campaign.ts';
import type { CampaignState, HeldProvider } from './campaign.ts';
import type { CampaignDeps } from './deps.ts';
import {
  countDeliveries,
  countBouncedLate,
  countRecipients,
  selectClasses,
  selectDomains,
  selectKindTotals,
  selectSpan,
  selectTimeline,
} from './reports/store.ts';
import type { ClassRow, DomainRow, KindTotals, TimelineRow } from './reports/store.ts';

export type { ClassRow, DomainRow, TimelineRow };

export interface BalanceFigures {
  recipients: number;
  /** By SMTP, and nothing was reported since. */
  accepted: number;
  /** Accepted by SMTP, reported undeliverable afterwards. */
  bouncedLate: number;
  bounced: number;
  expired: number;
  suppressed: number;
  cancelled: number;
  ambiguous: number;
  pending: number;
}

export interface Balance extends BalanceFigures {
  /** The parts add up, none is negative, and nothing is pending once the campaign is over. */
  closes: boolean;
}

export interface CampaignReport {
  balance: Balance;
  /** Why it stands still, if an alarm or a person stopped it in whole or in part. */
  held: { reason: string | null; providers: HeldProvider[] };
  /** What happened besides the outcomes, counted as events. */
  byKind: { deferred: number; complained: number; unsubscribed: number };
  /** The 50 largest destination domains, then all others as one row with domain null. */
  byDomain: DomainRow[];
  byClass: ClassRow[];
  /** In steps of `stepMinutes`, at most about 300 of them; steps in which nothing happened are absent. */
  timeline: { stepMinutes: number; points: TimelineRow[] };
}

const TOP_DOMAINS = 50;
const STEPS_MINUTES = [1, 5, 15, 60, 360, 1_440, 10_080];
const MAX_POINTS = 300;
const OVER: readonly CampaignState[] = ['completed', 'cancelled'];

export async function balance(deps: Pick<CampaignDeps, 'sql'>, id: bigint): Promise<Balance> {
  const totals = await selectKindTotals(deps.sql, id);
  if (totals === undefined) throw new AppError('not_found', 'no such campaign');
  return balanceOf(totals);
}

function balanceOf(totals: KindTotals): Balance {
  const count = (kind: string): number => totals.kinds[kind] ?? 0;
  const bouncedLate = count('bounce.late');
  const parts = {
    accepted: count('delivery.accepted') - bouncedLate,
    bouncedLate,
    bounced: count('delivery.bounced'),
    expired: count('delivery.expired'),
    suppressed: count('delivery.suppressed'),
    cancelled: count('delivery.cancelled'),
    ambiguous: count('delivery.ambiguous'),
  };
  const values = Object.values(parts);
  const recipients = Number(totals.recipientCount);
  const pending = recipients - values.reduce((sum, value) => sum + value, 0);
  const closes =
    pending >= 0 &&
    values.every((value) => value >= 0) &&
    (!OVER.includes(totals.state) || pending === 0);
  return { recipients, ...parts, pending, closes };
}

export async function campaignReport(
  deps: Pick<CampaignDeps, 'sql'>,
  id: bigint,
): Promise<CampaignReport> {
  const { sql } = deps;
  const totals = await selectKindTotals(sql, id);
  if (totals === undefined) throw new AppError('not_found', 'no such campaign');
  const [byDomain, byClass, timeline] = await Promise.all([
    selectDomains(sql, id, TOP_DOMAINS),
    selectClasses(sql, id),
    timelineOf(deps, id),
  ]);
  const byKind = {
    deferred: totals.kinds['delivery.deferred'] ?? 0,
    complained: totals.kinds['feedback.complaint'] ?? 0,
    unsubscribed: totals.kinds['recipient.unsubscribed'] ?? 0,
  };
  const held = {
    reason: totals.pauseReason,
    providers: totals.heldProviders.map(toHeldProvider),
  };
  return { balance: balanceOf(totals), held, byKind, byDomain, byClass, timeline };
}

async function timelineOf(
  deps: Pick<CampaignDeps, 'sql'>,
  id: bigint,
): Promise<CampaignReport['timeline']> {
  const span = await selectSpan(deps.sql, id);
  const stepMinutes = stepFor(span.minutes);
  return { stepMinutes, points: await selectTimeline(deps.sql, id, stepMinutes) };
}

/** The finest step that needs no more than MAX_POINTS points. */
export function stepFor(minutes: number): number {
  return STEPS_MINUTES.find((step) => minutes / step <= MAX_POINTS) ?? 10_080;
}

export interface Verification {
  /** From the rows. */
  counted: BalanceFigures;
  /** From the rollups. */
  reported: Balance;
  agrees: boolean;
}

/** Reads every row of the campaign in one snapshot: for operators and tests, not for pages. */
export async function verifyBalance(
  deps: Pick<CampaignDeps, 'sql'>,
  id: bigint,
): Promise<Verification> {
  return deps.sql.begin('isolation level repeatable read read only', async (tx) => {
    const totals = await selectKindTotals(tx, id);
    if (totals === undefined) throw new AppError('not_found', 'no such campaign');
    const reported = balanceOf(totals);
    const recipients = await countRecipients(tx, id);
    const states = await countDeliveries(tx, id);
    const delivered = Object.values(states).reduce((sum, value) => sum + value, 0);
    const count = (state: string): number => states[state] ?? 0;
    const bouncedLate = await countBouncedLate(tx, id);
    const counted: BalanceFigures = {
      recipients,
      accepted: count('accepted') - bouncedLate,
      bouncedLate,
      bounced: count('bounced'),
      expired: count('expired'),
      suppressed: count('suppressed'),
      cancelled: count('cancelled'),
      ambiguous: count('ambiguous'),
      // Not expanded yet, waiting, or between the mark and the recorded reply.
      pending: recipients - delivered + count('pending'),
    };
    const figures = Object.keys(counted) as (keyof BalanceFigures)[];
    const agrees = reported.closes && figures.every((name) => counted[name] === reported[name]);
    return { counted, reported, agrees };
  });
}
