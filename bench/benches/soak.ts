/**
 * bench/soak — full rate for a time (--seconds, in full 1200): does the rate drift, does memory?
 *
 * Promises: a window in which nothing was sent is a fault, and so is anything that was not accepted.
 *
 * Ten windows of equal length. The first one is warm-up, and the drift leaves it out (the rate and the
 * peak of memory are of the whole time): Node compiles, PostgreSQL reads its pages, connections open, and their limits
 * grow; none of that is what a drift is asked for, which is what time does to an engine at work. Drift is
 * the median of the last three windows against that of the three after the first. It is judged in
 * both directions: a rate that rises by a tenth means that the one it began with was not the full one,
 * so that this run is no proof that it would not fall again. The sign stays in the figure.
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
import { usedBetween } from '../harness/usage.ts';

const SECONDS = 30;
const WINDOWS = 10;
const WARM_UP_WINDOWS = 1;
/** That the early ones and the late ones are. */
const COMPARED_WINDOWS = 3;
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
      what: 'drift of the rate, %',
      want: 5,
      better: 'lower',
      got: sizeOf(figure(result, 'rateDriftPercent')),
    },
    {
      what: 'drift of RSS, %',
      want: 10,
      better: 'lower',
      got: sizeOf(figure(result, 'rssDriftPercent')),
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
  const memory: (number | null)[] = [];
  const beganMs = performance.now();
  const cpuBefore = engine.cpuSeconds();
  const first = await sink.messages();
  let messages = first;
  let windowMs = beganMs;
  for (let window = 0; window < WINDOWS; window += 1) {
    await sleep((seconds * 1_000) / WINDOWS);
    const now = await sink.messages();
    const nowMs = performance.now();
    rates.push(((now - messages) * 1_000) / (nowMs - windowMs));
    memory.push(engine.rssBytes());
    messages = now;
    windowMs = nowMs;
  }
  const cpuSeconds = usedBetween(cpuBefore, engine.cpuSeconds());
  const peakRssBytes = engine.peakRssBytes();
  const faults = [...faultsOfWindows(rates), ...(await stopAndCount(engine, database, sink))];
  return sample(messages - first, (windowMs - beganMs) / 1_000, {
    cpuSeconds,
    peakRssBytes,
    figures: driftFigures(rates, memory),
    faults,
  });
}

/** A rate of nothing has no drift, and would be none. */
export function faultsOfWindows(rates: readonly number[]): string[] {
  const still = rates.flatMap((rate, i) => (rate > 0 ? [] : [i + 1]));
  return still.length === 0 ? [] : [`nothing was sent in window ${still.join(', ')}`];
}

/** What is not known (no /proc) is not among them. */
export function driftFigures(
  rates: readonly number[],
  memory: readonly (number | null)[],
): Record<string, number> {
  const known = memory.filter((bytes) => bytes !== null);
  const rate = { rateDriftPercent: driftPercent(rates) };
  if (known.length < memory.length) return rate;
  const rssEndMb = Math.round((known.at(-1) ?? 0) / 1e6);
  return { ...rate, rssDriftPercent: driftPercent(known), rssEndMb };
}

export function driftPercent(values: readonly number[]): number {
  const { median: early } = spread(
    values.slice(WARM_UP_WINDOWS, WARM_UP_WINDOWS + COMPARED_WINDOWS),
  );
  const { median: late } = spread(values.slice(-COMPARED_WINDOWS));
  return early === 0 ? 0 : ((late - early) / early) * 100;
}

function sizeOf(drift: number | null): number | null {
  return drift === null ? null : Math.abs(drift);
}
