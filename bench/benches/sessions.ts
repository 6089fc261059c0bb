/**
 * bench/sessions — thousands of sessions to receivers that take ten seconds for each message.
 *
 * The whole engine: rows in PostgreSQL, MX look-ups, rendering, signing, SMTP, outcomes recorded.
 * --n is the number of sessions (2,000), --seconds how long is counted. Ten sessions a domain, each
 * domain a site of its own, every receiver in one process beside the engine. Counting begins when all
 * sessions are open and each has had its first message answered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { perSecond, sample } from '../harness/bench.ts';
import type { Bench, Prepared, Sample } from '../harness/bench.ts';
import { startDns } from '../harness/dns.ts';
import { startEngineProcess } from '../harness/engine.ts';
import { fillCampaign, fillPending, keepKeys } from '../harness/fill.ts';
import { stopAndCount } from '../harness/final-count.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchDatabase } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { usedBetween } from '../harness/usage.ts';
import { startSink } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';

const SESSIONS = 2_000;
const SECONDS = 60;
const TAKES_MS = 10_000;
const SESSIONS_A_DOMAIN = 10;
/** Of the 200 a second that ten seconds each would allow. */
const WANTED_SHARE = 0.95;
const MAX_RSS_MB = 400;
/** Sessions must all be open by then. */
const PATIENCE_MS = 120_000;

const sessionsOf = ({ n }: Settings): number => n ?? SESSIONS;

export const sessions: Bench = {
  name: 'sessions',
  measures: 'sessions to receivers that take 10 s a message: rate and memory of the whole engine',
  headline: perSecond('messages'),
  variants: (settings) => [{ ...settings, rounds: 1, dkim: settings.dkim ?? 'rsa' }],
  describe: (settings) => ({
    sessions: sessionsOf(settings),
    seconds: settings.seconds ?? SECONDS,
    dkim: settings.dkim ?? 'rsa',
    sizeBytes: settings.sizeBytes,
  }),
  prepare,
  bars: ({ contenders }, settings) => [
    {
      what: 'messages/s',
      want: (sessionsOf(settings) / (TAKES_MS / 1_000)) * WANTED_SHARE,
      better: 'higher',
      got: contenders[0]?.headline.median ?? null,
    },
    {
      what: 'peak RSS, MB',
      want: MAX_RSS_MB,
      better: 'lower',
      got: contenders[0]?.peakRssMb ?? null,
    },
  ],
};

interface World {
  database: BenchDatabase;
  sink: Sink;
  dnsPort: number;
}

async function prepare(settings: Settings): Promise<Prepared> {
  const seconds = settings.seconds ?? SECONDS;
  const wanted = sessionsOf(settings);
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  const filled = await fillCampaign(database.sql, {
    n: Math.ceil((wanted / TAKES_MS) * (seconds * 1_000 + PATIENCE_MS)) + wanted,
    state: 'sending',
    sizeBytes: settings.sizeBytes,
    evenDomains: Math.ceil(wanted / SESSIONS_A_DOMAIN),
  });
  await keepKeys(database.sql, settings.dkim);
  await fillPending(database.sql, filled);
  const sink = await startSink({ kind: 'own', delayMs: TAKES_MS });
  stack.onRelease('sink', () => sink.stop());
  const dns = await startDns();
  stack.onRelease('DNS server', () => dns.stop());
  const world = { database, sink, dnsPort: dns.port };
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => run(world, wanted, seconds) }],
    notes: [
      `${sink.name}, ${TAKES_MS / 1_000} s a message; ${wanted / SESSIONS_A_DOMAIN} domains, ` +
        'counted from when every session has had its first answer',
    ],
    close: () => stack.release(),
  };
}

async function run(world: World, wanted: number, seconds: number): Promise<Sample> {
  const { database, sink, dnsPort } = world;
  const beganMs = performance.now();
  const engine = await startEngineProcess({
    databaseUrl: database.url,
    sinkPort: sink.port,
    profiled: true,
    environment: {
      VOLLEY_ROUTES: '',
      VOLLEY_DNS_SERVER: `127.0.0.1:${dnsPort}`,
      VOLLEY_ALLOW_PRIVATE_MX: 'true',
      VOLLEY_SMTP_PORT: String(sink.port),
      VOLLEY_MAX_CONNECTIONS: String(wanted),
      VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: String(SESSIONS_A_DOMAIN),
    },
  });
  const faults: string[] = [];
  const open = await untilOpen(sink, wanted);
  if (open < wanted) faults.push(`${open} of ${wanted} sessions were opened`);
  const openAfterSeconds = (performance.now() - beganMs) / 1_000;
  await sleep(TAKES_MS);
  const first = await sink.messages();
  const windowMs = performance.now();
  const cpuBefore = engine.cpuSeconds();
  await sleep(seconds * 1_000);
  const count = (await sink.messages()) - first;
  const tookSeconds = (performance.now() - windowMs) / 1_000;
  const cpuSeconds = usedBetween(cpuBefore, engine.cpuSeconds());
  const rssEnd = engine.rssBytes();
  const peakRssBytes = engine.peakRssBytes();
  const connections = await sink.connections();
  faults.push(...(await stopAndCount(engine, database, sink)));
  return sample(count, tookSeconds, {
    cpuSeconds,
    peakRssBytes,
    figures: {
      openAfterSeconds,
      connections,
      ...(rssEnd === null ? {} : { rssEndMb: Math.round(rssEnd / 1e6) }),
    },
    faults,
  });
}

async function untilOpen(sink: Sink, wanted: number): Promise<number> {
  const beganMs = performance.now();
  let open = 0;
  while (open < wanted && performance.now() - beganMs < PATIENCE_MS) {
    await sleep(100);
    open = await sink.connections();
  }
  return open;
}
