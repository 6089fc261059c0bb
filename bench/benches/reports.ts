/** bench/reports — what an operator looks at while a large campaign is under way: p95 of each request. */
import { formatId } from '../../src/kernel/ids.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import type { Bench, Prepared } from '../harness/bench.ts';
import { startEngineProcess } from '../harness/engine.ts';
import { fillCampaign, fillPending, smallDomain, smallDomainsOf } from '../harness/fill.ts';
import type { Filled } from '../harness/fill.ts';
import { startPostgres } from '../harness/postgres.ts';
import { askAll, day } from '../harness/requests.ts';
import type { Settings } from '../harness/settings.ts';

const DELIVERIES = 1_000_000;
const REQUESTS = 40;

export const reports: Bench = {
  name: 'reports',
  measures: 'GET requests of reports and lists over a finished campaign, worst p95',
  headline: {
    unit: 'ms',
    better: 'lower',
    of: ({ figures }) => Math.max(...Object.values(figures)),
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

/** Final states, events and rollups, as the recorder would have left them. */
async function finish(sql: Sql, { campaignId, n }: Filled): Promise<void> {
  await sql`
    update deliveries set state = (case when id % 50 = 0 then 'bounced' else 'accepted' end)::delivery_state,
      class = case when id % 50 = 0 then 'bad_mailbox' end, attempts = 1`;
  await sql`
    insert into events (at, kind, campaign_id, delivery_id, class, rule, attempt, stage, mx_host, reply_code, reply_text)
    select now() - interval '1 hour' + id * interval '3 hours' / ${n}, 
      'delivery.' || state, campaign_id, id, class, case when class is not null then 'enhanced:5.1.1' end, 1,
      'dot', 'mx.example', 250, 'Ok' from deliveries`;
  await sql`
    insert into daily_rollups (campaign_id, day, domain, kind, class, count)
    select ${campaignId}, e.at::date, r.domain, e.kind, coalesce(e.class, ''), count(*)
    from events e join recipients r on r.id = e.delivery_id group by 2, 3, 4, 5`;
  await sql`
    insert into minute_rollups (campaign_id, minute, kind, count)
    select ${campaignId}, date_trunc('minute', at), kind, count(*) from events group by 2, 3`;
  await sql`update batches set state = 'done'`;
  await sql`update campaigns set state = 'completed', finished_at = now() where id = ${campaignId}`;
  await sql`vacuum analyze`;
}

async function prepare(settings: Settings): Promise<Prepared> {
  const n = settings.n ?? DELIVERIES;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  const filled = await fillCampaign(database.sql, { n, state: 'completed', sizeBytes: 2_048 });
  await fillPending(database.sql, filled);
  await finish(database.sql, filled);
  const engine = await startEngineProcess({
    databaseUrl: database.url,
    sinkPort: 9,
    profiled: true,
  });
  stack.onRelease('engine', () => engine.stop());
  const base = `/v1/campaigns/${formatId('cmp', filled.campaignId)}`;
  const middle = formatId('dlv', BigInt(Math.floor(n / 2)));
  const paths: Record<string, string> = {
    campaign: base,
    report: `${base}/report`,
    bounces: `/v1/reports/bounces?from=${day(-2)}&to=${day(1)}&group_by=domain`,
    deliveries: `${base}/deliveries?limit=100`,
    ofDomain: `${base}/deliveries?domain=${smallDomain(smallDomainsOf(n) - 1)}&limit=100`,
    delivery: `/v1/deliveries/${middle}`,
    bounced: `${base}/deliveries?state=bounced&limit=100&after=${middle}`,
  };
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => askAll(engine, paths, REQUESTS) }],
    notes: [],
    close: () => stack.release(),
  };
}
