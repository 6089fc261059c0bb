/**
 * campaigns/reports/store — SQL of the reports: sums over rollups, and the recount of the rows.
 *
 * Sums are cast to double precision, which is exact up to 2^53 and comes back as a number.
 */
import type { Db } from '../../kernel/postgres/connect.ts';
import type { CampaignRow, CampaignState } from '../campaign.ts';
import { heldProviders } from '../store.ts';

export interface KindTotals {
  state: CampaignState;
  recipientCount: bigint;
  pauseReason: string | null;
  heldProviders: CampaignRow['heldProviders'];
  /** Sum of the rollups by kind. */
  kinds: Record<string, number>;
}

/** One statement, so that the figures are of one moment. */
export async function selectKindTotals(
  db: Db,
  campaignId: bigint,
): Promise<KindTotals | undefined> {
  const [row] = await db<KindTotals[]>`
    select c.state, c.recipient_count, c.pause_reason, ${heldProviders(db)} as held_providers,
      coalesce((
      select jsonb_object_agg(kind, total) from (
        select kind, sum(count) as total from minute_rollups where campaign_id = c.id group by kind
      ) k), '{}') as kinds
    from campaigns c where c.id = ${campaignId}`;
  return row;
}

export interface DomainRow {
  domain: string | null;
  /** Without those that bounced late. */
  accepted: number;
  bounced: number;
  expired: number;
  suppressed: number;
  cancelled: number;
  ambiguous: number;
  deferred: number;
  bouncedLate: number;
}

/** The `top` domains by final results, largest first, then one row for the others when there are. */
export async function selectDomains(db: Db, campaignId: bigint, top: number): Promise<DomainRow[]> {
  const of = (kind: string) => db`coalesce(sum(count) filter (where kind = ${kind}), 0)::float8`;
  return db<DomainRow[]>`
    with each_domain as (
      select domain, ${of('delivery.accepted')} - ${of('bounce.late')} as accepted,
        ${of('delivery.bounced')} as bounced,
        ${of('delivery.expired')} as expired, ${of('delivery.suppressed')} as suppressed,
        ${of('delivery.cancelled')} as cancelled, ${of('delivery.ambiguous')} as ambiguous,
        ${of('delivery.deferred')} as deferred, ${of('bounce.late')} as bounced_late
      from daily_rollups where campaign_id = ${campaignId}
      group by domain
    ), ranked as (
      select *, row_number() over (order by accepted + bounced_late + bounced + expired + suppressed
        + cancelled + ambiguous desc, deferred desc, domain) as rank
      from each_domain
    )
    select case when rank <= ${top} then domain end as domain, sum(accepted) as accepted,
      sum(bounced) as bounced, sum(expired) as expired, sum(suppressed) as suppressed,
      sum(cancelled) as cancelled, sum(ambiguous) as ambiguous, sum(deferred) as deferred,
      sum(bounced_late) as bounced_late
    from ranked
    group by 1
    order by min(rank)`;
}

export interface ClassRow {
  class: string;
  bounced: number;
  bouncedLate: number;
  expired: number;
  deferred: number;
  /** Recipients lost to it: bounced + bouncedLate + expired. */
  count: number;
}

export async function selectClasses(db: Db, campaignId: bigint): Promise<ClassRow[]> {
  const of = (kind: string) => db`coalesce(sum(count) filter (where kind = ${kind}), 0)::float8`;
  return db<ClassRow[]>`
    select *, bounced + bounced_late + expired as count from (
      select class, ${of('delivery.bounced')} as bounced, ${of('bounce.late')} as bounced_late,
        ${of('delivery.expired')} as expired, ${of('delivery.deferred')} as deferred
      from daily_rollups
      where campaign_id = ${campaignId} and class <> '' and kind in
        ('delivery.bounced', 'bounce.late', 'delivery.expired', 'delivery.deferred')
      group by class
    ) each_class
    order by count desc, deferred desc, class`;
}

export async function selectSpan(db: Db, campaignId: bigint): Promise<{ minutes: number }> {
  const [row] = await db<{ minutes: number }[]>`
    select coalesce(extract(epoch from max(minute) - min(minute)) / 60, 0)::float8 as minutes
    from minute_rollups where campaign_id = ${campaignId}`;
  return row ?? { minutes: 0 };
}

export interface TimelineRow {
  /** Begin of the step. */
  at: Date;
  accepted: number;
  bounced: number;
  deferred: number;
  expired: number;
  suppressed: number;
  cancelled: number;
  ambiguous: number;
  bouncedLate: number;
}

export async function selectTimeline(
  db: Db,
  campaignId: bigint,
  stepMinutes: number,
): Promise<TimelineRow[]> {
  const of = (kind: string) => db`coalesce(sum(count) filter (where kind = ${kind}), 0)::float8`;
  return db<TimelineRow[]>`
    select date_bin(make_interval(mins => ${stepMinutes}::int), minute,
        '2000-01-01T00:00:00Z'::timestamptz) as at,
      ${of('delivery.accepted')} as accepted, ${of('delivery.bounced')} as bounced,
      ${of('delivery.deferred')} as deferred, ${of('delivery.expired')} as expired,
      ${of('delivery.suppressed')} as suppressed, ${of('delivery.cancelled')} as cancelled,
      ${of('delivery.ambiguous')} as ambiguous, ${of('bounce.late')} as bounced_late
    from minute_rollups where campaign_id = ${campaignId}
    group by 1
    order by 1`;
}

export async function countRecipients(db: Db, campaignId: bigint): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    select count(*)::float8 as count from recipients where campaign_id = ${campaignId}`;
  return row?.count ?? 0;
}

export async function countDeliveries(db: Db, campaignId: bigint): Promise<Record<string, number>> {
  const rows = await db<{ state: string; count: number }[]>`
    select state, count(*)::float8 as count
    from deliveries where campaign_id = ${campaignId} group by state`;
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

/** Accepted deliveries with a report of failure that is counted (not waiting in early_bounces). */
export async function countBouncedLate(db: Db, campaignId: bigint): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    select count(*)::float8 as count
    from events e join deliveries d on d.id = e.delivery_id and d.state = 'accepted'
    where e.campaign_id = ${campaignId} and e.kind = 'bounce.late'
      and not exists (select 1 from early_bounces w where w.delivery_id = e.delivery_id)`;
  return row?.count ?? 0;
}
