/**
 * kernel/rollups/store — the counts that the balance and the reports read.
 *
 * Promises: counts are added in the transaction of the events they count, so the two agree after any
 *           crash. Rows are summed first and written in key order, daily before minute, so two
 *           writers never wait for each other in a circle.
 * Callers:  call it last in the transaction, and once. The rows of the running minute are hot: a lock
 *           on them is held until the commit, and everybody who takes them last cannot deadlock.
 * See:      drizzle/schema.ts dailyRollups, minuteRollups; src/campaigns/reports.ts reads.
 */
import type { EventKind } from '../events.ts';
import type { Db } from '../postgres/connect.ts';

export interface RollupRow {
  campaignId: bigint;
  at: Date;
  /** Destination domain. */
  domain: string;
  kind: EventKind;
  /** Bounce class; empty when the kind has none. */
  class: string;
  count: number;
}

/** Adds `rows` to both tables. Days and minutes are UTC. */
export async function addToRollups(db: Db, rows: readonly RollupRow[]): Promise<void> {
  if (rows.length === 0) return;
  await addToDays(
    db,
    sum(rows, (row) => [row.at.toISOString().slice(0, 10), row.domain, row.class]),
  );
  await addToMinutes(
    db,
    sum(rows, (row) => [`${row.at.toISOString().slice(0, 16)}Z`]),
  );
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

async function addToDays(db: Db, totals: readonly Total[]): Promise<void> {
  await db`
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

async function addToMinutes(db: Db, totals: readonly Total[]): Promise<void> {
  await db`
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
