/**
 * bounce/erasure/store — the SQL of forgetting a person.
 *
 * Promises: statements name rows by key wherever there is an index; what has none (raw messages that
 *           name him, rows of uploads that were refused) is searched only within the campaigns he
 *           was in. Rows are emptied, not deleted, where counts or ids rest on them.
 */
import { MAX_DELIVERIES_OF_EVENT } from '../../kernel/events.ts';
import type postgres from 'postgres';
import { bigints } from '../../kernel/postgres/arrays.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';
import { ERASED_ADDRESS, ERASED_KEY } from './erased.ts';

/** In SQL: the row of somebody who was erased. It is never sent. */
export function isEmptied(db: Db, addressKey: postgres.Fragment): postgres.Fragment {
  return db`starts_with(${addressKey}, ${ERASED_KEY})`;
}

/** Whether anybody was erased at all: nobody hashes anything before. */
export async function hasErasures(db: Db): Promise<boolean> {
  const [row] = await db<{ found: boolean }[]>`
    select exists (select 1 from erasures where released_at is null) as found`;
  return row?.found === true;
}

export interface LiveErasure {
  id: bigint;
  hash: string;
  createdAt: Date;
  requestedBy: string;
  completedAt: Date | null;
}

export async function findErasures(db: Db, hashes: readonly string[]): Promise<LiveErasure[]> {
  return await db<LiveErasure[]>`
    select id, hash, created_at, requested_by, completed_at from erasures
    where released_at is null and hash = any(${hashes as string[]}::text[])`;
}

/** Answers the id; one that is live already keeps its first date. */
export async function insertErasure(
  tx: Tx,
  erasure: { hash: string; addressKey: string; by: string },
): Promise<bigint> {
  const [row] = await tx<{ id: bigint }[]>`
    insert into erasures as e (hash, address_key, requested_by)
    values (${erasure.hash}, ${erasure.addressKey}, ${erasure.by})
    on conflict (hash) where released_at is null
    do update set address_key = excluded.address_key, completed_at = null
    returning id`;
  if (row === undefined) throw new Error('insert into erasures returned nothing');
  return row.id;
}

export async function releaseErasures(
  tx: Tx,
  hashes: readonly string[],
  by: string,
): Promise<number> {
  const result = await tx`
    with released as (
      update erasures set released_at = now(), released_by = ${by}, address_key = null,
        completed_at = coalesce(completed_at, now())
      where released_at is null and hash = any(${hashes as string[]}::text[])
      returning id
    )
    insert into events (kind, data)
    select 'suppression.released', jsonb_build_object('erasure', id::text, 'by', ${by}::text)
    from released`;
  return result.count;
}

export interface OpenErasure {
  id: bigint;
  addressKey: string;
}

export async function findOpenErasures(db: Db, limit: number): Promise<OpenErasure[]> {
  return await db<OpenErasure[]>`
    select id, address_key from erasures
    where completed_at is null and address_key is not null order by id limit ${limit}`;
}

/** Drafts may be taking an upload that nobody can see yet. */
export async function findDrafts(db: Db): Promise<bigint[]> {
  const rows = await db<{ id: bigint }[]>`
    select id from campaigns where state = 'draft' order by id`;
  return rows.map((row) => row.id);
}

/** Waits for an upload up to `timeoutMs` (PostgreSQL's 55P03 when it takes longer); its state then. */
export async function lockCampaign(
  tx: Tx,
  campaignId: bigint,
  timeoutMs: number,
): Promise<string | undefined> {
  await tx`select set_config('lock_timeout', ${`${timeoutMs}ms`}, true)`;
  const [row] = await tx<{ state: string }[]>`
    select state from campaigns where id = ${campaignId} for no key update`;
  return row?.state;
}

export interface Holding {
  campaignId: bigint;
  state: string;
}

/** The campaigns that hold the address. One index probe a campaign. */
export async function findHoldings(db: Db, addressKey: string): Promise<Holding[]> {
  return await db<Holding[]>`
    select c.id as campaign_id, c.state from campaigns c
    cross join lateral (
      select 1 from recipients where campaign_id = c.id and address_key = ${addressKey} limit 1
    ) r
    order by c.id`;
}

export interface Emptied {
  recipientId: bigint;
  /** null: not expanded yet, or not at its place. */
  deliveryId: bigint | null;
}

/**
 * Empties his row in a campaign. The delivery's id is the recipient's place in the order of expansion
 * (scheduler/expand), so it is counted and not searched.
 */
