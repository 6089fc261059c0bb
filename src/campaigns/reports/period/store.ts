/**
 * campaigns/reports/period/store — SQL of the reports over all campaigns: a row per key, with the
 * counts of a period and of the period before.
 *
 * Reads provider_rollups, which is small whatever the lists. By domain, or about one domain, it reads
 * daily_rollups, where a long list makes a row per domain: there the largest are found first, by what
 * the report is ordered by (largest.ts), and then their figures.
 * Leaves out notices, which are Volley's own mail.
 * Sums are of float8: exact to 2^53, and half the time of sums of bigint, whose state is a numeric.
 * Measured: 10 M deliveries, 1 M bounces: worst p95 of a request 85 ms (`npm run bench -- period-reports`).
 */
import type postgres from 'postgres';
import type { Db, Sql, Tx } from '../../../kernel/postgres/connect.ts';
import { OTHER_PROVIDER } from '../../../kernel/providers/provider.ts';
import { COUNTS, KIND_OF_COUNT, TOPIC_DEFINITIONS } from '../figures.ts';
import type { Count, Counts, Grouping, Topic } from '../figures.ts';
import { dayOf, periodBefore } from '../period.ts';
import type { Period } from '../period.ts';

export interface Filters {
  class: string | null;
  provider: string | null;
  domain: string | null;
  senderId: bigint | null;
  campaignId: bigint | null;
}

export interface GroupsQuery {
  topic: Topic;
  period: Period;
  groupBy: Grouping;
  filters: Filters;
}

/** Counts of the period, and `before…` those of the period before. */
export type CountsRow = Counts & { [K in Count as `before${Capitalize<K>}`]: number };
/** A class, provider, domain or time; the id of a sender or campaign in digits. */
export type GroupRow = CountsRow & { key: string };

type Fragment = postgres.Fragment;

/**
 * One snapshot for the statements of a report, each planned for its own values: the plan for any
 * values that PostgreSQL takes after five calls neither knows the days nor uses both cores (38 ms
 * became 134 ms).
 */
export async function atOneMoment<T>(sql: Sql, work: (tx: Tx) => Promise<T>): Promise<T> {
  const result = await sql.begin('isolation level repeatable read read only', async (tx) => {
    await tx`set local plan_cache_mode = force_custom_plan`;
    return { value: await work(tx) };
  });
  return result.value;
}

export interface Groups {
  totals: CountsRow;
  rows: GroupRow[];
}

/** The first `limit` keys, the largest first; times in order. */
export async function selectGroups(db: Db, query: GroupsQuery, limit: number): Promise<Groups> {
  const rows = await db<(GroupRow & { isTotal: boolean })[]>`
    ${groups(db, query, { limit, totals: true })}`;
  const totals = rows.find(({ isTotal }) => isTotal);
  if (totals === undefined) throw new Error('an aggregate over everything answers a row');
  return { totals, rows: rows.filter(({ isTotal }) => !isTotal) };
}

/** The figures of `domains`, for a report by domain. */
export async function selectDomainGroups(
  db: Db,
  query: GroupsQuery,
  domains: readonly string[],
): Promise<GroupRow[]> {
  const only = db`and r.domain = any(${domains as string[]}::text[])`;
  return await db<GroupRow[]>`${groups(db, query, { only })}`;
}

/** All keys, some hundred at a time. */
export function streamGroups(sql: Sql, query: GroupsQuery): AsyncIterable<GroupRow[]> {
  return sql<GroupRow[]>`${groups(sql, query, {})}`.cursor(500);
}

export interface DomainSum {
  domain: string;
  sum: number;
}

/** The `limit` largest domains by what the report is ordered by, of rows of at least `least`. */
export async function rankDomains(
  db: Db,
  query: GroupsQuery,
  limit: number,
  least: number,
  among: readonly string[] | null = null,
): Promise<DomainSum[]> {
  const { period, topic, filters } = query;
  return await db<DomainSum[]>`
    select r.domain, sum(r.count::float8) as sum
    from daily_rollups r ${joins(db, query)}
    where r.day >= ${dayOf(period.from)}::date and r.day < ${dayOf(period.until)}::date
      and ${orderKinds(db, topic)} and ${matching(db, query, filters)}
      ${least > 1 ? db`and r.count >= ${least}` : db``}
      ${among === null ? db`` : db`and r.domain = any(${among as string[]}::text[])`}
    group by r.domain
    order by 2 desc, r.domain
    limit ${limit}`;
}

