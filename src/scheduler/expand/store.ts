/**
 * scheduler/expand/store — the SQL of expansion: recipients become deliveries and batches.
 *
 * Promises: each function is one statement; the caller runs a chunk's statements in one transaction
 *           that holds the campaign row's lock, so a chunk happens once, whoever runs it.
 */
import { isEmptied } from '../../bounce/erasure/store.ts';
import { liveFor } from '../../bounce/suppressions/store.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';

export interface ExpansionPoint {
  state: string;
  recipientCount: bigint;
  expandedCount: bigint;
  firstDeliveryId: bigint | null;
  expandedDomain: string | null;
  expandedRecipientId: bigint | null;
  senderDomain: string;
  stream: string;
  /** Past the campaign's ttl. */
  expired: boolean;
}

/** Locks the campaign row for the chunk. */
export async function lockExpansionPoint(
  tx: Tx,
  campaignId: bigint,
): Promise<ExpansionPoint | undefined> {
  const [row] = await tx<ExpansionPoint[]>`
    select c.state, c.recipient_count, c.expanded_count, c.first_delivery_id, c.expanded_domain,
      c.expanded_recipient_id, s.domain as sender_domain, c.stream,
      coalesce(c.expires_at <= now(), false) as expired
    from campaigns c join senders s on s.id = c.sender_id
    where c.id = ${campaignId} for update of c`;
  return row;
}

/** Reserves `count` consecutive delivery ids; returns the first. */
export async function reserveDeliveryIds(tx: Tx, count: bigint): Promise<bigint> {
  const [row] = await tx<{ first: bigint }[]>`
    insert into counters as c (name, value) values ('next_delivery_id', 1 + ${count}::bigint)
    on conflict (name) do update set value = c.value + ${count}::bigint
    returning value - ${count}::bigint as first`;
  if (row === undefined) throw new Error('no delivery ids reserved');
  return row.first;
}

export interface ChunkRequest {
  campaignId: bigint;
  /** Continue after this (domain, recipient id). */
  after: { domain: string; recipientId: bigint };
  /** Delivery id of the chunk's first recipient. */
  firstId: bigint;
  limit: number;
  batchSize: number;
  senderDomain: string;
  stream: string;
  /** What everybody becomes when nothing may be sent any more, and no batch is made; else null. */
  ended: 'cancelled' | 'expired' | null;
}

export interface ChunkGroup {
  domain: string;
  state: 'pending' | 'suppressed' | 'cancelled' | 'expired';
  count: bigint;
  lastRecipientId: bigint;
}

/**
 * One chunk in domain order (index recipients_campaign_domain): its deliveries, the events of the
 * suppressed, its batches. Returns what it did by domain and state.
 */
export async function expandChunk(tx: Tx, request: ChunkRequest): Promise<ChunkGroup[]> {
  const { campaignId, after, firstId, batchSize, ended } = request;
  return await tx<ChunkGroup[]>`
    with chunk as materialized (
      select r.id, r.domain, ${firstId}::bigint + row_number() over (order by r.domain, r.id) - 1 as delivery_id,
        (case when ${ended}::text is not null then ${ended}::text
          when ${isEmptied(tx, tx`r.address_key`)} or exists (
            select 1 from suppressions s
            where s.address_key = r.address_key and ${liveFor(tx, request)}
          ) then 'suppressed' else 'pending' end)::delivery_state as state
      from (
        select id, domain, address_key from recipients
        where campaign_id = ${campaignId} and (domain, id) > (${after.domain}, ${after.recipientId}::bigint)
        order by domain, id limit ${request.limit}
      ) r
    ), delivered as (
      insert into deliveries (id, campaign_id, recipient_id, state)
      select delivery_id, ${campaignId}, id, state from chunk order by delivery_id
    ), logged as (
      insert into events (kind, campaign_id, delivery_id)
      select 'delivery.' || state, ${campaignId}, delivery_id from chunk
      where state in ('suppressed', 'expired')
    ), parts as (
      select domain, delivery_id,
        (row_number() over (partition by domain order by delivery_id) - 1) / ${batchSize}::int as part
      from chunk where state = 'pending'
    ), queued as (
      insert into batches (campaign_id, domain, first_delivery_id, last_delivery_id)
      select ${campaignId}, domain, min(delivery_id), max(delivery_id)
      from parts group by domain, part order by min(delivery_id)
    )
    select domain, state, count(*) as count, max(id) as last_recipient_id
    from chunk group by domain, state order by domain`;
}

export async function saveExpansionPoint(
  tx: Tx,
  campaignId: bigint,
  point: { firstDeliveryId: bigint; count: bigint; domain: string; recipientId: bigint },
): Promise<void> {
  await tx`
    update campaigns set first_delivery_id = ${point.firstDeliveryId},
      expanded_count = expanded_count + ${point.count}::bigint,
      expanded_domain = ${point.domain}, expanded_recipient_id = ${point.recipientId}
    where id = ${campaignId}`;
}

/** expanding -> sending, once everything is expanded. */
export async function finishExpansion(tx: Tx, campaignId: bigint): Promise<void> {
  await tx`
    update campaigns set state = 'sending'
    where id = ${campaignId} and state = 'expanding' and expanded_count = recipient_count`;
}

export async function appendCampaignEvent(
  db: Db,
  kind: string,
  campaignId: bigint,
  data: Record<string, string>,
): Promise<void> {
  await db`
    insert into events (kind, campaign_id, data)
    values (${kind}, ${campaignId}, ${db.json(data)})`;
}

export async function notify(db: Db, channel: string, payload: string): Promise<void> {
  await db`select pg_notify(${channel}, ${payload})`;
}
