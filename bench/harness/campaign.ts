/**
 * bench/campaign — one campaign through the HTTP API, from the upload to the last recorded outcome.
 *
 * Promises: the sample holds the whole way. Its faults say when the balance does not close, when rows
 *           and rollups disagree, when anything was not accepted, when the sink has more or fewer
 *           messages than were reported, or, of a sink with a ledger that had nothing else, when
 *           anybody of the list is not in it exactly once, or somebody else is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseId } from '../../src/kernel/ids.ts';
import type { BenchDatabase, BenchServer } from './postgres.ts';
import type { Sample } from './bench.ts';
import type { EngineProcess } from './engine.ts';
import { keepKeys } from './fill.ts';
import { BOUNCE_DOMAIN, campaignContent, DOMAIN, recipientOf } from './message.ts';
import type { Dkim, Mode } from './settings.ts';
import { cpuFigure, usedBetween } from './usage.ts';
import type { Sink } from './sink.ts';

export interface CampaignPlan {
  n: number;
  sizeBytes: number;
  dkim: Dkim;
  mode: Mode;
  domains: number;
}

export interface SendingWorld {
  server: Pick<BenchServer, 'cpuSeconds'>;
  database: Pick<BenchDatabase, 'sql'>;
  /** The first one is spoken to. */
  engines: EngineProcess[];
  sink: Sink;
}

/** Of a run that stands still. */
const PATIENCE_MS = 60_000;

export async function draft(world: SendingWorld, plan: CampaignPlan): Promise<string> {
  const [engine] = world.engines;
  if (engine === undefined) throw new Error('no engine');
  const { api } = engine;
  const sender = await api.post<{ id: string }>('/v1/senders', {
    from_address: `news@${DOMAIN}`,
    display_name: 'Corner Shop',
    bounce_domain: BOUNCE_DOMAIN,
    unsubscribe_base_url: `https://${DOMAIN}`,
  });
  await keepKeys(world.database.sql, plan.dkim);
  const personalised = plan.mode === 'parallel';
  const campaign = await api.post<{ id: string }>('/v1/campaigns', {
    name: 'Bench',
    sender_id: sender.id,
    content: campaignContent(plan.sizeBytes, personalised),
    stream: personalised ? 'marketing' : 'statement',
    mode: plan.mode,
    ttl_seconds: 86_400,
  });
  return campaign.id;
}

export function* recipientRows(plan: CampaignPlan): Generator<object> {
  for (let n = 0; n < plan.n; n += 1) {
    yield {
      email: recipientOf(n, plan.domains),
      name: `Name ${n}`,
      points: n % 997,
      city: 'Berlin',
    };
  }
}

export async function runCampaign(world: SendingWorld, plan: CampaignPlan): Promise<Sample> {
  const { api } = world.engines[0] ?? { api: null };
  if (api === null) throw new Error('no engine');
  const id = await draft(world, plan);
  const before = await usageOf(world);
  const beganMs = performance.now();
  await api.upload(`/v1/campaigns/${id}/recipients`, recipientRows(plan));
  const uploadedMs = performance.now();
  await api.post(`/v1/campaigns/${id}/start`);
  const standsStill = await untilOver(world, parseId('cmp', id) ?? 0n, plan.n);
  const endedMs = performance.now();
  const after = await usageOf(world);
  const messages = after.messages - before.messages;
  const seconds = (endedMs - beganMs) / 1_000;
  return {
    count: plan.n,
    seconds,
    cpuSeconds: usedBetween(before.engine, after.engine),
    peakRssBytes: sumOf(world.engines.map((engine) => engine.peakRssBytes())),
    figures: {
      uploadSeconds: (uploadedMs - beganMs) / 1_000,
      sendSeconds: (endedMs - uploadedMs) / 1_000,
      ...cpuFigure('databaseCpuUs', usedBetween(before.database, after.database), plan.n),
      ...cpuFigure('sinkCpuUs', usedBetween(before.sink, after.sink), plan.n),
      messages,
      connections: after.connections - before.connections,
    },
    faults: [
      ...standsStill,
      ...(await faultsOf(world, id, plan, after.deliveries - before.deliveries)),
    ],
  };
}

