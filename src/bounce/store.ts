/**
 * bounce/store — the SQL of what comes back: whom it may be about, and the rows it leaves.
 *
 * Promises: inbound messages and the facts of `events_once` are written once, whoever writes; rows go
 *           in in key order, so two writers never wait for each other in a circle.
 * Plans:    `lateral ... limit 1` is a fence: joined freely, the planner may read a whole big table for
 *           a batch's range (scheduler/queue/store.ts has the measurement).
 */
import type { Db, Tx } from '../kernel/postgres/connect.ts';
import type { EventKind } from '../kernel/events.ts';
import { shownState } from '../kernel/marks/store.ts';
import type { KnownBatch, KnownDelivery } from './arrival.ts';

export async function findBounceDomains(db: Db): Promise<string[]> {
  const rows = await db<{ domain: string }[]>`
    select distinct lower(bounce_domain) as domain from senders`;
  return rows.map((row) => row.domain);
}

/** The sender whose bounce domain it is, the first of several; null: of any domain. */
export async function findSenderOfDomain(
  db: Db,
  domain: string | null,
): Promise<{ id: bigint; domain: string } | null> {
  const [row] = await db<{ id: bigint; domain: string }[]>`
    select id, domain from senders where ${domain}::text is null or lower(bounce_domain) = ${domain}
    order by id limit 1`;
  return row ?? null;
}

export async function findDeliveries(db: Db, ids: readonly bigint[]): Promise<KnownDelivery[]> {
  return await db<KnownDelivery[]>`
    select d.id as delivery_id, d.campaign_id, ${shownState(db)} as state, r.address_key, r.domain, c.stream,
      s.domain as sender_domain
    from deliveries d
    cross join lateral (
      select address_key, domain from recipients where id = d.recipient_id limit 1
    ) r
    join campaigns c on c.id = d.campaign_id
    join senders s on s.id = c.sender_id
    where d.id = any(${ids.map(String)}::bigint[])`;
}

export async function findBatches(db: Db, ids: readonly bigint[]): Promise<KnownBatch[]> {
  return await db<KnownBatch[]>`
    select id as batch_id, campaign_id, first_delivery_id, last_delivery_id
    from batches where id = any(${ids.map(String)}::bigint[])`;
}

/** Deliveries of these batches to these addresses: pairs, batch by address. */
export async function findBatchRecipients(
  db: Db,
  pairs: readonly { batchId: bigint; addressKey: string }[],
): Promise<(KnownDelivery & { batchId: bigint })[]> {
  return await db<(KnownDelivery & { batchId: bigint })[]>`
    select b.id as batch_id, d.id as delivery_id, d.campaign_id, ${shownState(db)} as state,
      r.address_key, r.domain, c.stream, s.domain as sender_domain
    from unnest(
      ${pairs.map((pair) => String(pair.batchId))}::bigint[],
      ${pairs.map((pair) => pair.addressKey)}::text[]
    ) as asked (batch_id, address_key)
    join batches b on b.id = asked.batch_id
    join campaigns c on c.id = b.campaign_id
    join senders s on s.id = c.sender_id
    cross join lateral (
      select id, address_key, domain from recipients
      where campaign_id = b.campaign_id and address_key = asked.address_key limit 1
    ) r
    cross join lateral (
      select id, campaign_id, state from deliveries
      where id between b.first_delivery_id and b.last_delivery_id and recipient_id = r.id limit 1
    ) d`;
}

/** Who a campaign comes from, for a mail about it. */
export interface CampaignSender {
  senderId: bigint;
  displayName: string;
  fromAddress: string;
  bounceDomain: string;
  unsubscribeBaseUrl: string | null;
}

export async function findCampaignSender(db: Db, campaignId: bigint): Promise<CampaignSender> {
  const [row] = await db<CampaignSender[]>`
    select s.id as sender_id, s.display_name, s.from_address, s.bounce_domain,
      s.unsubscribe_base_url
    from campaigns c join senders s on s.id = c.sender_id where c.id = ${campaignId}`;
  if (row === undefined) throw new Error('a campaign has a sender');
  return row;
}

export interface InboundRow {
  fingerprint: Uint8Array;
  receivedAt: Date;
  envelopeSender: string;
  envelopeRecipient: string;
  kind: string;
  campaignId: bigint | null;
  deliveryId: bigint | null;
  raw: Uint8Array;
}

/** Hex fingerprint and id of those that were not there yet. */
export async function insertInboundMessages(
  tx: Tx,
  rows: readonly InboundRow[],
): Promise<Map<string, bigint>> {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const inserted = await tx<{ fingerprint: Uint8Array; id: bigint }[]>`
    insert into inbound_messages (fingerprint, received_at, envelope_sender, envelope_recipient, kind,
      campaign_id, delivery_id, raw)
    select decode(fingerprint, 'base64'), received_at, envelope_sender, envelope_recipient, kind,
      campaign_id, delivery_id, decode(raw, 'base64')
    from unnest(
      ${rows.map((row) => base64(row.fingerprint))}::text[],
      ${rows.map((row) => row.receivedAt.toISOString())}::text[]::timestamptz[],
      ${rows.map((row) => row.envelopeSender)}::text[],
      ${rows.map((row) => row.envelopeRecipient)}::text[],
      ${rows.map((row) => row.kind)}::text[],
      ${rows.map((row) => row.campaignId?.toString() ?? null)}::bigint[],
      ${rows.map((row) => row.deliveryId?.toString() ?? null)}::bigint[],
      ${rows.map((row) => base64(row.raw))}::text[]
    ) as row (fingerprint, received_at, envelope_sender, envelope_recipient, kind, campaign_id,
      delivery_id, raw)
    order by 1
    on conflict (fingerprint) do nothing
    returning fingerprint, id`;
  return new Map(inserted.map((row) => [Buffer.from(row.fingerprint).toString('hex'), row.id]));
}

export interface ReturnEvent {
  at: Date;
  kind: EventKind;
  campaignId: bigint | null;
  deliveryId: bigint | null;
  class: string | null;
  rule: string | null;
  enhancedCode: string | null;
  replyText: string | null;
  data: Record<string, unknown>;
}

/** Answers those that are new facts: a second `bounce.late` of a delivery is none (events_once). */
export async function appendReturnEvents(
  tx: Tx,
  events: readonly ReturnEvent[],
): Promise<{ kind: EventKind; deliveryId: bigint | null }[]> {
  return await tx<{ kind: EventKind; deliveryId: bigint | null }[]>`
    insert into events (at, kind, campaign_id, delivery_id, class, rule, enhanced_code, reply_text, data)
    select at, kind, campaign_id, delivery_id, class, rule, enhanced_code, reply_text, data
    from unnest(
      ${events.map((event) => event.at.toISOString())}::text[]::timestamptz[],
      ${events.map((event) => event.kind)}::text[],
      ${events.map((event) => event.campaignId?.toString() ?? null)}::bigint[],
      ${events.map((event) => event.deliveryId?.toString() ?? null)}::bigint[],
      ${events.map((event) => event.class)}::text[],
      ${events.map((event) => event.rule)}::text[],
      ${events.map((event) => event.enhancedCode)}::text[],
      ${events.map((event) => event.replyText)}::text[],
      ${events.map((event) => JSON.stringify(event.data))}::text[]::jsonb[]
    ) with ordinality as row (at, kind, campaign_id, delivery_id, class, rule, enhanced_code,
      reply_text, data, position)
    order by delivery_id, kind, position
    on conflict do nothing
    returning kind, delivery_id`;
}
