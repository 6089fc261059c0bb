/**
 * bounce/soft-bounces/store — how often an address failed by its own fault, day by day.
 *
 * Promises: a soft bounce is counted in the transaction of the outcome that it is. Accepted and
 *           deferred mail writes nothing here. Rows are taken in key order, so two writers never wait
 *           for each other in a circle; callers take suppressions before, rollups after this.
 * See:      bounce/policy.ts (what counts), bounce/watch/store.ts (who reads it).
 */
import type postgres from 'postgres';
import { times } from '../../kernel/postgres/arrays.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';
import { RECIPIENT_CLASSES, softKindOf } from '../policy.ts';
import type { SoftKind } from '../policy.ts';

export interface SoftBounce {
  addressKey: string;
  kind: SoftKind;
  class: string;
  /** The reply or report, one line. */
  evidence: string | null;
  campaignId: bigint;
  at: Date;
}

/** Adds to what is there; several of one address are fine. */
export async function countSoftBounces(tx: Tx, rows: readonly SoftBounce[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`${countedFrom(
    tx,
    tx`(
      select address_key, kind, (at at time zone 'UTC')::date as day, class, evidence, campaign_id
      from unnest(
        ${rows.map((row) => row.addressKey)}::text[],
        ${rows.map((row) => row.kind)}::text[],
        ${times(rows.map((row) => row.at))}::text[]::timestamptz[],
        ${rows.map((row) => row.class)}::text[],
        ${rows.map((row) => row.evidence)}::text[],
        ${rows.map((row) => String(row.campaignId))}::bigint[]
      ) as given (address_key, kind, at, class, evidence, campaign_id)
    )`,
  )}`;
}

/**
 * The statement that counts the rows of `source` (address_key, kind, day, class, evidence,
 * campaign_id): alone, or as a part of `with`.
 */
function countedFrom(db: Db, source: postgres.Fragment): postgres.Fragment {
  return db`
    insert into soft_bounces as b (address_key, kind, day, count, class, evidence, campaign_id)
    select address_key, kind, day, least(count(*), 1000), max(class), left(max(evidence), 1000),
      max(campaign_id)
    from ${source} s
    group by address_key, kind, day
    order by address_key, kind, day
    on conflict (address_key, kind, day) do update set fresh = true,
      count = least(b.count + excluded.count, 1000), class = excluded.class,
      evidence = coalesce(excluded.evidence, b.evidence), campaign_id = excluded.campaign_id`;
}

/**
 * The same for deliveries that have just expired: `ended` is a from-item with id, campaign_id,
 * recipient_id and class. Their last reply stands in their events.
 */
export function countedFromExpired(db: Db, ended: postgres.Fragment, at: Date): postgres.Fragment {
  const kinds = RECIPIENT_CLASSES.map((name) => softKindOf(name) ?? 'soft');
  return countedFrom(
    db,
    db`(
      select r.address_key, k.kind, (${at}::timestamptz at time zone 'UTC')::date as day, e.class,
        said.reply_text as evidence, e.campaign_id
      from ${ended} e
      join unnest(${RECIPIENT_CLASSES as string[]}::text[], ${kinds}::text[]) as k (class, kind)
        on k.class = e.class
      cross join lateral (
        select address_key from recipients where id = e.recipient_id limit 1
      ) r
      left join lateral (
        select reply_text from events where delivery_id = e.id order by id desc limit 1
      ) said on true
    )`,
  );
}

/** Forgets what no window reaches any more; answers how many rows. */
export async function purgeSoftBounces(db: Db, before: Date): Promise<number> {
  const result = await db`
    delete from soft_bounces where day < (${before}::timestamptz at time zone 'UTC')::date`;
  return result.count;
}

export interface SoftBounceDay {
  kind: SoftKind;
  /** `2026-03-01`, UTC. */
  day: string;
  count: number;
  class: string;
  evidence: string | null;
}

/** Newest first. */
export async function findSoftBounces(db: Db, addressKey: string): Promise<SoftBounceDay[]> {
  return await db<SoftBounceDay[]>`
    select kind, day::text, count, class, evidence from soft_bounces
    where address_key = ${addressKey} order by soft_bounces.day desc, kind`;
}
