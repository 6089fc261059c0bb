/**
 * bench/smtp-client — the sending engine (src/mta) alone: prebuilt messages into the sink.
 *
 * Also what a long line costs: over one connection with a round trip of 100 ms, whatever --rtt is for
 * the rest, how many messages a round trip carries, with PIPELINING and with CHUNKING.
 */
import { join } from 'node:path';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { figure, perSecond, ratioTo } from '../harness/bench.ts';
import type { Bench, Contender, Prepared, Sample } from '../harness/bench.ts';
import { startDelayProxy } from '../harness/delay-proxy.ts';
import { CONNECTIONS } from '../harness/engine.ts';
import { profilingFlags } from '../harness/run-scope.ts';
import type { SenderOptions } from '../harness/prebuilt.ts';
import type { Settings } from '../harness/settings.ts';
import { startSink } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';
import { BARE_LOOP, bareLoop, counted, runChild, smtpSource } from '../limits/limits.ts';
import { nodemailerConnection } from '../peers/nodemailer.ts';

const PROCESS = join(import.meta.dirname, 'mta-process.ts');
const LONG_LINE_MS = 100;
const LONG_LINE_MESSAGES = 60;

export const smtpClient: Bench = {
  name: 'smtp-client',
  measures: `the sending engine alone, ${CONNECTIONS} connections to one destination`,
  headline: perSecond('messages'),
  variants: (settings) => [{ ...settings, dkim: settings.dkim ?? 'none' }],
  describe: ({ dkim, sizeBytes, rttMs }) => ({ dkim: dkim ?? 'none', sizeBytes, rttMs }),
  prepare,
  bars: (result) => [
    {
      // Our own figure: that of the whole engine, which the client alone must reach at least.
      what: `to the ${BARE_LOOP}`,
      want: 0.4,
      better: 'higher',
      got: ratioTo(result, BARE_LOOP),
    },
    {
      what: 'messages per round trip, PIPELINING',
      want: 0.95,
      better: 'higher',
      got: figure(result, 'perRoundTripPipelining'),
    },
    {
      what: 'messages per round trip, CHUNKING',
      want: 4,
      better: 'higher',
      got: figure(result, 'perRoundTripChunking'),
    },
  ],
};

async function prepare(settings: Settings): Promise<Prepared> {
  const stack = createResourceStack();
  const sink = await startSink({ kind: settings.sink });
  stack.onRelease('sink', () => sink.stop());
  let { port } = sink;
  if (settings.rttMs > 0) {
    const proxy = await startDelayProxy(port, settings.rttMs);
    stack.onRelease('delay', () => proxy.stop());
    ({ port } = proxy);
  }
  const { sizeBytes } = settings;
  const loop = {
    n: settings.n ?? 40_000,
    recipientsEach: 1,
    connections: CONNECTIONS,
    sizeBytes,
    dkim: settings.dkim ?? 'none',
  };
  const source = smtpSource(sink, port, loop);
  const contenders: Contender[] = [
    volley(sink, { ...loop, port }),
    bareLoop(sink, port, loop),
    ...(source === null ? [] : [source]),
  ];
  if (settings.compare)
    contenders.push(nodemailerConnection(sink, port, { ...loop, n: Math.ceil(loop.n / 4) }));
  return { contenders, notes: [`receiver: ${sink.name}`], close: () => stack.release() };
}

function volley(sink: Sink, options: SenderOptions): Contender {
  return {
    name: 'Volley',
    role: 'volley',
    async run() {
      const before = await sink.deliveries();
      const taken = await runChild(PROCESS, options, { flags: profilingFlags() });
      const result = await counted(sink, before, options.n, taken);
      const pipelining = await overLongLine(options, false);
      const chunking = await overLongLine(options, true);
      const figures = {
        perRoundTripPipelining: pipelining.rate,
        perRoundTripChunking: chunking.rate,
      };
      return {
        ...result,
        figures,
        faults: [...result.faults, ...pipelining.faults, ...chunking.faults],
      };
    },
  };
}

/** Messages per round trip of one connection, from the first outcome to the last. */
async function overLongLine(
  options: SenderOptions,
  chunking: boolean,
): Promise<{ rate: number; faults: string[] }> {
  const sink = await startSink({ kind: 'own', chunking });
  const proxy = await startDelayProxy(sink.port, LONG_LINE_MS);
  const { port } = proxy;
  const taken: Sample = await runChild(PROCESS, {
    ...options,
    n: LONG_LINE_MESSAGES,
    connections: 1,
    port,
  });
  const { faults } = await counted(sink, 0, LONG_LINE_MESSAGES, taken);
  await proxy.stop();
  await sink.stop();
  const flowMs = (taken.figures['flowSeconds'] ?? 0) * 1_000;
  return { rate: (LONG_LINE_MESSAGES - 1) / (flowMs / LONG_LINE_MS), faults };
}
