/** campaigns/store — SQL of the table `campaigns`: making, reading, and changing its state. */
import type { campaigns } from '../../drizzle/schema.ts';
import { CHANNELS } from '../kernel/events.ts';
import type { EventKind } from '../kernel/events.ts';
import type { Db, Tx } from '../kernel/postgres/connect.ts';
import type { CampaignRow, CampaignState } from './campaign.ts';
import type { PageRequest } from './page.ts';

export type NewCampaign = Pick<
  typeof campaigns.$inferInsert,
  | 'name'
  | 'senderId'
  | 'contentId'
  | 'stream'
  | 'mode'
  | 'ttlSeconds'
  | 'ambiguityPolicy'
  | 'requireTls'
>;

export async function insertCampaign(db: Db, campaign: NewCampaign): Promise<bigint> {
  const [row] = await db<{ id: bigint }[]>`
    insert into campaigns (name, sender_id, content_id, stream, mode, ttl_seconds, ambiguity_policy,
      require_tls)
    values (${campaign.name}, ${campaign.senderId}, ${campaign.contentId}, ${campaign.stream},
      ${campaign.mode}, ${campaign.ttlSeconds}, ${campaign.ambiguityPolicy}, ${campaign.requireTls ?? false})
    returning id`;
  if (row === undefined) throw new Error('insert into campaigns returned nothing');
  return row.id;
}

export async function selectCampaign(db: Db, id: bigint): Promise<CampaignRow | undefined> {
  const [row] = await db<CampaignRow[]>`
    select c.*, k.subject, k.format, k.variables, ${heldProviders(db)} as held_providers
    from campaigns c join contents k on k.id = c.content_id
    where c.id = ${id}`;
  return row;
}

/** Those that its sender's mail is held back from; none when it is over. */
export function heldProviders(db: Db) {
  return db`(
    select coalesce(jsonb_agg(jsonb_build_object('id', p.id::text, 'provider', p.provider,
      'reason', p.reason, 'since', p.created_at) order by p.id), '[]')
    from provider_pauses p
    where p.sender_id = c.sender_id and p.resumed_at is null
      and c.state in ('expanding', 'sending', 'paused'))`;
}

/** Newest first; without Volley's own notices. */
export async function selectCampaigns(
  db: Db,
  page: PageRequest,
  state: CampaignState | undefined,
): Promise<CampaignRow[]> {
  return db<CampaignRow[]>`
    select c.*, k.subject, k.format, k.variables, ${heldProviders(db)} as held_providers
    from campaigns c join contents k on k.id = c.content_id
    where c.purpose = 'campaign'
      ${page.after === null ? db`` : db`and c.id < ${page.after}`}
      ${state === undefined ? db`` : db`and c.state = ${state}`}
    order by c.id desc
    limit ${page.limit + 1}`;
}

/** Bounds how long a transition waits for an upload that holds the row. */
export async function limitLockWait(tx: Tx, timeoutMs: number): Promise<void> {
  await tx`select set_config('lock_timeout', ${`${timeoutMs}ms`}, true)`;
}

/** Waits for whoever holds the row, so that the statements behind it see what was committed. */
export async function lockCampaign(tx: Tx, id: bigint): Promise<boolean> {
  const rows = await tx`select 1 from campaigns where id = ${id} for no key update`;
  return rows.length === 1;
}

/** False when the campaign is not a draft with recipients. */
export async function markStarted(db: Db, id: bigint, now: Date): Promise<boolean> {
  const rows = await db`
    update campaigns
    set state = 'expanding', started_at = ${now},
      expires_at = ${now}::timestamptz + make_interval(secs => ttl_seconds)
    where id = ${id} and state = 'draft' and recipient_count > 0
    returning id`;
  return rows.length === 1;
}

export async function markPaused(db: Db, id: bigint): Promise<boolean> {
  const rows = await db`
    update campaigns set state = 'paused'
    where id = ${id} and state in ('expanding', 'sending')
    returning id`;
  return rows.length === 1;
}

/** The state it went back to, or undefined when it was not paused. */
export async function markResumed(db: Db, id: bigint): Promise<CampaignState | undefined> {
  const [row] = await db<{ state: CampaignState }[]>`
    update campaigns
    set pause_reason = null, state = case when expanded_count < recipient_count
      then 'expanding'::campaign_state else 'sending'::campaign_state end
    where id = ${id} and state = 'paused'
    returning state`;
  return row?.state;
}

export async function markCancelling(db: Db, id: bigint): Promise<boolean> {
  const rows = await db`
    update campaigns set state = 'cancelling', pause_reason = null
    where id = ${id} and state in ('draft', 'expanding', 'sending', 'paused')
    returning id`;
  return rows.length === 1;
}

export async function insertCampaignEvent(
  db: Db,
  event: { kind: EventKind; campaignId: bigint; at: Date; data?: Record<string, string | null> },
): Promise<void> {
  const data = event.data === undefined ? null : JSON.stringify(event.data);
  await db`
    insert into events (at, kind, campaign_id, data)
    values (${event.at}, ${event.kind}, ${event.campaignId}, ${data}::text::jsonb)`;
}

/** Delivered by PostgreSQL when the transaction commits. */
export async function notifyCampaign(db: Db, id: bigint): Promise<void> {
  await db`select pg_notify(${CHANNELS.campaigns}, ${id.toString()})`;
}
