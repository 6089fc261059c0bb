/**
 * bench/soak — full rate for a time (--seconds, in full 1200): does the rate fall, does memory grow?
 *
 * Windows of a tenth of the time; drift compares the last three with the three after the first.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { figure, perSecond, sample } from '../harness/bench.ts';
import type { Bench, Prepared, Sample } from '../harness/bench.ts';
import { startEngineProcess } from '../harness/engine.ts';
import { stopAndCount } from '../harness/final-count.ts';
import { fillCampaign, fillPending, keepKeys } from '../harness/fill.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchDatabase } from '../harness/postgres.ts';
import { spread } from '../harness/rounds.ts';
import type { Settings } from '../harness/settings.ts';
import { startSink } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';

const SECONDS = 30;
const WINDOWS = 10;
/** More than can be sent in a second of the time. */
const ROWS_A_SECOND = 14_000;

export const soak: Bench = {
  name: 'soak',
  measures: 'a campaign that does not end, at full rate: rate and memory over time',
  headline: perSecond('messages'),
  variants: (settings) => [{ ...settings, rounds: 1, dkim: settings.dkim ?? 'none' }],
  describe: ({ seconds, dkim }) => ({ seconds: seconds ?? SECONDS, dkim: dkim ?? 'none' }),
  prepare,
  bars: (result) => [
    {
      what: 'fall of the rate, %',
      want: 5,
      better: 'lower',
      got: figure(result, 'rateFallPercent'),
    },
    {
      what: 'growth of RSS, %',
      want: 10,
      better: 'lower',
      got: figure(result, 'rssGrowthPercent'),
    },
  ],
};

async function prepare(settings: Settings): Promise<Prepared> {
  const seconds = settings.seconds ?? SECONDS;
  const n = settings.n ?? seconds * ROWS_A_SECOND;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  const filled = await fillCampaign(database.sql, {
    n,
    state: 'sending',
    sizeBytes: settings.sizeBytes,
    // Were one of them larger, the end would be its own connections' rate and no drift.
    evenDomains: 50,
  });
  await keepKeys(database.sql, settings.dkim);
  await fillPending(database.sql, filled);
  const sink = await startSink({ kind: settings.sink });
  stack.onRelease('sink', () => sink.stop());
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => run(database, sink, seconds) }],
    notes: [`receiver: ${sink.name}`],
    close: () => stack.release(),
  };
}

async function run(database: BenchDatabase, sink: Sink, seconds: number): Promise<Sample> {
  const engine = await startEngineProcess({
    databaseUrl: database.url,
    sinkPort: sink.port,
    profiled: true,
  });
  const rates: number[] = [];
  const memory: number[] = [];
  const beganMs = performance.now();
  const cpuBefore = engine.cpuSeconds() ?? 0;
  const first = await sink.messages();
  let messages = first;
  let windowMs = beganMs;
  for (let window = 0; window < WINDOWS; window += 1) {
    await sleep((seconds * 1_000) / WINDOWS);
    const now = await sink.messages();
    const nowMs = performance.now();
    rates.push(((now - messages) * 1_000) / (nowMs - windowMs));
    memory.push(engine.rssBytes() ?? 0);
    messages = now;
    windowMs = nowMs;
  }
  const cpuSeconds = (engine.cpuSeconds() ?? 0) - cpuBefore;
  const peakRssBytes = engine.peakRssBytes();
  const faults = await stopAndCount(engine, database, sink);
  return sample(messages - first, (windowMs - beganMs) / 1_000, {
    cpuSeconds,
    peakRssBytes,
    figures: {
      rateFallPercent: -growthPercent(rates),
      rssGrowthPercent: growthPercent(memory),
      rssEndMb: Math.round((memory.at(-1) ?? 0) / 1e6),
    },
    faults,
  });
}

function growthPercent(values: readonly number[]): number {
  const early = spread(values.slice(1, 4)).median;
  return early === 0 ? 0 : ((spread(values.slice(-3)).median - early) / early) * 100;
}
