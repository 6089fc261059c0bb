/**
 * scheduler/keep/store — the SQL of housekeeping: what ends without a message being sent.
 *
 * Promises: every statement takes unclaimed (or abandoned) batches with `skip locked` and changes
 *           batches and deliveries together, so several nodes may run it at one time. Each returns
 *           what it changed, by campaign and domain, for the rollups of the same transaction.
 * Shape:    `id = any(array(…))` over a lateral with a limit keeps the planner on the primary key;
 *           see queue/store.ts `readRecipients` for what it does otherwise.
 */
import { countedFromExpired } from '../../bounce/soft-bounces/store.ts';
import type { Db, Sql, Tx } from '../../kernel/postgres/connect.ts';

export interface Ended {
  campaignId: bigint;
  domain: string;
  class: string;
  count: bigint;
}

/**
 * Ends the pending deliveries of up to `limit` open, unclaimed batches of a campaign as `expired` or
 * `cancelled`. Expired deliveries get an event each: an operator asks why; cancelled ones share the
 * campaign's event. Expired ones whose last failure was the recipient's own are soft bounces.
 */
export async function endPending(
  tx: Tx,
  campaignId: bigint,
  state: 'expired' | 'cancelled',
  limit: number,
  now: Date,
): Promise<{ batches: number; ended: Ended[] }> {
  const rows = await tx<(Ended & { batches: number })[]>`
    with taken as (
      select id, first_delivery_id, last_delivery_id from batches
      where campaign_id = ${campaignId} and state in ('ready', 'waiting')
      order by id limit ${limit} for update skip locked
    ), ended as (
      update deliveries d set state = ${state}::delivery_state, next_attempt_at = null,
        class = case when ${state} = 'expired' then coalesce(d.class, 'expired') else d.class end
      where d.id = any(array(
        select open.id from taken b cross join lateral (
          select id from deliveries
          where id between b.first_delivery_id and b.last_delivery_id and state = 'pending' limit 1000
        ) open))
      returning d.id, d.campaign_id, d.recipient_id, d.attempts, d.class,
        (select r.domain from recipients r where r.id = d.recipient_id) as domain
    ), logged as (
      insert into events (kind, campaign_id, delivery_id, class, attempt)
      select 'delivery.expired', ${campaignId}, id, class, attempts from ended
      where ${state} = 'expired'
    ), counted as (
      ${countedFromExpired(tx, tx`(select * from ended where ${state} = 'expired')`, now)}
    ), closed as (
      update batches set state = 'done' from taken where batches.id = taken.id
    )
    select (select count(*)::int from taken) as batches, e.*
    from (select 1) one left join (
      select ${campaignId}::bigint as campaign_id, domain, coalesce(class, '') as class, count(*) as count
      from ended group by domain, class
    ) e on true`;
  const ended = rows.filter((row) => (row.domain as string | null) !== null);
  return { batches: rows[0]?.batches ?? 0, ended };
}

export interface Doubtful {
  campaignId: bigint;
  domain: string;
  policy: 'hold' | 'retry' | 'assume_accepted';
  count: bigint;
}

/**
 * Frees batches whose lease ran out, or all that are claimed. Deliveries that are pending and marked
 * may be with the receiver: the campaign's policy says what they become. Nothing is marked any more.
 */
export async function reapBatches(
  tx: Tx,
  which: { expiredOnly: boolean },
  limit: number,
): Promise<{ batches: number; doubtful: Doubtful[] }> {
  const rows = await tx<(Doubtful & { batches: number })[]>`
    with dead as (
      select id, first_delivery_id, last_delivery_id, marked from batches
      where state = 'claimed' and (not ${which.expiredOnly} or lease_until < now())
      order by lease_until limit ${limit} for update skip locked
    ), doubtful as (
      update deliveries d set attempts = least(d.attempts::int + 1, 32767),
        state = (case c.ambiguity_policy when 'hold' then 'ambiguous' when 'retry' then 'pending'
          else 'accepted' end)::delivery_state
      from campaigns c
      -- Asked again behind the row's lock: its outcome may just have been recorded.
      where c.id = d.campaign_id and d.state = 'pending' and d.id = any(array(
        select in_doubt.id from dead b cross join lateral (
          select id from deliveries
          where id between b.first_delivery_id and b.last_delivery_id and state = 'pending'
            and b.marked @> id
          limit 1000
        ) in_doubt))
      returning d.id, d.attempts, d.campaign_id, c.ambiguity_policy as policy,
        (select r.domain from recipients r where r.id = d.recipient_id) as domain
    ), logged as (
      insert into events (kind, campaign_id, delivery_id, attempt, stage, reply_text)
      select 'delivery.ambiguous', campaign_id, id, attempts, 'dot', 'the outcome was not recorded'
      from doubtful
    ), freed as (
      update batches set state = 'ready', owner = null, lease_until = null, marked = '{}'
      from dead where batches.id = dead.id
    )
    select (select count(*)::int from dead) as batches, e.*
    from (select 1) one left join (
      select campaign_id, domain, policy, count(*) as count
      from doubtful group by campaign_id, domain, policy
    ) e on true`;
  const doubtful = rows.filter((row) => (row.domain as string | null) !== null);
  return { batches: rows[0]?.batches ?? 0, doubtful };
}

/**
 * -> completed where all is expanded and no batch is open; a paused campaign only when its ttl is
 * over. Returns the campaigns.
 */
export async function completeCampaigns(db: Db): Promise<bigint[]> {
  const rows = await db<{ id: bigint }[]>`
    update campaigns c set state = 'completed', finished_at = now()
    where (c.state = 'sending' or (c.state = 'paused' and c.expires_at <= now()))
      and c.expanded_count = c.recipient_count
      and not exists (select 1 from batches b where b.campaign_id = c.id and b.state <> 'done')
    returning c.id`;
  return rows.map((row) => row.id);
}

/** cancelling -> cancelled once all is expanded and no batch is open. */
export async function finishCancellation(db: Db, campaignId: bigint): Promise<boolean> {
  const result = await db`
    update campaigns c set state = 'cancelled', finished_at = now()
    where c.id = ${campaignId} and c.state = 'cancelling'
      and c.expanded_count = c.recipient_count
      and not exists (select 1 from batches b where b.campaign_id = c.id and b.state <> 'done')`;
  return result.count === 1;
}

export async function campaignState(sql: Sql, campaignId: bigint): Promise<string | undefined> {
  const [row] = await sql<
    { state: string }[]
  >`select state from campaigns where id = ${campaignId}`;
  return row?.state;
}
