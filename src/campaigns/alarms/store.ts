/**
 * campaigns/alarms/store — SQL of alarms: what is counted, what is raised, what is over.
 *
 * Counts come from provider_rollups: some thousand rows a day, whatever the lists. What was counted
 * in the running slot before a pause ended (`alarm_baselines`) is taken off again, so that whoever
 * resumes begins with a clean sheet.
 */
import type { alarms } from '../../../drizzle/schema.ts';
import { bigints, times } from '../../kernel/postgres/arrays.ts';
import type { Db, Tx } from '../../kernel/postgres/connect.ts';
import type { PageRequest } from '../page.ts';
import type { ClearedBy, LiveAlarm, Measure } from './decide.ts';
import { KINDS_OF_METRIC, METRICS } from './rule.ts';
import type { AlarmAction, Metric } from './rule.ts';

export type AlarmRow = typeof alarms.$inferSelect & { metric: Metric; action: AlarmAction };

const EVALUATION_LOCK = 7_305_811;

/** Until the end of the transaction; false: another process is at it. */
export async function lockEvaluation(tx: Tx): Promise<boolean> {
  const [row] = await tx<{ got: boolean }[]>`
    select pg_try_advisory_xact_lock(${EVALUATION_LOCK}) as got`;
  return row?.got === true;
}

/** Every rule with every sender and provider that it has counts for. */
export async function measureRules(db: Db, now: Date): Promise<Measure[]> {
  const kinds = METRICS.flatMap((metric) => {
    const { part, whole } = KINDS_OF_METRIC[metric];
    return [...new Set([...part, ...whole])].map((kind) => ({
      metric,
      kind,
      isPart: part.includes(kind),
      isWhole: whole.includes(kind),
    }));
  });
  return db<Measure[]>`
    with side as (
      select * from unnest(
        ${kinds.map((k) => k.metric as string)}::text[], ${kinds.map((k) => k.kind)}::text[],
        ${kinds.map((k) => String(k.isPart))}::text[]::boolean[],
        ${kinds.map((k) => String(k.isWhole))}::text[]::boolean[]
      ) as s (metric, kind, is_part, is_whole)
    ), begun as (
      select sender_id, provider, max(slot) as slot from alarm_baselines group by 1, 2
    ), counted as (
      select c.sender_id, r.provider, r.kind, r.slot, r.count::float8 as n
      from provider_rollups r join campaigns c on c.id = r.campaign_id and c.purpose = 'campaign'
      where r.slot > ${now}::timestamptz
        - make_interval(mins => (select coalesce(max(window_minutes), 0) from alarm_rules))
      union all
      select sender_id, provider, kind, slot, -count::float8 from alarm_baselines
    )
    select a.id as rule_id, a.name as rule_name, a.metric, a.threshold, a.window_minutes,
      a.min_volume, a.action, k.sender_id, k.provider,
      coalesce(sum(k.n) filter (where s.is_part), 0) as count,
      coalesce(sum(k.n) filter (where s.is_whole), 0) as volume
    from alarm_rules a
    join side s on s.metric = a.metric
    join counted k on k.kind = s.kind
      and k.slot > ${now}::timestamptz - make_interval(mins => a.window_minutes)
      and (a.sender_id is null or a.sender_id = k.sender_id)
      and (a.provider is null or a.provider = k.provider)
    left join begun b on b.sender_id = k.sender_id and b.provider = k.provider
    where b.slot is null or k.slot >= b.slot
    group by a.id, k.sender_id, k.provider`;
}

export async function selectLiveAlarms(db: Db): Promise<AlarmRow[]> {
  return db<AlarmRow[]>`select * from alarms where cleared_at is null order by id`;
}

/** Cleared less than their rule's window ago, otherwise than by a person. */
export async function selectCoolingDown(db: Db, now: Date): Promise<Omit<LiveAlarm, 'id'>[]> {
  return db<Omit<LiveAlarm, 'id'>[]>`
    select distinct l.rule_id, l.sender_id, l.provider
    from alarms l join alarm_rules r on r.id = l.rule_id
    where l.cleared_by in ('rate', 'quiet')
      and l.cleared_at > ${now}::timestamptz - make_interval(mins => r.window_minutes)`;
}

/** In the order given. */
export async function insertAlarms(
  db: Db,
  rows: readonly { measure: Measure; action: AlarmAction }[],
  now: Date,
): Promise<AlarmRow[]> {
  const of = rows.map(({ measure }) => measure);
  return db<AlarmRow[]>`
    insert into alarms (rule_id, rule_name, metric, threshold, sender_id, provider, count, volume,
      action, raised_at)
    select rule_id, rule_name, metric, threshold, sender_id, provider, count, volume, action,
      ${now}::timestamptz
    from unnest(
      ${bigints(of.map((m) => m.ruleId))}::bigint[], ${of.map((m) => m.ruleName)}::text[],
      ${of.map((m) => m.metric as string)}::text[], ${of.map((m) => String(m.threshold))}::float8[],
      ${bigints(of.map((m) => m.senderId))}::bigint[], ${of.map((m) => m.provider)}::text[],
      ${of.map((m) => String(m.count))}::bigint[], ${of.map((m) => String(m.volume))}::bigint[],
      ${rows.map(({ action }) => action as string)}::text[]
    ) with ordinality as m (rule_id, rule_name, metric, threshold, sender_id, provider, count,
      volume, action, n)
    order by n
    returning *`;
}

export async function clearAlarms(
  db: Db,
  rows: readonly { id: bigint; by: ClearedBy }[],
  now: Date,
): Promise<AlarmRow[]> {
  return db<AlarmRow[]>`
    update alarms a set cleared_at = ${now}, cleared_by = c.by
    from unnest(
      ${bigints(rows.map(({ id }) => id))}::bigint[], ${rows.map(({ by }) => by as string)}::text[]
    ) as c (id, by)
    where a.id = c.id and a.cleared_at is null
    returning a.*`;
}

/** Newest first. */
export async function selectAlarms(
  db: Db,
  page: PageRequest,
  live: boolean | null,
): Promise<AlarmRow[]> {
  return db<AlarmRow[]>`
    select * from alarms
    where true
      ${live === null ? db`` : live ? db`and cleared_at is null` : db`and cleared_at is not null`}
      ${page.after === null ? db`` : db`and id < ${page.after}`}
    order by id desc limit ${page.limit + 1}`;
}

export interface AlarmEvent {
  at: Date;
  kind: string;
  data: Record<string, string | number | null>;
}

export async function insertAlarmEvents(db: Db, events: readonly AlarmEvent[]): Promise<void> {
  if (events.length === 0) return;
  await db`
    insert into events (at, kind, data)
    select * from unnest(
      ${times(events.map(({ at }) => at))}::timestamptz[],
      ${events.map(({ kind }) => kind)}::text[],
      ${events.map(({ data }) => JSON.stringify(data))}::text[]::jsonb[])`;
}
