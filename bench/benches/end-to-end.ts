/**
 * bench/end-to-end — through the HTTP API: upload, start, until the last outcome is recorded.
 *
 * The engine is a process of its own, wired as `npm start` wires it; PostgreSQL is durable.
 *
 * Promises: before the measured runs the whole campaign goes once, unmeasured, to our own sink, which
 *           keeps a ledger: everybody on the list exactly once, by name, and nobody else, or the bench
 *           fails. Of the measured runs, and of everybody else's, counts are compared (smtp-sink knows
 *           no names). Where the sink is ours, everybody's messages are as large as Volley's.
 */
import { perSecond, ratioTo } from '../harness/bench.ts';
import type { Bar, Bench, Contender, Measured, Prepared } from '../harness/bench.ts';
import { runCampaign } from '../harness/campaign.ts';
import type { CampaignPlan } from '../harness/campaign.ts';
import { startDelayProxy } from '../harness/delay-proxy.ts';
import { CONNECTIONS, startEngineProcess } from '../harness/engine.ts';
import { DOMAINS } from '../harness/message.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchServer } from '../harness/postgres.ts';
import { comparingBytes } from '../harness/same-bytes.ts';
import type { Settings } from '../harness/settings.ts';
import { startSink } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';
import { BARE_LOOP, bareLoop, smtpSource } from '../limits/limits.ts';
import { peersFor } from '../peers/peers.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';

const RECIPIENTS_PER_COPY = 100;
/** Every domain's copies are full then, for everybody. */
const WHOLE_COPIES = RECIPIENTS_PER_COPY * DOMAINS;

export const endToEnd: Bench = {
  name: 'end-to-end',
  measures: 'personalised mail, one message a recipient: API upload to the last recorded outcome',
  headline: perSecond('messages'),
  variants: (settings) =>
    settings.dkim !== null
      ? [settings]
      : [
          { ...settings, dkim: 'rsa' },
          { ...settings, dkim: 'none' },
        ],
  describe: ({ dkim, sizeBytes, rttMs, n }) => ({
    dkim: dkim ?? 'rsa',
    sizeBytes,
    rttMs,
    ...(isMillion(n) ? { campaign: 'of a million' } : {}),
  }),
  prepare: (settings) => prepare({ ...settings, mode: 'parallel' }, settings.n ?? 20_000),
  bars: (result, { dkim, n }) => [
    ...(dkim === 'none' ? unsignedBars(result) : signedBars(result)),
    ...(isMillion(n) ? [memoryBar(result)] : []),
  ],
};

export const endToEndSingleCopy: Bench = {
  name: 'end-to-end-single-copy',
  measures: `one copy for ${RECIPIENTS_PER_COPY} recipients of a domain, ${DOMAINS} domains`,
  headline: perSecond('recipients'),
  variants: (settings) => [{ ...settings, dkim: settings.dkim ?? 'rsa' }],
  describe: endToEnd.describe,
  prepare: (settings) =>
    prepare(
      { ...settings, mode: 'single_copy' },
      Math.ceil((settings.n ?? 200_000) / WHOLE_COPIES) * WHOLE_COPIES,
    ),
  bars: (result) => [
    bar('to Postfix, list mode', 12, ratioTo(result, 'Postfix')),
    bar('to the best mail server', 2, bestServer(result)),
  ],
};

function bar(what: string, want: number, got: number | null): Bar {
  return { what, want, better: 'higher', got };
}

/** Without peers, because of its length: it stands beside the runs with them, not in their place. */
function isMillion(n: number | null): boolean {
  return n !== null && n >= 1_000_000;
}

function memoryBar({ contenders }: Measured): Bar {
  const ours = contenders.find(({ role }) => role === 'volley');
  return { what: 'peak RSS, MB', want: 250, better: 'lower', got: ours?.peakRssMb ?? null };
}

function signedBars(result: Measured): Bar[] {
  return [
    bar('to nodemailer pool with DKIM', 5, ratioTo(result, 'nodemailer pool')),
    bar(`to the ${BARE_LOOP}`, 0.65, ratioTo(result, BARE_LOOP)),
  ];
}

function unsignedBars(result: Measured): Bar[] {
  return [
    bar('to Postfix relaying', 15, ratioTo(result, 'Postfix')),
    bar('to the best mail server', 5, bestServer(result)),
    bar(`to the ${BARE_LOOP}`, 0.4, ratioTo(result, BARE_LOOP)),
  ];
}

