/**
 * bounce/watch/store — the SQL of the watch: who failed too often, and how far he is.
 *
 * Promises: every statement takes up to `limit` rows with `skip locked`, so several nodes may keep
 *           watch at one time; none is per address.
 * Shape:    `materialized` and the laterals with a limit are fences, as in scheduler/queue/store.ts.
 */
import { bigints, times } from '../../kernel/postgres/arrays.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';
import type { SoftLimits } from '../policy.ts';
import { liveFor } from '../suppressions/store.ts';
import type { NoticeFacts, WatchState } from './watch.ts';

/** The addresses of up to `limit` rows that nobody has looked at. */
export async function takeFresh(tx: Tx, limit: number): Promise<string[]> {
  const rows = await tx<{ addressKey: string }[]>`
    with taken as (
      select address_key, kind, day from soft_bounces where fresh
      order by address_key limit ${limit} for update skip locked
    )
    update soft_bounces b set fresh = false from taken t
    where b.address_key = t.address_key and b.kind = t.kind and b.day = t.day
    returning b.address_key`;
  return rows.map((row) => row.addressKey);
}

export interface Suspect {
  addressKey: string;
  class: string;
  evidence: string | null;
  campaignId: bigint;
}

/** Of these addresses those over a limit today, with their last failure; who is listed or watched is not. */
export async function findSuspects(
  db: Db,
  addressKeys: readonly string[],
  limits: SoftLimits,
  now: Date,
): Promise<Suspect[]> {
  const rules = Object.entries(limits);
  return await db<Suspect[]>`
    with crossed as (
      select b.address_key, b.kind, max(b.day) as day
      from unnest(${addressKeys as string[]}::text[]) as asked (address_key)
      join soft_bounces b on b.address_key = asked.address_key
      join unnest(
        ${rules.map(([kind]) => kind)}::text[],
        ${rules.map(([, rule]) => rule.failures)}::int[],
        ${rules.map(([, rule]) => rule.windowDays)}::int[],
        ${rules.map(([, rule]) => rule.days)}::int[]
      ) as l (kind, failures, window_days, days) on l.kind = b.kind
      where b.day > (${now}::timestamptz at time zone 'UTC')::date - l.window_days
      group by b.address_key, b.kind, l.failures, l.days
      having sum(b.count) >= l.failures and count(*) >= l.days
    )
    select distinct on (b.address_key) b.address_key, b.class, b.evidence, b.campaign_id
    from crossed c join soft_bounces b using (address_key, kind, day)
    where not exists (select 1 from watched_addresses w where w.address_key = b.address_key)
      and not exists (
        select 1 from suppressions s
        where s.address_key = b.address_key and s.scope = 'global' and ${liveFor(db, null)})
    order by b.address_key, b.day desc`;
}

export async function insertSuspects(
  tx: Tx,
  suspects: readonly Suspect[],
  when: { since: Date; dueAt: Date },
): Promise<void> {
  await tx`
    insert into watched_addresses (address_key, state, since, due_at, campaign_id, class, evidence)
    select address_key, 'suspect', ${when.since}, ${when.dueAt}, campaign_id, class, evidence
    from unnest(
      ${suspects.map((each) => each.addressKey)}::text[],
      ${bigints(suspects.map((each) => each.campaignId))}::bigint[],
      ${suspects.map((each) => each.class)}::text[],
      ${suspects.map((each) => each.evidence)}::text[]
    ) as given (address_key, campaign_id, class, evidence)
    order by address_key
    on conflict (address_key) do nothing`;
}

export interface DueAddress extends NoticeFacts {
  addressKey: string;
  /** As it was uploaded; null: its recipient row is not there. */
  address: string | null;
  state: WatchState;
  bounced: boolean;
  noticeAt: Date | null;
  campaignId: bigint;
  class: string;
  evidence: string | null;
  /** What the warning or probe itself was told. */
  noticeEvidence: string | null;
  suppressed: boolean;
}

/** Locks up to `limit` addresses whose time has come, with what became of their messages. */
export async function takeDue(tx: Tx, now: Date, limit: number): Promise<DueAddress[]> {
  return await tx<DueAddress[]>`
    with due as materialized (
      select * from watched_addresses where due_at <= ${now}
      order by due_at limit ${limit} for update skip locked
    ), found as materialized (
      select d.id, d.campaign_id, d.state::text, d.class, r.address_key
      from (select distinct notice_campaign_id as id from due) c
      cross join lateral (
        select id, campaign_id, recipient_id, state, class from deliveries
        where campaign_id = c.id offset 0
      ) d
      cross join lateral (select address_key from recipients where id = d.recipient_id limit 1) r
    )
    select due.address_key, r.address, due.state, due.bounced, due.notice_at, due.campaign_id,
      due.class, due.evidence, found.state as delivery_state, found.class as delivery_class,
      late.class as late_class, said.reply_text as notice_evidence,
      exists (
        select 1 from suppressions s
        where s.address_key = due.address_key and s.scope = 'global' and ${liveFor(tx, null)}
      ) as suppressed
    from due
    left join found on found.campaign_id = due.notice_campaign_id
      and found.address_key = due.address_key
    left join lateral (
      select address from recipients
      where campaign_id = due.campaign_id and address_key = due.address_key limit 1
    ) r on true
    left join lateral (
      select coalesce(class, '') as class from events
      where delivery_id = found.id and kind = 'bounce.late' limit 1
    ) late on true
    left join lateral (
      select reply_text from events where delivery_id = found.id order by id desc limit 1
    ) said on true`;
}

