/**
 * scheduler/queue/store — the SQL of the queue: claim, lease, timer, and giving back.
 *
 * Promises: a batch has one owner at a time (row locks with `skip locked`, owner and lease in the
 *           row); every statement that ends or extends a claim names the owner in its `where`. An
 *           owner never claims what he still holds in memory, so that who lost a lease stays without
 *           it: what he still has on the wire can neither be marked nor recorded. Statements over
 *           several claimed batches lock them in the order of their ids, as the mark does.
 * Relies on: the partial indexes batches_ready, batches_waiting, batches_claimed, batches_open.
 */
import { liveFor } from '../../bounce/suppressions/store.ts';
import { MAX_DELIVERIES_OF_EVENT } from '../../kernel/events.ts';
import { bigints } from '../../kernel/postgres/arrays.ts';
import type { Db, Sql } from '../../kernel/postgres/connect.ts';
import { OTHER_PROVIDER } from '../../kernel/providers/provider.ts';
import type { BatchRecipient } from '../ports.ts';
import type { AmbiguityPolicy } from '../record/decide.ts';

export interface CampaignInWork {
  id: bigint;
  state: 'expanding' | 'sending' | 'paused' | 'cancelling';
  stream: 'transactional' | 'statement' | 'marketing';
  ambiguityPolicy: AmbiguityPolicy;
  senderDomain: string;
  /** The source addresses of the sender; null: it names none. */
  pool: string | null;
  expiresAt: Date;
  /** Whose mailboxes get nothing for now; a provider of kernel/providers. */
  pausedProviders: string[];
}

export async function listCampaignsInWork(sql: Sql): Promise<CampaignInWork[]> {
  return await sql<CampaignInWork[]>`
    select c.id, c.state, c.stream, c.ambiguity_policy, s.domain as sender_domain, s.pool,
      coalesce(c.expires_at, 'infinity') as expires_at,
      array(select p.provider from provider_pauses p
        where p.sender_id = c.sender_id and p.resumed_at is null and c.purpose = 'campaign'
      ) as paused_providers
    from campaigns c join senders s on s.id = c.sender_id
    where c.state in ('expanding', 'sending', 'paused', 'cancelling')
    order by c.id`;
}

export interface Batch {
  id: bigint;
  campaignId: bigint;
  domain: string;
  /** As it was known when it was claimed. */
  provider: string;
  firstDeliveryId: bigint;
  lastDeliveryId: bigint;
}

export interface ClaimRequest {
  campaignId: bigint;
  /** Walk the domains after this one. */
  afterDomain: string;
  /** Domains that have their share already. */
  busyDomains: readonly string[];
  pausedProviders: readonly string[];
  /** Batches that the owner still holds in memory, whosever they are by now. */
  heldBatches?: readonly bigint[];
  maxDomains: number;
  maxPerDomain: number;
  owner: string;
  leaseSeconds: number;
}

/**
 * Claims the oldest ready batches of the next domains. The recursive part is a loose index scan: one
 * probe of batches_ready per domain, however many batches the domain holds.
 */
export async function claimBatches(sql: Sql, request: ClaimRequest): Promise<Batch[]> {
  const { campaignId } = request;
  return await sql<Batch[]>`
    with recursive site(domain) as (
      (select b.domain from batches b
        where b.campaign_id = ${campaignId} and b.state = 'ready' and b.domain > ${request.afterDomain}
        order by b.domain limit 1)
      union all
      select (select b.domain from batches b
        where b.campaign_id = ${campaignId} and b.state = 'ready' and b.domain > site.domain
        order by b.domain limit 1)
      from site where site.domain is not null
    ), pick as (
      select b.id, free.provider from (
        select named.* from (
          -- Looked up one by one, never joined: a join may read all domains of the campaign first.
          select site.domain, coalesce(
              (select p.provider from domain_providers p where p.domain = site.domain),
              ${OTHER_PROVIDER}) as provider
          from site
          where site.domain is not null
            and site.domain <> all(${request.busyDomains as string[]}::text[])
          offset 0
        ) named
        where named.provider <> all(${request.pausedProviders as string[]}::text[])
        limit ${request.maxDomains}
      ) free cross join lateral (
        select id from batches
        where campaign_id = ${campaignId} and domain = free.domain and state = 'ready'
          and id <> all(${bigints(request.heldBatches ?? [])}::bigint[])
        order by id limit ${request.maxPerDomain} for update skip locked
      ) b
    )
    update batches set state = 'claimed', owner = ${request.owner},
      lease_until = now() + make_interval(secs => ${request.leaseSeconds})
    from pick where batches.id = pick.id
    returning batches.id, batches.campaign_id, batches.domain, pick.provider,
      batches.first_delivery_id, batches.last_delivery_id`;
}