/** Of those that are mail servers: a library keeps nothing and promises nothing (notes). */
function bestServer(result: Measured): number | null {
  const servers = result.contenders.filter(
    ({ role, name }) => role === 'peer' && !name.startsWith('nodemailer'),
  );
  const ratios = servers.map(({ name }) => ratioTo(result, name) ?? Infinity);
  return ratios.length === 0 ? null : Math.min(...ratios);
}

interface World {
  settings: Settings;
  plan: CampaignPlan;
  server: BenchServer;
  sink: Sink;
  /** Where senders connect: the sink, or the delay before it. */
  port: number;
}

async function prepare(settings: Settings, n: number): Promise<Prepared> {
  const stack = createResourceStack();
  try {
    const server = await startPostgres();
    stack.onRelease('PostgreSQL', () => server.stop());
    // smtp-sink cannot count recipients.
    const kind = settings.mode === 'single_copy' ? 'own' : settings.sink;
    const sink = await startSink({ kind });
    stack.onRelease('sink', () => sink.stop());
    const { sizeBytes, dkim, mode } = settings;
    const plan: CampaignPlan = {
      n,
      sizeBytes,
      dkim: dkim ?? 'rsa',
      mode: mode ?? 'parallel',
      domains: DOMAINS,
    };
    const port = await behindDelay(stack, sink.port, settings.rttMs);
    return await assemble({ settings, plan, server, sink, port }, stack);
  } catch (error) {
    await stack.release();
    throw error;
  }
}

async function behindDelay(stack: ResourceStack, port: number, rttMs: number): Promise<number> {
  if (rttMs === 0) return port;
  const proxy = await startDelayProxy(port, rttMs);
  stack.onRelease('delay', () => proxy.stop());
  return proxy.port;
}

async function assemble(world: World, stack: ResourceStack): Promise<Prepared> {
  const { settings, plan, sink, port } = world;
  const ledgerFaults = await proveByLedger(world);
  const recipientsEach = plan.mode === 'parallel' ? 1 : RECIPIENTS_PER_COPY;
  const loop = {
    n: plan.n,
    recipientsEach,
    connections: CONNECTIONS,
    sizeBytes: plan.sizeBytes,
    dkim: plan.dkim,
  };
  const limits = [bareLoop(sink, port, loop), smtpSource(sink, port, loop)];
  const peers = settings.compare
    ? await peersFor(stack, { sink, port, plan, recipientsEach, mailServers: settings.mailServers })
    : { contenders: [], notes: [] };
  const contenders: Contender[] = [await volley(world, stack, ledgerFaults)];
  contenders.push(...limits.filter((limit) => limit !== null), ...peers.contenders);
  return {
    contenders: comparingBytes(sink, contenders),
    notes: [...notesOf(world), ...peers.notes],
    close: () => stack.release(),
  };
}

function notesOf({ sink, plan, settings }: World): string[] {
  const many = plan.n.toLocaleString('en-US');
  const { n } = settings;
  return [
    `receiver: ${sink.name}; ${many} recipients at ${DOMAINS} domains`,
    ...(n === null || n === plan.n
      ? []
      : [`${many} instead of ${n}: whole copies of every domain`]),
    `ledger: one unmeasured run of Volley, all ${many} recipients by name; of the measured runs counts`,
  ];
}

/** Besides what engine.ts sets, everything is as it is shipped. */
const ENVIRONMENT = { VOLLEY_MAX_RECIPIENTS_PER_COPY: String(RECIPIENTS_PER_COPY) };

/** The whole campaign into the sink that knows every recipient by name (campaign.ts compares). */
async function proveByLedger(world: World): Promise<string[]> {
  const { server, plan } = world;
  const database = await server.create();
  const sink = await startSink({ kind: 'own', ledger: true });
  const engine = await startEngineProcess({
    databaseUrl: database.url,
    sinkPort: sink.port,
    environment: ENVIRONMENT,
  });
  try {
    const { faults } = await runCampaign({ server, database, engines: [engine], sink }, plan);
    return faults.map((fault) => `run with the ledger: ${fault}`);
  } finally {
    await engine.stop();
    await sink.stop();
    await database.drop();
  }
}

async function volley(
  world: World,
  stack: ResourceStack,
  ledgerFaults: string[],
): Promise<Contender> {
  const { server, plan, sink, port } = world;
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  const engine = await startEngineProcess({
    databaseUrl: database.url,
    sinkPort: port,
    environment: ENVIRONMENT,
    profiled: true,
  });
  stack.onRelease('engine', () => engine.stop());
  return {
    name: 'Volley',
    role: 'volley',
    async run(round) {
      const taken = await runCampaign({ server, database, engines: [engine], sink }, plan);
      return round === 1 ? { ...taken, faults: [...taken.faults, ...ledgerFaults] } : taken;
    },
  };
}
