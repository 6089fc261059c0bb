/**
 * kernel/rollups/store — the counts that the balance and the reports read.
 *
 * Promises: counts are added in the transaction of the events they count, so the two agree after any
 *           crash. Rows are summed first and written in key order, rules before daily before minute
 *           before provider, so two writers never wait for each other in a circle.
 * Callers:  call it last in the transaction, and once. The rows of the running minute and quarter of an
 *           hour are hot: a lock on them is held until the commit, and everybody who takes them last
 *           cannot deadlock. One other statement takes hot rows: adding suppressions counts them by
 *           itself (suppressions/store.ts), daily before provider rows, in key order, under a kind of
 *           its own. Its rows are never among those of this call, so a transaction that adds
 *           suppressions and then calls this one still takes each row once, and before no other kind's.
 * See:      drizzle/schema.ts dailyRollups, minuteRollups, providerRollups; src/campaigns/reports.ts and
 *           campaigns/reports/ read.
 */
import type { EventKind } from '../events.ts';
import type { Tx } from '../postgres/connect.ts';
import { OTHER_PROVIDER } from '../providers/provider.ts';

export interface RollupRow {
  campaignId: bigint;
  at: Date;
  /** Destination domain. */
  domain: string;
  kind: EventKind;
  /** Bounce class; empty when the kind has none. */
  class: string;
  /** The classification rule that decided; absent or null: none did. */
  rule?: string | null;
  count: number;
}

/** Reports and alarms see time in steps of this length: every time zone is a multiple of it away. */
export const SLOT_MINUTES = 15;
const SLOT_MS = SLOT_MINUTES * 60_000;

export function slotOf(at: Date): Date {
  return new Date(Math.floor(at.getTime() / SLOT_MS) * SLOT_MS);
}

/** Adds `facts` to all four tables. Days and minutes are UTC. */
export async function addToRollups(tx: Tx, facts: readonly RollupRow[]): Promise<void> {
  if (facts.length === 0) return;
  const rows = byMinute(facts);
  const days = sum(rows, (row) => [row.at.toISOString().slice(0, 10), row.domain, row.class]);
  const minutes = sum(rows, (row) => [`${row.at.toISOString().slice(0, 16)}Z`]);
  const slots = sum(rows, (row) => [slotOf(row.at).toISOString(), row.domain, row.class]);
  // One connection: they are executed in this order.
  await Promise.all([
    addToRules(tx, rows),
    addToDays(tx, days),
    addToMinutes(tx, minutes),
    addToProviders(tx, slots),
  ]);
}

/**
 * Rows alike but for the second are one: a transaction of 500 outcomes has some fifty kinds of them,
 * and only those are written as the keys of three tables.
 */
function byMinute(rows: readonly RollupRow[]): RollupRow[] {
  const totals = new Map<string, RollupRow>();
  for (const row of rows) {
    const minute = Math.floor(row.at.getTime() / 60_000);
    const names = `${row.domain}\n${row.kind}\n${row.class}\n${row.rule ?? ''}`;
    const key = `${row.campaignId}\n${minute}\n${names}`;
    const total = totals.get(key);
    if (total === undefined) totals.set(key, { ...row });
    else total.count += row.count;
  }
  return [...totals.values()];
}

interface Total {
  campaignId: string;
  kind: string;
  /** What else makes the key. */
  parts: string[];
  count: number;
}

/** One total per campaign, kind and parts, in the order of the code units of the key. */
function sum(rows: readonly RollupRow[], partsOf: (row: RollupRow) => string[]): Total[] {
  const totals = new Map<string, Total>();
  for (const row of rows) {
    const parts = partsOf(row);
    const campaignId = String(row.campaignId);
    const key = JSON.stringify([campaignId, row.kind, ...parts]);
    const total = totals.get(key);
    if (total !== undefined) total.count += row.count;
    else totals.set(key, { campaignId, kind: row.kind, parts, count: row.count });
  }
  return [...totals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, total]) => total);
}

async function addToRules(tx: Tx, rows: readonly RollupRow[]): Promise<void> {
  const totals = new Map<string, { rule: string; day: string; count: number }>();
  for (const { rule = null, at, count } of rows) {
    if (rule === null) continue;
    const day = at.toISOString().slice(0, 10);
    const total = totals.get(`${rule} ${day}`);
    if (total === undefined) totals.set(`${rule} ${day}`, { rule, day, count });
    else total.count += count;
  }
  if (totals.size === 0) return;
  const sorted = [...totals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, total]) => total);
  await tx`
    insert into rule_rollups as r (rule, day, count)
    select * from unnest(
      ${sorted.map((t) => t.rule)}::text[],
      ${sorted.map((t) => t.day)}::text[]::date[],
      ${sorted.map((t) => String(t.count))}::bigint[]
    )
    on conflict (rule, day) do update set count = r.count + excluded.count`;
}

async function addToDays(tx: Tx, totals: readonly Total[]): Promise<void> {
  await tx`
    insert into daily_rollups as r (campaign_id, day, domain, kind, class, count)
    select * from unnest(
      ${totals.map((t) => t.campaignId)}::bigint[],
      ${totals.map((t) => t.parts[0] ?? '')}::text[]::date[],
      ${totals.map((t) => t.parts[1] ?? '')}::text[],
      ${totals.map((t) => t.kind)}::text[],
      ${totals.map((t) => t.parts[2] ?? '')}::text[],
      ${totals.map((t) => String(t.count))}::bigint[]
    )
    on conflict (campaign_id, day, domain, kind, class)
    do update set count = r.count + excluded.count`;
}

async function addToMinutes(tx: Tx, totals: readonly Total[]): Promise<void> {
  await tx`
    insert into minute_rollups as r (campaign_id, minute, kind, count)
    select * from unnest(
      ${totals.map((t) => t.campaignId)}::bigint[],
      ${totals.map((t) => t.parts[0] ?? '')}::text[]::timestamptz[],
      ${totals.map((t) => t.kind)}::text[],
      ${totals.map((t) => String(t.count))}::bigint[]
    )
    on conflict (campaign_id, minute, kind)
    do update set count = r.count + excluded.count`;
}

/** The provider is looked up here: a domain is counted for one provider, whoever counts it. */
async function addToProviders(tx: Tx, totals: readonly Total[]): Promise<void> {
  await tx`
    insert into provider_rollups as r (campaign_id, slot, provider, kind, class, count)
    select t.campaign_id, t.slot, coalesce(p.provider, ${OTHER_PROVIDER}) as provider, t.kind,
      t.class, sum(t.count)
    from unnest(
      ${totals.map((t) => t.campaignId)}::bigint[],
      ${totals.map((t) => t.parts[0] ?? '')}::text[]::timestamptz[],
      ${totals.map((t) => t.parts[1] ?? '')}::text[],
      ${totals.map((t) => t.kind)}::text[],
      ${totals.map((t) => t.parts[2] ?? '')}::text[],
      ${totals.map((t) => String(t.count))}::bigint[]
    ) as t (campaign_id, slot, domain, kind, class, count)
    left join domain_providers p on p.domain = t.domain
    group by 1, 2, 3, 4, 5
    order by 1, 2, 3, 4, 5
    on conflict (campaign_id, slot, provider, kind, class)
    do update set count = r.count + excluded.count`;
}
