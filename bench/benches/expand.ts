/**
 * bench/expand — recipients become deliveries and batches; the limit is one bare INSERT .. SELECT.
 */
import { systemClock } from '../../src/kernel/clock.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { CHUNK_SIZE, expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { perSecond, sample } from '../harness/bench.ts';
import type { Bench, Contender, Prepared } from '../harness/bench.ts';
import { fillCampaign } from '../harness/fill.ts';
import type { Filled } from '../harness/fill.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchDatabase, BenchServer } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { cpuFigure, measureShared, usedBetween } from '../harness/usage.ts';

const ROWS = 300_000;
const FULL = 1_000_000;

export const expandBench: Bench = {
  name: 'expand',
  measures: 'recipients expanded into deliveries and per-domain batches',
  headline: perSecond('recipients'),
  variants: (settings) => [settings],
  describe: ({ n }) => ({ recipients: n ?? ROWS }),
  prepare,
  bars: (result) => {
    const rate = result.contenders.find(({ role }) => role === 'volley')?.headline.median;
    const seconds = rate === undefined || rate === 0 ? null : FULL / rate;
    return [{ what: 'seconds for 1 M recipients', want: 12, better: 'lower', got: seconds }];
  },
};

async function prepare(settings: Settings): Promise<Prepared> {
  const n = settings.n ?? ROWS;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const source = await server.create();
  stack.onRelease('recipients', () => source.drop());
  const filled = await fillCampaign(source.sql, { n, state: 'draft', sizeBytes: 2_048 });
  await source.sql`vacuum analyze recipients`;
  await source.disconnect();
  const copy = async (): Promise<BenchDatabase> => server.create(source.name);
  return {
    contenders: [volley(server, copy, filled), bareInsert(copy, n)],
    notes: [],
    close: () => stack.release(),
  };
}

function volley(
  server: BenchServer,
  copy: () => Promise<BenchDatabase>,
  { campaignId, n }: Filled,
): Contender {
  return {
    name: 'Volley',
    role: 'volley',
    async run() {
      const database = await copy();
      const { sql } = database;
      await sql`update campaigns set state = 'expanding' where id = ${campaignId}`;
      const databaseBefore = server.cpuSeconds();
      const deps = { sql, clock: systemClock, batchSize: 100, chunkSize: CHUNK_SIZE };
      const taken = await measureShared(async () => {
        await expandCampaign(deps, campaignId);
        return n;
      });
      const databaseSeconds = usedBetween(databaseBefore, server.cpuSeconds());
      const figures = cpuFigure('databaseCpuUs', databaseSeconds, n);
      const [found] = await sql<{ deliveries: number; owned: number }[]>`
        select (select count(*)::int from deliveries where state = 'pending') as deliveries,
          (select sum(last_delivery_id - first_delivery_id + 1)::int from batches) as owned`;
      await database.drop();
      const exact = found?.deliveries === n && found.owned === n;
      const faults = exact
        ? []
        : [`${found?.deliveries ?? 0} deliveries, ${found?.owned ?? 0} in batches`];
      return sample(n, taken.seconds, { ...taken, figures, faults });
    },
  };
}

function bareInsert(copy: () => Promise<BenchDatabase>, n: number): Contender {
  return {
    name: 'bare INSERT .. SELECT',
    role: 'limit',
    async run() {
      const database = await copy();
      const beganMs = performance.now();
      await database.sql`
        insert into deliveries (id, campaign_id, recipient_id, state)
        select row_number() over (order by domain, id), campaign_id, id, 'pending' from recipients`;
      const seconds = (performance.now() - beganMs) / 1_000;
      await database.drop();
      return sample(n, seconds);
    },
  };
}
