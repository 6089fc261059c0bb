/**
 * campaigns/retention/store — SQL that deletes what is old, up to `limit` rows a statement.
 *
 * Each answers how many rows it took: fewer than `limit` means that nothing is left.
 */
import { bigints } from '../../kernel/postgres/arrays.ts';
import type { Db, Sql, Tx } from '../../kernel/postgres/connect.ts';

export async function purgeInbound(db: Db, before: Date, limit: number): Promise<number> {
  const result = await db`
    delete from inbound_messages where id in (
      select id from inbound_messages where received_at < ${before}
      order by received_at limit ${limit} for update skip locked)`;
  return result.count;
}

/** How far `purgeAttempts` has come: the id of an event. */
const POSITION = 'events_purged';

/**
 * Walks the events in the order of their ids, which is that of time but for seconds, and remembers how
 * far: no index by time is needed on the largest table, and what stays is not read every hour.
 */
export async function purgeAttempts(sql: Sql, before: Date, limit: number): Promise<number> {
  return await sql.begin(async (tx) => {
    const position = await lockPosition(tx);
    const { last, count } = await findOldEvents(tx, position, before, limit);
    if (last !== null) await deleteAttempts(tx, position, last);
    return count;
  });
}

async function lockPosition(tx: Tx): Promise<bigint> {
  const [row] = await tx<{ value: bigint }[]>`
    insert into counters (name, value) values (${POSITION}, 0)
    on conflict (name) do update set value = counters.value
    returning value`;
  return row?.value ?? 0n;
}

/** The next ones up to the first that is not old. */
async function findOldEvents(
  tx: Tx,
  position: bigint,
  before: Date,
  limit: number,
): Promise<{ last: bigint | null; count: number }> {
  const [row] = await tx<{ last: bigint | null; count: number }[]>`
    with next as materialized (
      select id, at from events where id > ${position} order by id limit ${limit}
    )
    select max(id) as last, count(*)::int as count from next
    where id < coalesce((select min(id) from next where at >= ${before}), 9223372036854775807)`;
  return row ?? { last: null, count: 0 };
}

/** Kept: late bounces, complaints, what people decided. */
async function deleteAttempts(tx: Tx, position: bigint, last: bigint): Promise<void> {
  await tx`
    with moved as (update counters set value = ${last} where name = ${POSITION})
    delete from events
    where id > ${position} and id <= ${last}
      and kind like 'delivery.%' and kind <> 'delivery.resolved'`;
}

/** With everything of theirs. Reports leave them out, their rollups too. */
export async function purgeNotices(sql: Sql, before: Date, limit: number): Promise<number> {
  return await sql.begin(async (tx) => {
    const old = await findOldNotices(tx, before, limit);
    if (old.length > 0) {
      await deleteNoticeParts(tx, bigints(old.map(({ id }) => id)));
      await deleteNoticeCampaigns(tx, bigints(old.map(({ id }) => id)));
      await deleteContents(tx, bigints(old.map(({ contentId }) => contentId)));
    }
    return old.length;
  });
}

async function findOldNotices(
  tx: Tx,
  before: Date,
  limit: number,
): Promise<{ id: bigint; contentId: bigint }[]> {
  return await tx<{ id: bigint; contentId: bigint }[]>`
    select c.id, c.content_id from campaigns c
    where c.purpose = 'notice' and c.state in ('completed', 'cancelled')
      and c.finished_at < ${before}
      and not exists (select 1 from watched_addresses w where w.notice_campaign_id = c.id)
    order by c.id limit ${limit} for update of c skip locked`;
}

/** What was suppressed because of one stays told in its event. */
async function deleteNoticeParts(tx: Tx, ids: string): Promise<void> {
  await tx`
    with parts as (delete from notices where campaign_id = any(${ids}::bigint[])),
      files as (delete from notice_attachments where campaign_id = any(${ids}::bigint[])),
      mails as (delete from tls_report_mails where campaign_id = any(${ids}::bigint[])),
      work as (delete from batches where campaign_id = any(${ids}::bigint[])),
      results as (delete from deliveries where campaign_id = any(${ids}::bigint[])),
      days as (delete from daily_rollups where campaign_id = any(${ids}::bigint[])),
      slots as (delete from provider_rollups where campaign_id = any(${ids}::bigint[])),
      minutes as (delete from minute_rollups where campaign_id = any(${ids}::bigint[])),
      facts as (
        delete from events
        where campaign_id = any(${ids}::bigint[]) and kind not like 'suppression.%')
    delete from recipients where campaign_id = any(${ids}::bigint[])`;
}

async function deleteNoticeCampaigns(tx: Tx, ids: string): Promise<void> {
  await tx`delete from campaigns where id = any(${ids}::bigint[])`;
}

async function deleteContents(tx: Tx, ids: string): Promise<void> {
  await tx`
    delete from contents k where k.id = any(${ids}::bigint[])
      and not exists (select 1 from campaigns c where c.content_id = k.id)
      and not exists (select 1 from templates t where t.content_id = k.id)`;
}

/** Of uploads and of imports. The counts of both stay. */
export async function purgeRejects(db: Db, before: Date, limit: number): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    with uploaded as (
      delete from upload_rejects where (upload_id, row_number) in (
        select upload_id, row_number from upload_rejects
        where upload_id <= (
          select id from uploads where created_at < ${before} order by id desc limit 1)
        order by upload_id, row_number limit ${limit} for update skip locked)
      returning 1
    ), imported as (
      delete from suppression_import_rejects where (import_id, row_number) in (
        select import_id, row_number from suppression_import_rejects
        where import_id <= (
          select id from suppression_imports where created_at < ${before} order by id desc limit 1)
        order by import_id, row_number limit ${limit} for update skip locked)
      returning 1
    )
    select greatest(
      (select count(*) from uploaded), (select count(*) from imported))::int as count`;
  return row?.count ?? 0;
}