/**
 * How many acceptances' rows a domain can have in the period: pairs of campaign and day. Of the rollups
 * by provider, which are few and found by their time: with 1,000 days of campaigns and 100,000 notices
 * in the tables a month costs 25 ms (a walk over all pairs of campaign and day: 220 ms).
 */
export async function countCampaignDays(db: Db, query: GroupsQuery): Promise<number> {
  const { from, until } = query.period;
  const filters = { ...query.filters, domain: null };
  const byProvider: GroupsQuery = { ...query, groupBy: 'provider', filters };
  const [row] = await db<{ count: number }[]>`
    select count(*)::float8 as count from (
      select distinct r.campaign_id, (r.slot at time zone 'UTC')::date
      from provider_rollups r ${joins(db, byProvider)}
      where r.slot >= ${from}::timestamptz and r.slot < ${until}::timestamptz
        and r.kind = 'delivery.accepted' and ${matching(db, byProvider, filters)}
    ) pair`;
  return row?.count ?? 0;
}

/** Whether the report has to read the rollups by domain. */
export function isByDomain({
  groupBy,
  filters,
}: Pick<GroupsQuery, 'groupBy' | 'filters'>): boolean {
  return groupBy === 'domain' || filters.domain !== null;
}

interface GroupsOptions {
  limit?: number;
  /** A first row with the sums of all keys. */
  totals?: true;
  /** A further condition on the rows. */
  only?: Fragment;
}

function groups(db: Db, query: GroupsQuery, options: GroupsOptions): Fragment {
  const { groupBy, topic, period } = query;
  const { limit, totals = false, only = db`` } = options;
  const byTime = groupBy === 'hour' || groupBy === 'day';
  // What has no class stands in every row of the report by class: rates need it.
  const spread = groupBy === 'class';
  return db`
    with counted as (${counted(db, query, only)}),
    keyed as (
      select ${byTime ? moved(db, period) : db`key`} as key, kind, before, n from counted
    ),
    pivoted as (
      select key, grouping(key) = 1 as is_total, ${pivot(db)}
      from keyed group by grouping sets ((key) ${totals ? db`, ()` : db``})
    )
    select ${textOf(db, groupBy)} as key, is_total, ${columns(db, spread)}
    from pivoted
    where is_total or ${byTime ? db`key is not null` : db`key <> ''`}
    order by is_total desc, ${byTime ? db`pivoted.key` : db`${order(db, topic)}, pivoted.key`}
    ${limit === undefined ? db`` : db`limit ${totals ? limit + 1 : limit}`}`;
}

/** key, kind, whether of the period before, and how many. */
function counted(db: Db, query: GroupsQuery, only: Fragment): Fragment {
  const { period, topic, filters } = query;
  const before = periodBefore(period);
  const kinds = TOPIC_DEFINITIONS[topic].counts.map((count) => KIND_OF_COUNT[count]);
  const table = isByDomain(query) ? db`daily_rollups` : db`provider_rollups`;
  const time = isByDomain(query) ? db`r.day` : db`r.slot`;
  const [first, from, until] = [before.from, period.from, period.until].map((at) =>
    isByDomain(query) ? db`${dayOf(at)}::date` : db`${at}::timestamptz`,
  ) as [Fragment, Fragment, Fragment];
  return db`
    select ${keyOf(db, query)} as key, r.kind, ${time} < ${from} as before, sum(r.count::float8) as n
    from ${table} r ${joins(db, query)}
    where ${time} >= ${first} and ${time} < ${until} and r.kind = any(${kinds})
      and ${matching(db, query, filters)} ${only}
    group by 1, 2, 3`;
}

function joins(db: Db, query: GroupsQuery): Fragment {
  const { groupBy, filters } = query;
  const needsSender = groupBy === 'sender' || filters.senderId !== null;
  const needsProvider = isByDomain(query) && (groupBy === 'provider' || filters.provider !== null);
  return db`
    ${needsSender ? db`left join campaigns c on c.id = r.campaign_id` : db``}
    ${needsProvider ? db`left join domain_providers p on p.domain = r.domain` : db``}`;
}

function matching(db: Db, query: GroupsQuery, filters: Filters): Fragment {
  const { class: name, provider, domain, senderId, campaignId } = filters;
  const isProvider = isByDomain(query)
    ? db`coalesce(p.provider, ${OTHER_PROVIDER}) = ${provider}`
    : db`r.provider = ${provider}`;
  return db`
    not exists (select 1 from campaigns n where n.id = r.campaign_id and n.purpose = 'notice')
    ${name === null ? db`` : db`and (r.class = ${name} or r.kind = 'delivery.accepted')`}
    ${provider === null ? db`` : db`and ${isProvider}`}
    ${domain === null ? db`` : db`and r.domain = ${domain}`}
    ${senderId === null ? db`` : db`and c.sender_id = ${senderId}`}
    ${campaignId === null ? db`` : db`and r.campaign_id = ${campaignId}`}`;
}

