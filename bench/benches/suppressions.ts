/**
 * bench/suppressions — the suppression list at size: import, check, add, export, expansion.
 *
 * `--n` entries stand in the list before each run. A tenth of it is imported through the API (one row
 * in fifty wrong, one in ten known already) and is what a campaign is expanded for; a tenth of its
 * recipients are on the list. Import, check and export are requests to a whole engine, a process of its
 * own, whose memory is measured; the expansion runs here, as in bench/expand.
 */
import { systemClock } from '../../src/kernel/clock.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { addSuppressions } from '../../src/bounce/suppressions/store.ts';
import { CHUNK_SIZE, expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { figure, perSecond, sample } from '../harness/bench.ts';
import type { Bench, Prepared, Sample } from '../harness/bench.ts';
import { startEngineProcess } from '../harness/engine.ts';
import { fillCampaign } from '../harness/fill.ts';
import type { Filled } from '../harness/fill.ts';
import { fillSuppressions, knownAddress } from '../harness/fill-suppressions.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchDatabase, BenchServer } from '../harness/postgres.ts';
import { quantile } from '../harness/rounds.ts';
import type { Settings } from '../harness/settings.ts';
import { SuppressionFiles } from '../harness/suppression-files.ts';
import { cpuFigure, measureShared, usedBetween } from '../harness/usage.ts';

const ENTRIES = 500_000;
const MILLION = 1_000_000;
const CHECKS = 40;
/** Before them, not counted: a process that has just started compiles. */
const WARM_UPS = 10;

export const suppressions: Bench = {
  name: 'suppressions',
  measures:
    'addresses imported into a long suppression list; check, add, export, expansion beside it',
  headline: perSecond('addresses'),
  variants: (settings) => [settings],
  describe: ({ n }) => ({ entries: n ?? ENTRIES }),
  prepare,
  bars: (result) => {
    const rate = result.contenders.find(({ role }) => role === 'volley')?.headline.median;
    const importSeconds = rate === undefined || rate === 0 ? null : MILLION / rate;
    const bar = (what: string, want: number, got: number | null) =>
      ({ what, want, better: 'lower', got }) as const;
    return [
      bar('check of 1,000 addresses, p95 of 40, ms', 50, figure(result, 'check1000P95Ms')),
      bar('import of 1 M rows, seconds', 30, importSeconds),
      bar('expansion of 1 M recipients, seconds', 40, figure(result, 'expand1MSeconds')),
      // Our own figure for "streamed": the file is 1.1 GB with ten million entries; held anywhere it
      // would be several times that.
      bar('growth of RSS while all is exported, MB', 300, figure(result, 'exportRssGrowthMb')),
    ];
  },
};

interface Filling {
  name: string;
  entries: number;
  campaign: Filled;
}

async function prepare(settings: Settings): Promise<Prepared> {
  const entries = settings.n ?? ENTRIES;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const source = await server.create();
  stack.onRelease('filled database', () => source.drop());
  const n = Math.ceil(entries / 10);
  const campaign = await fillCampaign(source.sql, { n, state: 'draft', sizeBytes: 2_048 });
  await fillSuppressions(source.sql, entries);
  await source.disconnect();
  const filling = { name: source.name, entries, campaign };
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => run(server, filling) }],
    notes: [],
    close: () => stack.release(),
  };
}

async function run(server: BenchServer, filling: Filling): Promise<Sample> {
  const database = await server.create(filling.name);
  const served = await measureServed(server, database, filling);
  const add500Ms = await timedMs(() => database.sql.begin((tx) => addSuppressions(tx, newRows())));
  const expanded = await measureExpansion(database, filling);
  await database.drop();
  return {
    ...served,
    figures: { ...served.figures, add500Ms, ...expanded.figures },
    faults: [...served.faults, ...expanded.faults],
  };
}

/** What the API answers: check, import and its rejects, export. */
async function measureServed(
  server: BenchServer,
  database: BenchDatabase,
  { entries }: Filling,
): Promise<Sample> {
  const engine = await startEngineProcess({
    databaseUrl: database.url,
    sinkPort: 9,
    profiled: true,
  });
  try {
    const files = new SuppressionFiles(engine, entries);
    const checksMs = await timeChecks(files, entries);
    const cpuBefore = engine.cpuSeconds();
    const databaseBefore = server.cpuSeconds();
    const imported = await files.import();
    const databaseSeconds = usedBetween(databaseBefore, server.cpuSeconds());
    const cpuSeconds = usedBetween(cpuBefore, engine.cpuSeconds());
    const rejectsMs = await timedMs(() => files.readRejects());
    const exported = await files.export();
    return sample(imported.rows, imported.seconds, {
      cpuSeconds,
      peakRssBytes: engine.peakRssBytes(),
      figures: {
        check1000Ms: quantile(checksMs, 0.5),
        check1000P95Ms: quantile(checksMs, 0.95),
        ...cpuFigure('importDatabaseCpuUs', databaseSeconds, imported.rows),
        rejectsMs,
        exportRows: exported.rows,
        exportSeconds: exported.seconds,
        ...(exported.rssGrowthBytes === null
          ? {}
          : { exportRssGrowthMb: exported.rssGrowthBytes / 1e6 }),
      },
      faults: files.faults,
    });
  } finally {
    await engine.stop();
  }
}

/** Other addresses each time: those of before are in the cache. */
async function timeChecks(files: SuppressionFiles, entries: number): Promise<number[]> {
  const timesMs: number[] = [];
  for (let round = 0; round < WARM_UPS + CHECKS; round += 1) {
    const asked = Array.from({ length: 1_000 }, (_, i) =>
      i % 2 === 0
        ? knownAddress(((round * 1_000 + i) * 7_919) % entries)
        : `nobody${round}.${i}@x.example`,
    );
    const tookMs = await timedMs(() => files.check(asked, 500));
    if (round >= WARM_UPS) timesMs.push(tookMs);
  }
  return timesMs;
}

async function measureExpansion(
  { sql }: BenchDatabase,
  { campaign: { campaignId, n } }: Filling,
): Promise<Pick<Sample, 'figures' | 'faults'>> {
  await sql`update campaigns set state = 'expanding' where id = ${campaignId}`;
  const deps = { sql, clock: systemClock, batchSize: 100, chunkSize: CHUNK_SIZE };
  const taken = await measureShared(async () => {
    await expandCampaign(deps, campaignId);
    return n;
  });
  const [found] = await sql<{ pending: number; suppressed: number }[]>`
    select count(*) filter (where state = 'pending')::int as pending,
      count(*) filter (where state = 'suppressed')::int as suppressed
    from deliveries`;
  const wanted = Math.floor(n / 10);
  const { pending = 0, suppressed = 0 } = found ?? {};
  const exact = suppressed === wanted && pending === n - wanted;
  return {
    figures: { expand1MSeconds: (taken.seconds * MILLION) / n },
    faults: exact ? [] : [`${pending} pending and ${suppressed} suppressed of ${n} recipients`],
  };
}

async function timedMs(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

function newRows(): Parameters<typeof addSuppressions>[1] {
  return Array.from({ length: 500 }, (_, i) => ({
    addressKey: `new${i}@x.example`,
    reason: 'hard_bounce',
    origin: 'system',
    evidence: '550 5.1.1 no such user',
    campaignId: 1n,
    deliveryId: BigInt(i),
    expiresAt: null,
  }));
}
