/**
 * kernel/marks/store — the state `sending`, which is shown and not stored.
 *
 * A delivery is `sending` when it is pending and its batch has marked it (`batches.marked`): its final
 * dot may be out, and no outcome is recorded. Whoever shows a delivery's state, or decides by it
 * whether a report is early, asks here.
 *
 * For statements with `deliveries d` and its `recipients r`. The batch is one probe of
 * batches_campaign_domain, and only for a row that is pending.
 * See:      DESIGN.md "Duplicates"; scheduler/record/store.ts writes the mark.
 */
import type { PendingQuery, Row } from 'postgres';
import type { Db } from '../postgres/connect.ts';

/** Of a pending delivery: may it be on the wire? */
export function isMarked(db: Db): PendingQuery<Row[]> {
  return db`coalesce((
    select own.marked @> d.id from batches own
    where own.campaign_id = d.campaign_id and own.domain = r.domain and own.first_delivery_id <= d.id
    order by own.first_delivery_id desc limit 1
  ), false)`;
}

export function shownState(db: Db): PendingQuery<Row[]> {
  return db`case when d.state = 'pending' and ${isMarked(db)} then 'sending' else d.state end`;
}

/** Ids of a campaign's deliveries that are marked: some of them have ended meanwhile. */
export function markedOf(db: Db, campaignId: bigint): PendingQuery<Row[]> {
  return db`
    select one.id from batches b
    cross join lateral unnest(b.marked) as span
    cross join lateral generate_series(lower(span), upper(span) - 1) as one(id)
    where b.campaign_id = ${campaignId} and b.state = 'claimed'`;
}