export async function emptyRecipient(
  tx: Tx,
  addressKey: string,
  campaignId: bigint,
): Promise<Emptied | undefined> {
  const [row] = await tx<Emptied[]>`
    with emptied as (
      update recipients set address = ${ERASED_ADDRESS}, address_key = ${ERASED_KEY} || id,
        name = null, variables = null
      where campaign_id = ${campaignId} and address_key = ${addressKey}
      returning id, domain
    ), placed as materialized (
      select e.id, c.first_delivery_id + (
          select count(*) from recipients r
          where r.campaign_id = c.id and (r.domain, r.id) < (e.domain, e.id)
        ) as delivery_id
      from emptied e cross join (
        select id, first_delivery_id from campaigns where id = ${campaignId}) c
    )
    select p.id as recipient_id, d.id as delivery_id from placed p
    left join lateral (
      select id from deliveries where id = p.delivery_id and recipient_id = p.id limit 1
    ) d on true`;
  return row;
}

/** Reads the campaign's deliveries: for the case that one is not where it should be. */
export async function searchDelivery(
  tx: Tx,
  campaignId: bigint,
  recipientId: bigint,
): Promise<bigint | null> {
  const [row] = await tx<{ id: bigint }[]>`
    select id from deliveries where campaign_id = ${campaignId} and recipient_id = ${recipientId}`;
  return row?.id ?? null;
}

/** What receivers said of these deliveries, and which address they named. */
export async function emptyEvents(tx: Tx, deliveryIds: readonly bigint[]): Promise<void> {
  await tx`
    update events set reply_text = null, data = data - 'recipient'
    where id = any(array(
        select id from events where delivery_id = any(${bigints(deliveryIds)}::bigint[])
        union all
        select e.id from unnest(${bigints(deliveryIds)}::bigint[]) as d(id) cross join lateral (
          select id from events
          where last_delivery_id between d.id and d.id + ${MAX_DELIVERIES_OF_EVENT}::int and delivery_id < d.id
          limit ${MAX_DELIVERIES_OF_EVENT}
        ) e))
      and (reply_text is not null or data ? 'recipient')`;
}

/**
 * Messages about these deliveries; and those that name him among what the campaign (null: postmaster)
 * got without a delivery.
 */
export async function emptyInbound(
  tx: Tx,
  addressKey: string,
  deliveryIds: readonly bigint[],
  campaignId: bigint | null,
): Promise<void> {
  // `is not distinct from` would read every message without a delivery, of all campaigns.
  const ofCampaign =
    campaignId === null ? tx`campaign_id is null` : tx`campaign_id = ${campaignId}`;
  await tx`
    update inbound_messages set raw = '', envelope_sender = '' where id in (
      select id from inbound_messages where delivery_id = any(${bigints(deliveryIds)}::bigint[])
      union
      select id from inbound_messages
      where delivery_id is null and ${ofCampaign}
        and (lower(envelope_sender) = ${addressKey} or ${mentions(tx, addressKey)}))`;
}

/** `escape` leaves ASCII as it is, so case can be folded; other letters are compared as they are. */
function mentions(db: Db, addressKey: string): postgres.Fragment {
  return db`(position(${addressKey} in lower(encode(raw, 'escape'))) > 0
    or position(convert_to(${addressKey}, 'UTF8') in raw) > 0)`;
}

export async function emptyRejects(tx: Tx, addressKey: string, campaignId: bigint): Promise<void> {
  await tx`
    update upload_rejects set input = ${ERASED_ADDRESS}
    where upload_id in (select id from uploads where campaign_id = ${campaignId})
      and position(${addressKey} in lower(input)) > 0`;
}

/** Everything that is kept by address. */
export async function deleteByAddress(tx: Tx, addressKey: string): Promise<void> {
  await tx`
    with live as (
        delete from suppressions where address_key = ${addressKey} and released_at is null),
      released as (
        delete from suppressions where address_key = ${addressKey} and released_at is not null),
      counts as (delete from soft_bounces where address_key = ${addressKey}),
      watch as (delete from watched_addresses where address_key = ${addressKey}),
      unmatched as (
        update unmatched_replies set sample = ${ERASED_ADDRESS}
        where position(${addressKey} in lower(sample)) > 0),
      refused as (
        update suppression_import_rejects set input = ${ERASED_ADDRESS}
        where position(${addressKey} in lower(input)) > 0)
    delete from notices where address_key = ${addressKey}`;
}

export async function completeErasure(tx: Tx, id: bigint): Promise<void> {
  await tx`
    with completed as (
      update erasures set address_key = null, completed_at = now()
      where id = ${id} and completed_at is null returning id, requested_by
    )
    insert into events (kind, data)
    select 'address.erased', jsonb_build_object('erasure', id::text, 'by', requested_by)
    from completed`;
}

/**
 * Empties the rows of a staging table of an upload whose hashes are among the erased. The planner
 * hashes the erasures and reads the staging table once.
 */
export async function emptyUploadRows(tx: Tx): Promise<void> {
  await tx`
    update upload_rows set address = ${ERASED_ADDRESS}, name = null, variables = null,
      address_key = ${ERASED_KEY} || gen_random_uuid()
    where row_number in (
      select u.row_number from upload_rows u cross join lateral unnest(u.hashes) as h (hash)
      join erasures e on e.hash = h.hash and e.released_at is null)`;
}
