/**
 * scheduler/resolve/store — the SQL that ends `ambiguous` by a person's decision.
 *
 * Promises: one chunk a call, deliveries, their events and their batches together; the caller adds
 *           the rollups in the same transaction. Rows are found by deliveries_campaign_state.
 */
import type { Db, Tx } from '../../kernel/postgres/connect.ts';

export type Resolution = 'accepted' | 'retry';

export interface Resolved {
  domain: string;
  count: bigint;
}

/** retry: the deliveries are pending again and the batches that own them ready. */
export async function resolveChunk(
  tx: Tx,
  campaignId: bigint,
  as: Resolution,
  limit: number,
): Promise<Resolved[]> {
  return await tx<Resolved[]>`
    with resolved as (
      update deliveries d set next_attempt_at = null,
        state = (case when ${as} = 'retry' then 'pending' else 'accepted' end)::delivery_state
      where d.id = any(array(
        select id from deliveries where campaign_id = ${campaignId} and state = 'ambiguous'
        order by id limit ${limit} for update))
      returning d.id, d.attempts,
        (select r.domain from recipients r where r.id = d.recipient_id) as domain
    ), logged as (
      insert into events (kind, campaign_id, delivery_id, attempt, data)
      select 'delivery.resolved', ${campaignId}, id, attempts, jsonb_build_object('as', ${as}::text)
      from resolved
    ), reopened as (
      update batches set state = 'ready'
      where ${as} = 'retry' and state in ('done', 'waiting') and id = any(array(
        select b.id from resolved r cross join lateral (
          select id from batches
          where campaign_id = ${campaignId} and domain = r.domain and first_delivery_id <= r.id
          order by first_delivery_id desc limit 1
        ) b))
    )
    select domain, count(*) as count from resolved group by domain`;
}

/** Locks the campaign; undefined when there is none. `live`: its ttl is not over. */
export async function lockForResolution(
  tx: Tx,
  campaignId: bigint,
): Promise<{ state: string; live: boolean } | undefined> {
  const [row] = await tx<{ state: string; live: boolean }[]>`
    select state, coalesce(expires_at > now(), false) as live
    from campaigns where id = ${campaignId} for update`;
  return row;
}

/** completed -> sending, for deliveries that are tried again. */
export async function reopenCampaign(db: Db, campaignId: bigint): Promise<void> {
  await db`
    update campaigns set state = 'sending', finished_at = null
    where id = ${campaignId} and state = 'completed'`;
}