export interface QueuedRecipient extends BatchRecipient {
  batchId: bigint;
  /** What suppressions are compared by. */
  addressKey: string;
  attempts: number;
  suppressed: boolean;
}

/**
 * The deliveries of claimed batches that are due now, with a fresh look at the suppressions. Never one
 * that is marked: who claims a batch finds none, but here a fault would be a duplicate.
 *
 * The lateral steps with a limit are fences: the planner cannot know how few rows an id range holds,
 * and joined freely it reads the whole table (measured with 1 M deliveries, 100 batches of 100
 * rows: 17 s free, 0.1 s fenced).
 */
export async function readRecipients(
  sql: Sql,
  batchIds: readonly bigint[],
  campaign: CampaignInWork,
): Promise<QueuedRecipient[]> {
  return await sql<QueuedRecipient[]>`
    select b.id as batch_id, d.id as delivery_id, d.recipient_id, d.attempts,
      r.address, r.address_key, r.name, r.variables::text as variables_json,
      s.hit is not null as suppressed
    from batches b
    cross join lateral (
      select id, recipient_id, attempts from deliveries
      where id between b.first_delivery_id and b.last_delivery_id and state = 'pending'
        and not b.marked @> id
        and (next_attempt_at is null or next_attempt_at <= now() + interval '1 second')
      order by id limit ${MAX_DELIVERIES_OF_EVENT}
    ) d
    cross join lateral (
      select address, address_key, name, variables from recipients where id = d.recipient_id limit 1
    ) r
    left join lateral (
      select true as hit from suppressions s
      where s.address_key = r.address_key and ${liveFor(sql, campaign)} limit 1
    ) s on true
    where b.id = any(${bigints(batchIds)}::bigint[])`;
}

/** Which of these deliveries are suppressed by now: asked when a suppression arrives mid-batch. */
export async function findSuppressed(
  sql: Sql,
  deliveryIds: readonly bigint[],
  campaign: CampaignInWork,
): Promise<bigint[]> {
  const rows = await sql<{ id: bigint }[]>`
    select d.id from deliveries d
    cross join lateral (
      select address_key from recipients where id = d.recipient_id limit 1
    ) r
    cross join lateral (
      select 1 from suppressions s
      where s.address_key = r.address_key and ${liveFor(sql, campaign)} limit 1
    ) s
    where d.id = any(${bigints(deliveryIds)}::bigint[])`;
  return rows.map((row) => row.id);
}

/** Waiting batches whose time has come; returns how many. */
export async function wakeDueBatches(sql: Sql, limit: number): Promise<number> {
  const result = await sql`
    update batches set state = 'ready' where id in (
      select id from batches where state = 'waiting' and due_at <= now()
      order by due_at limit ${limit} for update skip locked)`;
  return result.count;
}

/** Extends the leases of these, as far as they are still `owner`'s. */
export async function extendLeases(
  sql: Sql,
  owner: string,
  batchIds: readonly bigint[],
  leaseSeconds: number,
): Promise<void> {
  await sql`
    update batches set lease_until = now() + make_interval(secs => ${leaseSeconds})
    where id = any(array(
      select id from batches
      where id = any(${bigints(batchIds)}::bigint[]) and state = 'claimed' and owner = ${owner}
      order by id for update))`;
}

/**
 * Settles claimed batches of `owner` from what their rows say now: nothing open -> done, all open
 * rows wait -> waiting until the earliest, else ready. Nothing of them is marked then.
 *
 * Unless a row is still in doubt, pending and marked: a message was on the wire and nobody said what
 * became of it. That is a fault (the engine gives an outcome for everything it takes), but sent again
 * it might be a duplicate, and left alone it would be open for ever. Such a batch stays claimed, by
 * nobody and with its lease over, so the reaper does with it as with that of a process that ended.
 */
export async function settleBatches(
  db: Db,
  owner: string,
  batchIds: readonly bigint[],
): Promise<void> {
  await db`
    with open as (
      select b.id, d.pending, d.due_at, d.in_doubt
      from batches b cross join lateral (
        select count(*) as pending, min(coalesce(next_attempt_at, '-infinity')) as due_at,
          coalesce(bool_or(b.marked @> id), false) as in_doubt
        from deliveries
        where id between b.first_delivery_id and b.last_delivery_id and state = 'pending'
      ) d
      where b.id = any(${bigints(batchIds)}::bigint[])
      order by b.id for update of b
    )
    update batches set owner = null,
      lease_until = case when open.in_doubt then now() end,
      marked = case when open.in_doubt then batches.marked else '{}' end,
      state = (case when open.in_doubt then 'claimed' when open.pending = 0 then 'done'
        when open.due_at > now() then 'waiting' else 'ready' end)::batch_state,
      due_at = case when open.pending > 0 and open.due_at > now() then open.due_at else batches.due_at end
    from open
    where batches.id = open.id and batches.state = 'claimed' and batches.owner = ${owner}`;
}
