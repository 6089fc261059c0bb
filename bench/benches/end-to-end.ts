/**
 * bench/end-to-end — through the HTTP API: upload, start, until the last outcome is recorded.
 *
 * The engine is a process of its own, wired as `npm start` wires it; PostgreSQL is durable. The first
 * run goes to our own sink, which keeps a ledger: every recipient exactly once, or the bench fails.
 */
import { perSecond, ratioTo } from '../harness/bench.ts';
import type { Bar, Bench, Contender, Measured, Prepared } from '../harness/bench.ts';
import { runCampaign } from '../harness/campaign.ts';
import type { CampaignPlan } from '../harness/campaign.ts';
import { startDelayProxy } from '../harness/delay-proxy.ts';
import { CONNECTIONS, startEngineProcess } from '../harness/engine.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchServer } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { startSink } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';
import { BARE_LOOP, bareLoop, smtpSource } from '../limits/limits.ts';
import { peersFor } from '../peers/peers.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';

export const DOMAINS = 50;
const RECIPIENTS_PER_COPY = 100;
/** Of the run that proves that nobody is left out and nobody is served twice. */
const LEDGER_RECIPIENTS = 2_000;

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
  describe: ({ dkim, sizeBytes, rttMs }) => ({ dkim: dkim ?? 'rsa', sizeBytes, rttMs }),
  prepare: (settings) => prepare({ ...settings, mode: 'parallel' }, settings.n ?? 20_000),
  bars: (result, { dkim }) => (dkim === 'none' ? unsignedBars(result) : signedBars(result)),
};

export const endToEndSingleCopy: Bench = {
  name: 'end-to-end-single-copy',
  measures: `one copy for ${RECIPIENTS_PER_COPY} recipients of a domain, ${DOMAINS} domains`,
  headline: perSecond('recipients'),
  variants: (settings) => [{ ...settings, dkim: settings.dkim ?? 'rsa' }],
  describe: endToEnd.describe,
  prepare: (settings) => prepare({ ...settings, mode: 'single_copy' }, settings.n ?? 200_000),
  bars: (result) => [
    bar('to Postfix, list mode', 12, ratioTo(result, 'Postfix')),
    bar('to the best peer', 2, bestPeer(result)),
  ],
};

function bar(what: string, want: number, got: number | null): Bar {
  return { what, want, better: 'higher', got };
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
    bar('to the best mail server', 5, bestPeer(result)),
    bar(`to the ${BARE_LOOP}`, 0.4, ratioTo(result, BARE_LOOP)),
  ];
}

/** Of those that are mail servers: a library keeps nothing and promises nothing. */
function bestPeer(result: Measured): number | null {
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
  const limits = [bareLoop(sink, port, loop), smtpSource(sink, loop)];
  const peers = settings.compare
    ? await peersFor(stack, { sink, port, plan, recipientsEach, mailServers: settings.mailServers })
    : { contenders: [], notes: [] };
  const contenders: Contender[] = [await volley(world, stack, ledgerFaults)];
  contenders.push(...limits.filter((limit) => limit !== null), ...peers.contenders);
  return {
    contenders,
    notes: [
      `receiver: ${sink.name}; ${plan.n.toLocaleString('en-US')} recipients at ${DOMAINS} domains`,
      ...peers.notes,
    ],
    close: () => stack.release(),
  };
}

/** Everything else is as it is shipped. */
const ENVIRONMENT = { VOLLEY_MAX_RECIPIENTS_PER_COPY: String(RECIPIENTS_PER_COPY) };

/** A small campaign into the sink that knows every recipient by name. */
async function proveByLedger(world: World): Promise<string[]> {
  const { server, plan } = world;
  const database = await server.create();
  const sink = await startSink({ kind: 'own', ledger: true });
  const engine = await startEngineProcess({
    databaseUrl: database.url,
    sinkPort: sink.port,
    environment: ENVIRONMENT,
  });
  const n = Math.min(plan.n, LEDGER_RECIPIENTS);
  const taken = await runCampaign({ server, database, engines: [engine], sink }, { ...plan, n });
  const ledger = await sink.ledger();
  await engine.stop();
  await sink.stop();
  await database.drop();
  const exact = ledger?.recipients === n && ledger.distinct === n;
  const seen = `the ledger has ${ledger?.recipients ?? 0} recipients, ${ledger?.distinct ?? 0} different`;
  return exact ? taken.faults : [...taken.faults, `${seen}, of ${n}`];
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
