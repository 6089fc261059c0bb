/**
 * bench/period-reports — the reports over all campaigns: p95 of each request.
 *
 * Rollups as 10 M deliveries and 1 M bounces leave them: sixty campaigns in thirty days, nine tenths
 * of the recipients at twenty large domains, the others spread over 60,000 small ones. Only the
 * rollups are filled: the reports read nothing else.
 */
import { formatId } from '../../src/kernel/ids.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import type { Bench, Prepared } from '../harness/bench.ts';
import { startEngineProcess } from '../harness/engine.ts';
import { startPostgres } from '../harness/postgres.ts';
import { askAll, day } from '../harness/requests.ts';
import type { Settings } from '../harness/settings.ts';

const DELIVERIES = 10_000_000;
const CAMPAIGNS = 60;
const DAYS = 30;
const REQUESTS = 20;
const BIG = ['qq.com', '163.com', 'gmail.com', 'outlook.com', 'naver.com', 'yahoo.com', 'sina.com'];

export const periodReports: Bench = {
  name: 'period-reports',
  measures: 'GET requests of the reports over all campaigns, worst p95',
  headline: {
    unit: 'ms',
    better: 'lower',
    of: ({ figures }) =>
      Math.max(...Object.entries(figures).map(([name, ms]) => (name.endsWith('P95Ms') ? ms : 0))),
  },
  variants: (settings) => [settings],
  describe: ({ n }) => ({ deliveries: n ?? DELIVERIES }),
  prepare,
  bars: (result) => [
    {
      what: 'worst p95 of a request, ms',
      want: 200,
      better: 'lower',
      got: result.contenders[0]?.headline.median ?? null,
    },
  ],
};

/** Campaign c of two a day: day and domains; every figure is derived from numbers, so runs are alike. */
async function fill(sql: Sql, n: number): Promise<void> {
  await sql`
    insert into senders (from_address, display_name, domain, bounce_domain)
    select 'news@s' || i || '.example', 'S', 's' || i || '.example', 'b.s' || i || '.example'
    from generate_series(1, 3) i`;
  await sql`
    insert into contents (subject, format, source, html, text, variables)
    values ('s', 'html', '', '', '', '{}')`;
  await sql`
    insert into campaigns (name, sender_id, content_id, stream, mode, ttl_seconds, ambiguity_policy, state)
    select 'Campaign ' || i, 1 + i % 3, 1, 'marketing', 'parallel', 86400, 'hold', 'completed'
    from generate_series(1, ${CAMPAIGNS}::int) i`;
  await fillDays(sql, n / CAMPAIGNS);
  await fillSlots(sql);
  await sql`vacuum analyze`;
}

async function fillDays(sql: Sql, perCampaign: number): Promise<void> {
  await sql`
    with sizes as (
      select c, current_date - 1 - (c / 2)::int % ${DAYS} as day, d, n
      from generate_series(1, ${CAMPAIGNS}::int) c
      cross join lateral (
        select d, greatest(1, (${perCampaign} * 0.9 * (20 - d) / 210)::int) as n
        from generate_series(0, 19) d
        union all
        -- A tenth of the recipients: domain k of 60,000 gets a share of about 1/k (Zipf).
        select d, count(*) from (
          select 19 + power(60000, random())::int as d
          from generate_series(1, (${perCampaign} * 0.1)::int) where c > 0
        ) draw group by d
      ) d
    ), named as (
      select *, case when d < 7 then (${BIG}::text[])[d + 1] else 'd' || d || '.example' end as domain
      from sizes
    )
    insert into daily_rollups (campaign_id, day, domain, kind, class, count)
    select c, day, domain, 'delivery.accepted', '', greatest(1, n * 9 / 10) from named
    union all
    select c, day, domain, 'delivery.bounced', class, greatest(1, n / 40) from named
    cross join lateral (values ('bad_mailbox'), ('inactive'), ('full')) k (class)
    where d < 20 or (d + c + length(class)) % 17 = 0
    union all
    select c, day, domain, 'bounce.late', 'bad_mailbox', greatest(1, n / 100) from named
    where d < 20 or (d + c) % 40 = 0
    union all
    select c, day, domain, 'delivery.deferred', 'greylisted', greatest(1, n / 10) from named
    where d < 20 or (d + c) % 5 = 0
    union all
    select c, day, domain, 'feedback.complaint', '', greatest(1, n / 2000) from named where d < 20
    union all
    select c, day, domain, 'suppression.added', 'hard_bounce', greatest(1, n / 50) from named
    where d < 20 or (d + c) % 20 = 0`;
}

/** Each campaign sends for six hours. */
async function fillSlots(sql: Sql): Promise<void> {
  await sql`
    insert into provider_rollups (campaign_id, slot, provider, kind, class, count)
    select campaign_id, day::timestamptz + interval '8 hours' + s * interval '15 minutes',
      coalesce(p.provider, 'other'), kind, class, 1 + sum(count) / 24
    from daily_rollups r left join domain_providers p using (domain)
    cross join generate_series(0, 23) s
    group by 1, 2, 3, 4, 5`;
}

async function prepare(settings: Settings): Promise<Prepared> {
  const n = settings.n ?? DELIVERIES;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  await fill(database.sql, n);
  const [size] = await database.sql<{ days: number; slots: number }[]>`
    select (select count(*) from daily_rollups)::int as days,
      (select count(*) from provider_rollups)::int as slots`;
  const engine = await startEngineProcess({
    databaseUrl: database.url,
    sinkPort: 9,
    profiled: true,
  });
  stack.onRelease('engine', () => engine.stop());
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => askAll(engine, paths(), REQUESTS) }],
    notes: [`${size?.days} rows by domain, ${size?.slots} rows by provider`],
    close: () => stack.release(),
  };
}

function paths(): Record<string, string> {
  const month = `from=${day(-DAYS)}&to=${day(0)}`;
  const week = `from=${day(-7)}&to=${day(-1)}`;
  const of = (topic: string, query: string): string => `/v1/reports/${topic}?${query}`;
  return {
    bouncesByClass: of('bounces', month),
    bouncesByProvider: of('bounces', `${month}&group_by=provider`),
    bouncesByDomain: of('bounces', `${month}&group_by=domain`),
    bouncesBySender: of('bounces', `${month}&group_by=sender`),
    bouncesByCampaign: of('bounces', `${month}&group_by=campaign`),
    bouncesByHour: of('bounces', `${week}&group_by=hour&limit=1000`),
    bouncesByDay: of('bounces', `${month}&group_by=day`),
    bouncesAtOne: of('bounces', `${month}&group_by=class&provider=qq`),
    bouncesOfDomain: of('bounces', `${month}&group_by=day&domain=qq.com`),
    bouncesOfCampaign: of('bounces', `${month}&group_by=domain&campaign_id=${formatId('cmp', 7n)}`),
    complaintsByDomain: of('complaints', `${month}&group_by=domain`),
    complaintsByProvider: of('complaints', month),
    suppressionsByDomain: of('suppressions', `${month}&group_by=domain`),
    suppressionsByReason: of('suppressions', month),
    domainsWeek: of('domains', week),
    domainsMonth: of('domains', month),
    domainsByProvider: of('domains', `${month}&group_by=provider`),
  };
}