export interface Waiting {
  addressKey: string;
  until: Date;
  bounced: boolean;
}

export async function keepWaiting(tx: Tx, rows: readonly Waiting[]): Promise<void> {
  await tx`
    update watched_addresses w set due_at = n.due_at, bounced = n.bounced
    from unnest(
      ${rows.map((row) => row.addressKey)}::text[],
      ${times(rows.map((row) => row.until))}::text[]::timestamptz[],
      ${rows.map((row) => String(row.bounced))}::text[]::boolean[]
    ) as n (address_key, due_at, bounced)
    where w.address_key = n.address_key`;
}

/** Waits for the newest notice of `kind` to each of these addresses. */
export async function waitForNotice(
  tx: Tx,
  addressKeys: readonly string[],
  notice: { kind: string; state: WatchState; at: Date; dueAt: Date },
): Promise<void> {
  await tx`
    update watched_addresses w set state = ${notice.state}::watch_state, bounced = false,
      due_at = ${notice.dueAt}, notice_at = ${notice.at}, notice_campaign_id = n.campaign_id
    from unnest(${addressKeys as string[]}::text[]) as asked (address_key)
    cross join lateral (
      select campaign_id from notices
      where address_key = asked.address_key and kind = ${notice.kind} order by id desc limit 1
    ) n
    where w.address_key = asked.address_key`;
}

/** No more watch over these addresses. */
export async function forgetWatched(db: Db, addressKeys: readonly string[]): Promise<void> {
  await db`delete from watched_addresses where address_key = any(${addressKeys as string[]}::text[])`;
}

/** Their counts begin again at nothing. */
export async function forgetSoftBounces(db: Db, addressKeys: readonly string[]): Promise<void> {
  await db`
    delete from soft_bounces where (address_key, kind, day) in (
      select address_key, kind, day from soft_bounces
      where address_key = any(${addressKeys as string[]}::text[])
      order by address_key, kind, day for update)`;
}

export interface Writer {
  campaignId: bigint;
  senderId: bigint;
  fromAddress: string;
  displayName: string;
  /** The beginning of what the campaign says, for its language. */
  sample: string;
}

/** Who writes to the recipients of these campaigns. */
export async function findWriters(db: Db, campaignIds: readonly bigint[]): Promise<Writer[]> {
  return await db<Writer[]>`
    select c.id as campaign_id, s.id as sender_id, s.from_address, s.display_name,
      k.subject || ' ' || left(k.text, 2000) as sample
    from campaigns c join senders s on s.id = c.sender_id join contents k on k.id = c.content_id
    where c.id = any(${bigints([...new Set(campaignIds)])}::bigint[])`;
}

/**
 * Closes up to `limit` rows of inactive mailboxes whose time is over and answers them, to be asked
 * again; those that were closed `maxTimes` before get no end instead. A row that no campaign of ours
 * made just ends.
 */
export async function takeInactive(
  tx: Tx,
  now: Date,
  maxTimes: number,
  limit: number,
): Promise<Suspect[]> {
  return await tx<Suspect[]>`
    with over as materialized (
      select s.id, s.campaign_id, (
          select count(*) from suppressions p
          where p.address_key = s.address_key and p.class = 'inactive' and p.id < s.id
            and p.released_at is not null
        ) >= ${maxTimes} as lost
      from suppressions s
      where s.class = 'inactive' and s.released_at is null and s.expires_at <= ${now}
      order by s.expires_at limit ${limit} for update of s skip locked
    )
    update suppressions s set
      expires_at = case when over.lost then null else s.expires_at end,
      released_at = case when over.lost then null else ${now}::timestamptz end,
      released_by = case when over.lost then null else 'expired' end
    from over where s.id = over.id
    returning s.address_key, 'inactive' as class, s.evidence,
      case when over.lost then null else s.campaign_id end as campaign_id`;
}

export interface WatchRow {
  state: WatchState;
  since: Date;
  dueAt: Date;
  class: string;
  evidence: string | null;
}

export async function findWatch(db: Db, addressKey: string): Promise<WatchRow | null> {
  const [row] = await db<WatchRow[]>`
    select state, since, due_at, class, evidence from watched_addresses
    where address_key = ${addressKey}`;
  return row ?? null;
}

export interface WatchNotice {
  kind: 'warning' | 'probe';
  campaignId: bigint;
  createdAt: Date;
}

/** Newest first. */
export async function findWatchNotices(db: Db, addressKey: string): Promise<WatchNotice[]> {
  return await db<WatchNotice[]>`
    select kind, campaign_id, created_at from notices
    where address_key = ${addressKey} and kind in ('warning', 'probe')
    order by id desc limit 50`;
}
