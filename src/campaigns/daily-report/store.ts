/** campaigns/daily-report/store — SQL of `daily_reports`, and of what was alarming on a day. */
import type { Db, Tx } from '../../kernel/postgres/connect.ts';

/** Of the last weeks. */
export async function selectMadeDays(db: Db, now: Date): Promise<Set<string>> {
  const rows = await db<{ day: string }[]>`
    select day::text as day from daily_reports
    where day > ${now}::timestamptz::date - 15 and day <= ${now}::timestamptz::date`;
  return new Set(rows.map(({ day }) => day));
}

/** True once, for one process. */
export async function claimDay(tx: Tx, day: string, now: Date): Promise<boolean> {
  const rows = await tx`
    insert into daily_reports (day, ordered_at) values (${day}, ${now})
    on conflict (day) do nothing returning day`;
  return rows.length === 1;
}

export async function noteCampaign(tx: Tx, day: string, campaignId: bigint): Promise<void> {
  await tx`update daily_reports set campaign_id = ${campaignId} where day = ${day}`;
}

export interface DayAlarm {
  ruleName: string;
  sender: string;
  provider: string;
  count: number;
  volume: number;
  action: string;
  isLive: boolean;
}

/** Raised on the day, and those that stand. */
export async function selectAlarmsOfDay(
  db: Db,
  { from, until }: { from: Date; until: Date },
): Promise<DayAlarm[]> {
  return db<DayAlarm[]>`
    select a.rule_name, coalesce(s.from_address, '') as sender, a.provider, a.count::float8 as count,
      a.volume::float8 as volume, a.action, a.cleared_at is null as is_live
    from alarms a left join senders s on s.id = a.sender_id
    where (a.raised_at >= ${from} and a.raised_at < ${until}) or a.cleared_at is null
    order by a.id limit 200`;
}

export interface DayPause {
  sender: string;
  provider: string;
  reason: string;
}

/** In force now. */
export async function selectPausesInForce(db: Db): Promise<DayPause[]> {
  return db<DayPause[]>`
    select coalesce(s.from_address, '') as sender, p.provider, p.reason
    from provider_pauses p left join senders s on s.id = p.sender_id
    where p.resumed_at is null
    order by p.id limit 200`;
}
