/**
 * bench/restart — from the start of an engine to its first message at a receiver, with rows pending.
 *
 * Promises: after each round what is recorded is what the sink has; an engine that sends nothing within
 *           a minute is a fault.
 */
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { sample } from '../harness/bench.ts';
import type { Bench, Prepared, Sample } from '../harness/bench.ts';
import { startEngineProcess } from '../harness/engine.ts';
import { fillCampaign, fillPending } from '../harness/fill.ts';
import { stopAndCount } from '../harness/final-count.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchDatabase } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { startSink } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';
import { setTimeout as sleep } from 'node:timers/promises';

const PENDING = 1_000_000;
/** After the first message: its memory at full rate is a figure, too. */
const SENDS_MS = 2_000;
const PATIENCE_MS = 60_000;

export const restart: Bench = {
  name: 'restart',
  measures: 'start of the process to the first message received',
  headline: { unit: 's', better: 'lower', of: ({ seconds }) => seconds },
  variants: (settings) => [settings],
  describe: ({ n }) => ({ pending: n ?? PENDING }),
  prepare,
  bars: (result) => {
    const got = result.contenders[0]?.headline.median ?? null;
    return [
      { what: 'seconds to the first delivery', want: 5, better: 'lower', got },
      {
        what: 'peak RSS, MB',
        want: 300,
        better: 'lower',
        got: result.contenders[0]?.peakRssMb ?? null,
      },
    ];
  },
};

async function prepare(settings: Settings): Promise<Prepared> {
  const n = settings.n ?? PENDING;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  const filled = await fillCampaign(database.sql, { n, state: 'sending', sizeBytes: 10_240 });
  await fillPending(database.sql, filled);
  // One for all rounds: what it has is what the database must have recorded by then.
  const sink = await startSink({ kind: 'own' });
  stack.onRelease('sink', () => sink.stop());
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => run(database, sink) }],
    notes: [],
    close: () => stack.release(),
  };
}

async function run(database: BenchDatabase, sink: Sink): Promise<Sample> {
  const before = await sink.messages();
  const beganMs = performance.now();
  const starting = startEngineProcess({
    databaseUrl: database.url,
    sinkPort: sink.port,
    profiled: true,
  });
  try {
    await untilMore(sink, before, starting);
    const seconds = (performance.now() - beganMs) / 1_000;
    const engine = await starting;
    await sleep(SENDS_MS);
    const peakRssBytes = engine.peakRssBytes();
    return sample(1, seconds, { peakRssBytes, faults: await stopAndCount(engine, database, sink) });
  } finally {
    await starting.then((engine) => engine.stop()).catch(() => undefined);
  }
}

/** Throws when it takes too long, or when the engine has failed to start. */
export async function untilMore(
  sink: Pick<Sink, 'messages'>,
  before: number,
  starting: Promise<unknown>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const start = { failed: false };
  starting.catch(() => (start.failed = true));
  const deadlineMs = performance.now() + patienceMs;
  while ((await sink.messages()) <= before) {
    if (start.failed) await starting;
    if (performance.now() > deadlineMs) {
      throw new Error(`nothing was received in ${patienceMs / 1_000} s`);
    }
    await sleep(5);
  }
}
