/**
 * bench/queue — claim and record, with many rows pending and with few: the rate must not fall.
 *
 * Promises: both do the same work: as many full batches, of as many domains, in as many statements; one
 *           site holds half of all rows in both. What was claimed is checked: every batch once, with all
 *           its recipients, and the database says so too.
 *
 * A run of `claim` is ten times 400 batches, given back (and vacuumed) in between, because the few are
 * 1,000 batches in all, 500 of them of the large site, of which a walk takes one. Among the few it
 * walks over the same 400 domains each time; among the many it goes on, because in ten million pending
 * no batch is read twice: that their pages must be fetched is a part of the answer. A run of `record`
 * is half of the large site's batches, half of others. Before the first run both are warmed up.
 */
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';
import type { QueuedRecipient } from '../../src/scheduler/queue/store.ts';
import { perSecond, ratioTo, sample } from '../harness/bench.ts';
import type { Bench, Contender, Measured, Prepared, Sample } from '../harness/bench.ts';
import {
  BATCH_SIZE,
  BIG_DOMAIN,
  fillCampaign,
  fillPending,
  smallDomain,
  smallDomainsOf,
} from '../harness/fill.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchDatabase, BenchServer } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { cpuFigure, measureShared, usedBetween } from '../harness/usage.ts';
import { claim, countClaimed, giveBack, record } from './queue-work.ts';

const FEW = 100_000;
const MANY = 1_000_000;
const PER_CLAIM = 20;
const REPETITIONS = 10;
/** Of one repetition of `claim`; and of each half of a run of `record`. */
const CLAIMS = 20;
const RECORDED_CLAIMS = 10;

interface Place {
  database: BenchDatabase;
  campaignId: bigint;
  n: number;
}

interface Work {
  warmUp(place: Place): Promise<void>;
  run(server: BenchServer, place: Place, round: number): Promise<Sample>;
}

export const claimBench: Bench = {
  name: 'claim',
  measures: `recipients claimed and read, ${PER_CLAIM} batches of ${BATCH_SIZE} at a time`,
  headline: perSecond('recipients'),
  variants: (settings) => [settings],
  describe: (settings) => ({ pending: settings.n ?? MANY }),
  prepare: (settings) => prepare(settings.n ?? MANY, claiming(settings)),
  bars: fallsBars,
};

