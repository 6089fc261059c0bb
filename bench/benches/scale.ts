/**
 * bench/scale — one, two and four engine processes on one database: does a second node help?
 *
 * All on this machine, so cores bound it: with two cores four processes cannot be twice as fast.
 */
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { perSecond } from '../harness/bench.ts';
import type { Bench, Contender, Prepared } from '../harness/bench.ts';
import { runCampaign } from '../harness/campaign.ts';
import { startEngineProcess } from '../harness/engine.ts';
import type { EngineProcess } from '../harness/engine.ts';
import { DOMAINS } from '../harness/message.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchServer } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { startSink } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';

export const scale: Bench = {
  name: 'scale',
  measures: 'personalised mail by 1, 2 and 4 engine processes on one PostgreSQL',
  headline: perSecond('messages'),
  variants: (settings) => [{ ...settings, dkim: settings.dkim ?? 'rsa' }],
  describe: ({ dkim, sizeBytes }) => ({ dkim: dkim ?? 'rsa', sizeBytes }),
  prepare,
  bars: () => [],
};

async function prepare(settings: Settings): Promise<Prepared> {
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const sink = await startSink({ kind: settings.sink });
  stack.onRelease('sink', () => sink.stop());
  const contender = (processes: number): Contender => ({
    name: processes === 1 ? '1 process' : `${processes} processes`,
    role: processes === 1 ? 'volley' : 'other',
    run: () => runWith(server, sink, processes, settings),
  });
  return {
    contenders: [contender(1), contender(2), contender(4)],
    notes: [`receiver: ${sink.name}`],
    close: () => stack.release(),
  };
}

async function runWith(server: BenchServer, sink: Sink, processes: number, settings: Settings) {
  const database = await server.create();
  const engines: EngineProcess[] = [];
  try {
    for (let i = 0; i < processes; i += 1) {
      engines.push(
        await startEngineProcess({
          databaseUrl: database.url,
          sinkPort: sink.port,
          profiled: true,
        }),
      );
    }
    return await runCampaign(
      { server, database, engines, sink },
      {
        n: settings.n ?? 10_000,
        sizeBytes: settings.sizeBytes,
        dkim: settings.dkim ?? 'rsa',
        mode: 'parallel',
        domains: DOMAINS,
      },
    );
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()));
    await database.drop();
  }
}