interface Usage {
  engine: number | null;
  database: number | null;
  sink: number | null;
  messages: number;
  deliveries: number;
  connections: number;
}

async function usageOf(world: SendingWorld): Promise<Usage> {
  return {
    engine: sumOf(world.engines.map((engine) => engine.cpuSeconds())),
    database: world.server.cpuSeconds(),
    sink: world.sink.cpuSeconds(),
    messages: await world.sink.messages(),
    deliveries: await world.sink.deliveries(),
    connections: await world.sink.connections(),
  };
}

/** What is not known of one is not known of all. */
function sumOf(values: readonly (number | null)[]): number | null {
  return values.reduce((total, one) => (total === null || one === null ? null : total + one), 0);
}

/** Final outcomes of a campaign, from the rollups: a handful of rows whatever the list. */
export async function countFinal(
  database: Pick<BenchDatabase, 'sql'>,
  campaignId: bigint,
): Promise<number> {
  const [row] = await database.sql<{ count: number }[]>`
    select coalesce(sum(count), 0)::int as count from minute_rollups
    where campaign_id = ${campaignId} and kind <> 'delivery.deferred'
      and starts_with(kind, 'delivery.')`;
  return row?.count ?? 0;
}

/** Waits for the last outcome; answers a fault when nothing moves any more. */
async function untilOver(world: SendingWorld, id: bigint, n: number): Promise<string[]> {
  let last = -1;
  let movedMs = performance.now();
  for (;;) {
    const done = await countFinal(world.database, id);
    if (done >= n) return [];
    if (done !== last) {
      last = done;
      movedMs = performance.now();
    }
    if (performance.now() - movedMs > PATIENCE_MS) return [`stood still at ${done} of ${n}`];
    await sleep(25);
  }
}

interface Balance {
  accepted: number;
  recipients: number;
  closes: boolean;
}

async function faultsOf(
  world: SendingWorld,
  id: string,
  plan: CampaignPlan,
  received: number,
): Promise<string[]> {
  const faults: string[] = [];
  const report = await world.engines[0]?.api.get<{ balance: Balance }>(
    `/v1/campaigns/${id}/report`,
  );
  const balance = report?.balance;
  if (balance?.closes !== true) faults.push('the balance does not close');
  if (balance?.recipients !== plan.n) faults.push(`${balance?.recipients ?? 0} recipients`);
  if (balance?.accepted !== plan.n) faults.push(`${balance?.accepted ?? 0} reported accepted`);
  const [rows] = await world.database.sql<{ accepted: number; all: number }[]>`
    select count(*) filter (where state = 'accepted')::int as accepted, count(*)::int as all
    from deliveries where campaign_id = ${parseId('cmp', id) ?? 0n}`;
  if (rows?.accepted !== plan.n || rows.all !== plan.n) {
    faults.push(`rows say ${rows?.accepted ?? 0} accepted of ${rows?.all ?? 0}`);
  }
  if (received !== plan.n) faults.push(`the sink has ${received} of ${plan.n} recipients`);
  return [...faults, ...(await ledgerFaults(world.sink, plan))];
}

async function ledgerFaults(sink: Sink, { n, domains }: CampaignPlan): Promise<string[]> {
  const found = await sink.differenceTo({ n, domains });
  if (found === null) return [];
  const { missing, doubled, strangers, examples } = found;
  if (missing + doubled + strangers === 0) return [];
  const counts = `${missing} missing, ${doubled} served more than once, ${strangers} not of the list`;
  return [`the ledger has ${counts}${examples.map((text) => `; ${text}`).join('')}`];
}
