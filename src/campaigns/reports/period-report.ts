/**
 * campaigns/reports/period-report — bounces, complaints, suppressions and domains of all campaigns in
 * a period, beside the period before.
 *
 * Promises: figures from rollups only, so a report costs the same whatever the lists. `read` answers
 *           at most `limit` rows, the largest first (hours and days in order), and the totals of all;
 *           `stream` answers every row. A key that is only in the period before has zeros now; by
 *           domain it is left out of `read`.
 * Never:    counts Volley's own notices.
 * Fails:    `invalid_request` with the parameter.
 * See:      figures.ts (columns and rates), period/store.ts (SQL), docs/reports.md.
 */
import { invalidValue } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import type { Tx } from '../../kernel/postgres/connect.ts';
import type { CampaignDeps } from '../deps.ts';
import { COUNTS, NOTHING, TOPIC_DEFINITIONS } from './figures.ts';
import type { Counts, Grouping, Topic } from './figures.ts';
import { daysOf, MAX_HOURLY_DAYS, periodBefore } from './period.ts';
import type { Period } from './period.ts';
import { largestDomains } from './period/largest.ts';
import {
  atOneMoment,
  isByDomain,
  selectDomainGroups,
  selectGroups,
  selectNames,
  streamGroups,
} from './period/store.ts';
import type { CountsRow, GroupRow, Groups, GroupsQuery } from './period/store.ts';

export type { Filters } from './period/store.ts';
export type PeriodQuery = GroupsQuery;

/** Which groupings make sense for which report. */
export const GROUPINGS_OF: Record<Topic, readonly Grouping[]> = {
  bounces: ['class', 'provider', 'domain', 'sender', 'campaign', 'hour', 'day'],
  complaints: ['provider', 'domain', 'sender', 'campaign', 'hour', 'day'],
  suppressions: ['class', 'provider', 'domain', 'sender', 'campaign', 'hour', 'day'],
  domains: ['domain', 'provider', 'sender', 'campaign', 'hour', 'day'],
};

export type Figures = Record<string, number | null>;

export interface PeriodReportRow {
  /** A class, provider, domain or time, or the public id of a sender or campaign. */
  key: string;
  /** Of a sender (its address) or campaign. */
  name: string | null;
  figures: Figures;
  before: Figures;
}

export interface PeriodReport {
  period: Period;
  before: Period;
  totals: { figures: Figures; before: Figures };
  rows: PeriodReportRow[];
  /** There are more keys than rows. */
  hasMore: boolean;
}

type Deps = Pick<CampaignDeps, 'sql'>;

export async function readPeriodReport(
  deps: Deps,
  query: PeriodQuery,
  limit: number,
): Promise<PeriodReport> {
  check(query);
  const found = await atOneMoment(deps.sql, (tx) => findGroups(tx, query, limit + 1));
  return {
    period: query.period,
    before: periodBefore(query.period),
    totals: figuresOf(query.topic, found.totals),
    rows: await present(deps, query, found.rows.slice(0, limit)),
    hasMore: found.rows.length > limit,
  };
}

async function findGroups(tx: Tx, query: PeriodQuery, limit: number): Promise<Groups> {
  if (query.groupBy !== 'domain') return await selectGroups(tx, query, limit);
  const names = await largestDomains(tx, query, limit);
  const rows = await selectDomainGroups(tx, query, names);
  // The totals of a report by domain are those by provider, which are fewer rows.
  const { totals } = await selectGroups(tx, { ...query, groupBy: 'provider' }, 1);
  return { totals, rows };
}

/** Throws what is wrong with the query at once, not at the first row. */
export function streamPeriodReport(
  deps: Deps,
  query: PeriodQuery,
): AsyncIterable<PeriodReportRow[]> {
  check(query);
  return stream(deps, query);
}

async function* stream(deps: Deps, query: PeriodQuery): AsyncGenerator<PeriodReportRow[]> {
  for await (const rows of streamGroups(deps.sql, query)) yield await present(deps, query, rows);
}

function check(query: PeriodQuery): void {
  const { topic, groupBy, period, filters } = query;
  const allowed = GROUPINGS_OF[topic];
  if (!allowed.includes(groupBy)) {
    throw invalidValue('group_by', `must be one of ${allowed.join(', ')}`);
  }
  if (filters.class !== null && !allowed.includes('class')) {
    throw invalidValue('class', `${topic} have no class`);
  }
  if (groupBy !== 'hour') return;
  if (isByDomain(query)) {
    throw invalidValue('group_by', 'a single domain is counted by day, not by hour');
  }
  if (daysOf(period) > MAX_HOURLY_DAYS) {
    throw invalidValue('to', `by hour a report covers at most ${MAX_HOURLY_DAYS} days`);
  }
}

async function present(
  deps: Deps,
  { topic, groupBy }: PeriodQuery,
  rows: readonly GroupRow[],
): Promise<PeriodReportRow[]> {
  if (groupBy !== 'sender' && groupBy !== 'campaign') {
    return rows.map((row) => ({ key: row.key, name: null, ...figuresOf(topic, row) }));
  }
  const ids = rows.map((row) => BigInt(row.key));
  const names = await selectNames(deps.sql, groupBy, ids);
  return rows.map((row) => ({
    key: formatId(groupBy === 'sender' ? 'snd' : 'cmp', BigInt(row.key)),
    name: names.get(row.key) ?? null,
    ...figuresOf(topic, row),
  }));
}

function figuresOf(topic: Topic, row: CountsRow): { figures: Figures; before: Figures } {
  const { figures } = TOPIC_DEFINITIONS[topic];
  const before: Counts = { ...NOTHING };
  for (const count of COUNTS) before[count] = row[beforeName(count)];
  return { figures: figures(row), before: figures(before) };
}

function beforeName<T extends string>(name: T): `before${Capitalize<T>}` {
  return `before${name.slice(0, 1).toUpperCase()}${name.slice(1)}` as `before${Capitalize<T>}`;
}