/** Text; the begin of an hour or day. */
function keyOf(db: Db, query: GroupsQuery): Fragment {
  const { groupBy } = query;
  switch (groupBy) {
    case 'class':
      return db`r.class`;
    case 'provider':
      return isByDomain(query) ? db`coalesce(p.provider, ${OTHER_PROVIDER})` : db`r.provider`;
    case 'domain':
      return db`r.domain`;
    case 'sender':
      return db`c.sender_id::text`;
    case 'campaign':
      return db`nullif(r.campaign_id, 0)::text`;
    case 'hour':
      return db`date_bin('1 hour', r.slot, '2000-01-01T00:00:00Z')`;
    case 'day':
      return isByDomain(query)
        ? db`r.day::timestamp at time zone 'UTC'`
        : db`date_bin('1 day', r.slot, '2000-01-01T00:00:00Z')`;
  }
}

/** A time of the period before becomes the one that it is compared with. */
function moved(db: Db, { from, until }: Period): Fragment {
  const seconds = (until.getTime() - from.getTime()) / 1_000;
  return db`case when before then key + make_interval(secs => ${seconds}) else key end`;
}

function textOf(db: Db, groupBy: Grouping): Fragment {
  if (groupBy === 'hour') {
    return db`to_char(pivoted.key at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
  }
  return groupBy === 'day' ? db`to_char(pivoted.key at time zone 'UTC', 'YYYY-MM-DD')` : db`key`;
}

/** The kinds that a report is ordered by, in words that the partial index daily_rollups_wrong knows. */
function orderKinds(db: Db, topic: Topic): Fragment {
  switch (topic) {
    case 'bounces':
      return db`r.kind in ('delivery.bounced', 'bounce.late')`;
    case 'complaints':
      return db`r.kind = 'feedback.complaint'`;
    case 'suppressions':
      return db`r.kind = 'suppression.added'`;
    case 'domains':
      return db`r.kind = 'delivery.accepted'`;
  }
}

function order(db: Db, topic: Topic): Fragment {
  switch (topic) {
    case 'bounces':
      return db`bounced + bounced_late desc, before_bounced + before_bounced_late desc`;
    case 'complaints':
      return db`complained desc, before_complained desc`;
    case 'suppressions':
      return db`added desc, before_added desc`;
    case 'domains':
      return db`delivered desc, before_delivered desc`;
  }
}

/** A column for each count and for each count before. */
function pivot(db: Db): Fragment {
  const sum = (count: Count, before: Fragment): Fragment =>
    db`coalesce(sum(n) filter (where kind = ${KIND_OF_COUNT[count]} and ${before}), 0)`;
  return list(
    db,
    COUNTS.flatMap((count) => [
      db`${sum(count, db`not before`)} as ${db(snake(count))}`,
      db`${sum(count, db`before`)} as ${db(`before_${snake(count)}`)}`,
    ]),
  );
}

function columns(db: Db, spread: boolean): Fragment {
  const accepted = (before: Fragment): Fragment => db`(
    select coalesce(sum(n), 0) from counted
    where kind = 'delivery.accepted' and ${before})`;
  return list(
    db,
    COUNTS.flatMap((count) => {
      const [now, before] = [db(snake(count)), db(`before_${snake(count)}`)];
      if (!spread || count !== 'delivered') return [db`${now}`, db`${before}`];
      return [db`${accepted(db`not before`)} as ${now}`, db`${accepted(db`before`)} as ${before}`];
    }),
  );
}

function list(db: Db, items: readonly Fragment[]): Fragment {
  return items.reduce((all, item) => db`${all}, ${item}`);
}

function snake(count: Count): string {
  return count.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** By id in digits: a sender's address, a campaign's name. */
export async function selectNames(
  db: Db,
  of: 'sender' | 'campaign',
  ids: readonly bigint[],
): Promise<Map<string, string>> {
  const [table, name] = of === 'sender' ? ['senders', 'from_address'] : ['campaigns', 'name'];
  const rows = await db<{ id: bigint; name: string }[]>`
    select id, ${db(name)} as name from ${db(table)}
    where id = any(${ids.map(String)}::bigint[])`;
  return new Map(rows.map((row) => [String(row.id), row.name]));
}
