/** campaigns/alarms/pauses/store — SQL of `provider_pauses`, and of campaigns that an alarm pauses. */
import type { providerPauses } from '../../../../drizzle/schema.ts';
import { bigints } from '../../../kernel/postgres/arrays.ts';
import type { Db } from '../../../kernel/postgres/connect.ts';
import type { PageRequest } from '../../page.ts';
import type { AlarmRow } from '../store.ts';

export type PauseRow = typeof providerPauses.$inferSelect;
export type NewPause = Pick<
  PauseRow,
  'senderId' | 'provider' | 'reason' | 'alarmId' | 'createdAt' | 'createdBy'
>;

/** Those that were not paused already. */
export async function insertPauses(db: Db, rows: readonly NewPause[]): Promise<PauseRow[]> {
  return db<PauseRow[]>`
    insert into provider_pauses (sender_id, provider, reason, alarm_id, created_at, created_by)
    select * from unnest(
      ${bigints(rows.map((row) => row.senderId))}::bigint[],
      ${rows.map((row) => row.provider)}::text[], ${rows.map((row) => row.reason)}::text[],
      ${rows.map(({ alarmId }) => (alarmId === null ? null : String(alarmId)))}::bigint[],
      ${rows.map((row) => row.createdAt.toISOString())}::timestamptz[],
      ${rows.map((row) => row.createdBy)}::text[])
    on conflict (sender_id, provider) where resumed_at is null do nothing
    returning *`;
}

export async function endPause(
  db: Db,
  id: bigint,
  by: string,
  now: Date,
): Promise<PauseRow | undefined> {
  const [row] = await db<PauseRow[]>`
    update provider_pauses set resumed_at = ${now}, resumed_by = ${by}
    where id = ${id} and resumed_at is null returning *`;
  return row;
}

export async function selectPause(db: Db, id: bigint): Promise<PauseRow | undefined> {
  const [row] = await db<PauseRow[]>`select * from provider_pauses where id = ${id}`;
  return row;
}

/** Newest first. */
export async function selectPauses(
  db: Db,
  page: PageRequest,
  live: boolean | null,
): Promise<PauseRow[]> {
  return db<PauseRow[]>`
    select * from provider_pauses
    where true
      ${live === null ? db`` : live ? db`and resumed_at is null` : db`and resumed_at is not null`}
      ${page.after === null ? db`` : db`and id < ${page.after}`}
    order by id desc limit ${page.limit + 1}`;
}

export async function selectLivePauses(
  db: Db,
): Promise<{ senderId: bigint; provider: string; ruleId: bigint | null }[]> {
  return db<{ senderId: bigint; provider: string; ruleId: bigint | null }[]>`
    select p.sender_id, p.provider, a.rule_id
    from provider_pauses p left join alarms a on a.id = p.alarm_id
    where p.resumed_at is null`;
}

/** What is counted in the running slot, so that alarms can leave it out; a row of nothing marks it. */
export async function keepBaseline(
  db: Db,
  { senderId, provider, slot }: { senderId: bigint; provider: string; slot: Date },
): Promise<void> {
  await db`
    insert into alarm_baselines (sender_id, provider, kind, slot, count)
    select ${senderId}::bigint, ${provider}::text, kind, ${slot}::timestamptz, sum(count)
    from (
      select r.kind, r.count from provider_rollups r join campaigns c on c.id = r.campaign_id
      where c.sender_id = ${senderId} and c.purpose = 'campaign' and r.provider = ${provider}
        and r.slot = ${slot}
      union all
      select '', 0
    ) counted
    group by kind
    on conflict (sender_id, provider, kind)
    do update set slot = excluded.slot, count = excluded.count`;
}

export async function clearAlarmsOf(
  db: Db,
  { senderId, provider }: { senderId: bigint; provider: string },
  now: Date,
): Promise<AlarmRow[]> {
  return db<AlarmRow[]>`
    update alarms set cleared_at = ${now}, cleared_by = 'resumed'
    where sender_id = ${senderId} and provider = ${provider} and cleared_at is null
    returning *`;
}

/** Campaigns of the sender that have counts of these kinds since `since`; answers which. */
export async function pauseCampaignsOf(
  db: Db,
  of: { senderId: bigint; provider: string; kinds: readonly string[]; since: Date; reason: string },
): Promise<bigint[]> {
  const rows = await db<{ id: bigint }[]>`
    update campaigns c set state = 'paused', pause_reason = ${of.reason}
    where c.sender_id = ${of.senderId} and c.purpose = 'campaign'
      and c.state in ('expanding', 'sending')
      and exists (
        select 1 from provider_rollups r
        where r.campaign_id = c.id and r.slot > ${of.since} and r.provider = ${of.provider}
          and r.kind = any(${of.kinds as string[]}::text[]))
    returning c.id`;
  return rows.map(({ id }) => id);
}
