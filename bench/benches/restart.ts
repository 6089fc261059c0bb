/** bench/restart — from the start of an engine to its first message at a receiver, with rows pending. */
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { sample } from '../harness/bench.ts';
import type { Bench, Prepared } from '../harness/bench.ts';
import { startEngineProcess } from '../harness/engine.ts';
import { fillCampaign, fillPending } from '../harness/fill.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { startSink } from '../harness/sink.ts';
import { setTimeout as sleep } from 'node:timers/promises';

const PENDING = 1_000_000;

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
  return {
    contenders: [
      {
        name: 'Volley',
        role: 'volley',
        async run() {
          const sink = await startSink({ kind: 'own' });
          const beganMs = performance.now();
          const starting = startEngineProcess({
            databaseUrl: database.url,
            sinkPort: sink.port,
            profiled: true,
          });
          while ((await sink.messages()) === 0) await sleep(5);
          const seconds = (performance.now() - beganMs) / 1_000;
          const engine = await starting;
          await sleep(2_000);
          const peakRssBytes = engine.peakRssBytes();
          await engine.stop();
          await sink.stop();
          return sample(1, seconds, { peakRssBytes });
        },
      },
    ],
    notes: [],
    close: () => stack.release(),
  };
}
