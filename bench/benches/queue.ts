/**
 * bench/queue — claim and record, with many rows pending and with few: the rate must not fall.
 */
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';
import { perSecond, ratioTo, sample } from '../harness/bench.ts';
import type { Bench, Contender, Measured, Prepared, Sample } from '../harness/bench.ts';
import { fillCampaign, fillPending } from '../harness/fill.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchDatabase, BenchServer } from '../harness/postgres.ts';
import { measureHere } from '../harness/usage.ts';
import { claim, record } from './queue-work.ts';

const FEW = 100_000;
const MANY = 1_000_000;
const BATCHES_A_RUN = 100;
const PER_CLAIM = 20;

type Work = (server: BenchServer, place: Place) => Promise<Sample>;

interface Place {
  database: BenchDatabase;
  campaignId: bigint;
}

export const claimBench: Bench = {
  name: 'claim',
  measures: `recipients claimed and read, ${PER_CLAIM} batches of 100 at a time`,
  headline: perSecond('recipients'),
  variants: (settings) => [settings],
  describe: (settings) => ({ pending: settings.n ?? MANY }),
  prepare: (settings) => prepare(settings.n ?? MANY, claimOnce),
  bars: fallsBars,
};

export const recordBench: Bench = {
  name: 'record',
  measures: 'recipients marked, recorded (state, event, rollups) and settled',
  headline: perSecond('recipients'),
  variants: (settings) => [settings],
  describe: (settings) => ({ pending: settings.n ?? MANY }),
  prepare: (settings) => prepare(settings.n ?? MANY, recordOnce),
  bars: fallsBars,
};

function fallsBars(result: Measured): ReturnType<Bench['bars']> {
  const got = ratioTo(result, nameOfFew());
  return [{ what: `to the rate with ${nameOfFew()}`, want: 0.9, better: 'higher', got }];
}

function nameOfFew(): string {
  return `${FEW.toLocaleString('en-US')} pending`;
}

async function prepare(n: number, work: Work): Promise<Prepared> {
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const many = await fill(server, stack, n);
  const few = await fill(server, stack, FEW);
  const contender = (name: string, role: Contender['role'], place: Place): Contender => ({
    name,
    role,
    run: () => work(server, place),
  });
  return {
    contenders: [
      contender(`Volley, ${n.toLocaleString('en-US')} pending`, 'volley', many),
      contender(nameOfFew(), 'baseline', few),
    ],
    notes: [],
    close: () => stack.release(),
  };
}

async function fill(server: BenchServer, stack: ResourceStack, n: number): Promise<Place> {
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  const filled = await fillCampaign(database.sql, { n, state: 'sending', sizeBytes: 2_048 });
  await fillPending(database.sql, filled);
  await database.sql`checkpoint`;
  return { database, campaignId: filled.campaignId };
}

async function claimOnce(server: BenchServer, { database, campaignId }: Place): Promise<Sample> {
  const databaseBefore = server.cpuSeconds() ?? 0;
  const taken = await measureHere(
    async () => (await claim(database.sql, campaignId, BATCHES_A_RUN, PER_CLAIM)).length,
  );
  const databaseCpuUs = (((server.cpuSeconds() ?? 0) - databaseBefore) * 1e6) / taken.count;
  return sample(taken.count, taken.seconds, { ...taken, figures: { databaseCpuUs } });
}

async function recordOnce(server: BenchServer, { database, campaignId }: Place): Promise<Sample> {
  const { sql } = database;
  const rows = await claim(sql, campaignId, BATCHES_A_RUN, PER_CLAIM);
  const databaseBefore = server.cpuSeconds() ?? 0;
  const taken = await measureHere(async () => {
    await record(sql, campaignId, rows);
    return rows.length;
  });
  const databaseCpuUs = (((server.cpuSeconds() ?? 0) - databaseBefore) * 1e6) / taken.count;
  const ids = rows.map(({ deliveryId }) => String(deliveryId));
  const [found] = await sql<{ accepted: number; events: number }[]>`
    select (select count(*)::int from deliveries where id = any(${ids}::bigint[]) and state = 'accepted') as accepted,
      (select count(*)::int from events where delivery_id = any(${ids}::bigint[]) and kind = 'delivery.accepted') as events`;
  const exact = found?.accepted === rows.length && found.events === rows.length;
  const faults = exact ? [] : [`${found?.accepted ?? 0} states, ${found?.events ?? 0} events`];
  return sample(taken.count, taken.seconds, { ...taken, figures: { databaseCpuUs }, faults });
}
