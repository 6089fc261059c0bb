/**
 * bounce/early-bounces/store — reports of failure that overtook the acceptance they are about.
 *
 * A report can be here before the reply to the final dot is recorded (the delivery is
 * pending and marked, shown as `sending`), or
 * while nobody knows whether the message was taken (`ambiguous`). Counted at once it would be
 * subtracted from an acceptance that is not counted, and perhaps never will be.
 *
 * Promises: `bounce.late` is counted once, and only when its delivery is `accepted`. Who sees the
 *           delivery accepted counts himself; who sees it before leaves a row here, and the keeper
 *           takes it when the delivery has ended, however it ended.
 * Why no lock: an acceptance is never taken back, so neither order of the two commits loses a count,
 *           and events_once lets only one report of a delivery come this far.
 * See:      bounce/record.ts (leaves), scheduler/keep/keeper.ts (takes), campaigns/reports.ts.
 */
import type { Db, Tx } from '../../kernel/postgres/connect.ts';

export interface EarlyBounce {
  deliveryId: bigint;
  campaignId: bigint;
  domain: string;
  class: string;
  rule: string | null;
  at: Date;
}

export async function insertEarlyBounces(tx: Tx, rows: readonly EarlyBounce[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into early_bounces (delivery_id, campaign_id, domain, class, rule, created_at)
    select * from unnest(
      ${rows.map((row) => String(row.deliveryId))}::bigint[],
      ${rows.map((row) => String(row.campaignId))}::bigint[],
      ${rows.map((row) => row.domain)}::text[],
      ${rows.map((row) => row.class)}::text[],
      ${rows.map((row) => row.rule)}::text[],
      ${rows.map((row) => row.at.toISOString())}::text[]::timestamptz[]
    ) as row (delivery_id, campaign_id, domain, class, rule, created_at)
    order by delivery_id`;
}

export interface LateBounces {
  campaignId: bigint;
  domain: string;
  class: string;
  rule: string | null;
  count: bigint;
}

/**
 * Takes up to `limit` whose delivery has ended; answers those of accepted deliveries, for the rollups
 * of the same transaction.
 */
export async function takeEarlyBounces(db: Db, limit: number): Promise<LateBounces[]> {
  return await db<LateBounces[]>`
    with taken as (
      delete from early_bounces e using deliveries d
      where d.id = e.delivery_id and e.delivery_id = any(array(
        select w.delivery_id from early_bounces w
        join deliveries d on d.id = w.delivery_id
        where d.state not in ('pending', 'ambiguous')
        order by w.delivery_id limit ${limit} for update of w skip locked))
      returning e.campaign_id, e.domain, e.class, e.rule, d.state
    )
    select campaign_id, domain, class, rule, count(*) as count from taken
    where state = 'accepted'
    group by campaign_id, domain, class, rule`;
}