export const recordBench: Bench = {
  name: 'record',
  measures: 'recipients marked, recorded (state, event, rollups) and settled',
  headline: perSecond('recipients'),
  variants: (settings) => [settings],
  describe: (settings) => ({ pending: settings.n ?? MANY }),
  prepare: (settings) => prepare(settings.n ?? MANY, recording(settings)),
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
  for (const place of [many, few]) await work.warmUp(place);
  const contender = (name: string, role: Contender['role'], place: Place): Contender => ({
    name,
    role,
    run: (round) => work.run(server, place, round),
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
  return { database, ...filled };
}

/** Claims of one repetition: no more than one walk over the smaller queue has full ones. */
export function claimsOf(n: number): number {
  const domains = smallDomainsOf(Math.min(n, FEW)) + 1;
  return Math.max(1, Math.min(CLAIMS, Math.floor(domains / PER_CLAIM)));
}

/**
 * Behind which domain repetition `index` goes on after its first claim, which takes the large site's
 * batch and those of the first small domains.
 */
export function placeOf(index: number, claims: number, n: number): string {
  const ofFirst = PER_CLAIM - 1;
  const each = (claims - 1) * PER_CLAIM;
  const places = each === 0 ? 1 : Math.max(1, Math.floor((smallDomainsOf(n) - ofFirst) / each));
  return smallDomain(ofFirst - 1 + (index % places) * each);
}

function claiming({ n }: Settings): Work {
  const claims = claimsOf(n ?? MANY);
  const claimAt = (place: Place, index: number): Promise<QueuedRecipient[]> =>
    claim(place.database.sql, place.campaignId, {
      claims,
      perClaim: PER_CLAIM,
      jumpTo: placeOf(index, claims, place.n),
    });
  return {
    async warmUp(place) {
      await claimAt(place, 0);
      await giveBack(place.database.sql);
    },
    async run(server, place, round) {
      const total = { count: 0, seconds: 0, cpuSeconds: 0 };
      let database: number | null = 0;
      const faults: string[] = [];
      for (let i = 0; i < REPETITIONS; i += 1) {
        const before = server.cpuSeconds();
        let rows: QueuedRecipient[] = [];
        const taken = await measureShared(async () => {
          rows = await claimAt(place, (round - 1) * REPETITIONS + i + 1);
          return rows.length;
        });
        const used = usedBetween(before, server.cpuSeconds());
        database = used === null || database === null ? null : database + used;
        total.count += taken.count;
        total.seconds += taken.seconds;
        total.cpuSeconds += taken.cpuSeconds;
        const owned = await countClaimed(place.database.sql);
        faults.push(...faultsOfClaim(rows, owned, claims * PER_CLAIM));
        await giveBack(place.database.sql);
      }
      const { count, seconds, cpuSeconds } = total;
      const figures = cpuFigure('databaseCpuUs', database, count);
      return sample(count, seconds, { cpuSeconds, figures, faults });
    },
  };
}

/** Every batch once and whole, and the database has given away as many. */
export function faultsOfClaim(
  rows: readonly Pick<QueuedRecipient, 'batchId' | 'deliveryId'>[],
  owned: number,
  wanted: number,
): string[] {
  const batches = new Set(rows.map(({ batchId }) => batchId)).size;
  const distinct = new Set(rows.map(({ deliveryId }) => deliveryId)).size;
  const faults: string[] = [];
  if (batches !== wanted) faults.push(`${batches} batches claimed, ${wanted} should be`);
  if (owned !== wanted) faults.push(`${owned} batches are owned, ${wanted} should be`);
  if (rows.length !== wanted * BATCH_SIZE) faults.push(`${rows.length} recipients read`);
  if (distinct !== rows.length) faults.push(`${rows.length - distinct} recipients read twice`);
  return faults;
}

function recording({ n, rounds }: Settings): Work {
  // The smaller queue must last for the warm-up and for all rounds.
  const inAll = Math.floor(smallDomainsOf(Math.min(n ?? MANY, FEW)) / PER_CLAIM) - 1;
  const claims = Math.max(1, Math.min(RECORDED_CLAIMS, Math.floor(inAll / rounds)));
  return {
    warmUp: async (place) => {
      await record(place.database.sql, place.campaignId, await halfLarge(place, 1));
    },
    async run(server, place) {
      const { sql } = place.database;
      const rows = await halfLarge(place, claims);
      const before = server.cpuSeconds();
      const taken = await measureShared(async () => {
        await record(sql, place.campaignId, rows);
        return rows.length;
      });
      const database = usedBetween(before, server.cpuSeconds());
      const figures = cpuFigure('databaseCpuUs', database, taken.count);
      const faults = await faultsOfRecord(place, rows, 2 * claims * PER_CLAIM * BATCH_SIZE);
      await sql`vacuum deliveries, batches`;
      return sample(taken.count, taken.seconds, { ...taken, figures, faults });
    },
  };
}

/** Recipients of the large site and of small ones, in turns. */
async function halfLarge(
  { database, campaignId }: Place,
  claims: number,
): Promise<QueuedRecipient[]> {
  const { sql } = database;
  const perDomain = claims * PER_CLAIM;
  const large = await claim(sql, campaignId, { claims: 1, perClaim: 1, perDomain });
  const small = await claim(sql, campaignId, {
    claims,
    perClaim: PER_CLAIM,
    startAfter: BIG_DOMAIN,
  });
  return small.flatMap((row, i) => [row, ...large.slice(i, i + 1)]);
}

async function faultsOfRecord(
  { database: { sql } }: Place,
  rows: readonly QueuedRecipient[],
  wanted: number,
): Promise<string[]> {
  const ids = [...new Set(rows.map(({ deliveryId }) => String(deliveryId)))];
  const [found] = await sql<{ accepted: number; events: number; open: number }[]>`
    select (select count(*)::int from deliveries where id = any(${ids}::bigint[]) and state = 'accepted') as accepted,
      (select count(*)::int from events where delivery_id = any(${ids}::bigint[]) and kind = 'delivery.accepted') as events,
      (select count(*)::int from batches where state = 'claimed') as open`;
  const { accepted = 0, events = 0, open = 0 } = found ?? {};
  const exact = accepted === wanted && events === wanted && ids.length === wanted && open === 0;
  if (exact) return [];
  return [
    `of ${wanted}: ${ids.length} claimed, ${accepted} states, ${events} events, ${open} batches not settled`,
  ];
}
