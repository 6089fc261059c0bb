/**
 * bench/retention — attempts of deliveries purged from a long table, while outcomes are recorded.
 *
 * `--n` events are old; one in a hundred is of a kind that stays. The purge is the one of the hourly
 * housekeeping, chunk by chunk; beside it the recorder marks and records as the engine does. Its rate
 * alone and its rate meanwhile are the figures, with the longest transaction of the purge.
 *
 * Alone is before the purge and after it, and the faster of the two is compared with: a machine that is
 * busy by turns must not make the purge look free. Nothing is counted before the recorder has warmed up
 * (a fresh copy of a database is cold: 1,188 outcomes a second were "alone" once, of 20,000).
 */
import { purgeAttempts } from '../../src/campaigns/retention/store.ts';
import { ATTEMPTS_A_CHUNK } from '../../src/campaigns/retention.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { figure, perSecond, sample } from '../harness/bench.ts';
import type { Bench, Prepared, Sample } from '../harness/bench.ts';
import { BATCH_SIZE, fillCampaign, fillPending } from '../harness/fill.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchServer } from '../harness/postgres.ts';
import { quantile } from '../harness/rounds.ts';
import type { Settings } from '../harness/settings.ts';
import { claim, record } from './queue-work.ts';

const EVENTS = 1_000_000;
const CHUNK = 1_000_000;
/** One in so many events stays. */
const KEPT_EVERY = 100;
/** Outcomes to record: before, after, and as many as can be while so many events are purged. */
const pendingFor = (events: number): number => 120_000 + Math.ceil(events / 1_000) * 150;
const WARM_UP_ROUNDS = 10;
/** Recorded before the purge begins, and as many after it, to compare with. */
const ALONE_ROUNDS = 20;
const BATCHES_A_ROUND = 20;

export const retention: Bench = {
  name: 'retention',
  measures: 'events purged while outcomes are recorded',
  headline: perSecond('events'),
  variants: (settings) => [settings],
  describe: ({ n }) => ({ events: n ?? EVENTS }),
  prepare,
  // Both are our own figures: nobody waits long for a lock, and mail goes on.
  bars: (result) => [
    {
      what: 'longest transaction of the purge, ms',
      want: 1_000,
      better: 'lower',
      got: figure(result, 'longestChunkMs'),
    },
    {
      what: 'recorded while purging, of the rate alone',
      want: 0.5,
      better: 'higher',
      got: figure(result, 'recordedOfAlone'),
    },
  ],
};

interface Filling {
  name: string;
  events: number;
  campaignId: bigint;
}

async function prepare(settings: Settings): Promise<Prepared> {
  const events = settings.n ?? EVENTS;
  const pending = pendingFor(events);
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const source = await server.create();
  stack.onRelease('filled database', () => source.drop());
  const filled = await fillCampaign(source.sql, {
    n: pending,
    state: 'sending',
    sizeBytes: 2_048,
    // With one full batch each.
    evenDomains: Math.floor(pending / BATCH_SIZE),
  });
  await fillPending(source.sql, filled);
  await fillEvents(source.sql, events);
  await source.disconnect();
  const filling = { name: source.name, events, campaignId: filled.campaignId };
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => run(server, filling) }],
    notes: [],
    close: () => stack.release(),
  };
}

/** As the recorder wrote them, 500 days ago. */
async function fillEvents(sql: Sql, n: number): Promise<void> {
  for (let from = 1; from <= n; from += CHUNK) {
    await sql`
      insert into events (at, kind, campaign_id, delivery_id, attempt, stage, mx_host, mx_address,
        reply_code, enhanced_code, reply_text, tls, duration_ms)
      select now() - interval '500 days',
        case when i % ${KEPT_EVERY} = 0 then 'bounce.late' else 'delivery.accepted' end,
        1000000 + i / 100000, 100000000 + i, 1, 'dot', 'mx.big.example', '192.0.2.25:25', 250,
        '2.0.0', 'Ok: queued as 4D1E2F', 'TLSv1.3 TLS_AES_256_GCM_SHA384', 12
      from generate_series(${from}::bigint, ${Math.min(n, from + CHUNK - 1)}::bigint) i`;
  }
  await sql`vacuum analyze events`;
}

async function run(server: BenchServer, filling: Filling): Promise<Sample> {
  const database = await server.create(filling.name);
  const { sql } = database;
  const rounds = async (count: number): Promise<HotPath> => {
    const path = new HotPath(sql, filling.campaignId);
    for (let round = 0; round < count; round += 1) await path.round();
    return path;
  };
  await rounds(WARM_UP_ROUNDS);
  const before = await rounds(ALONE_ROUNDS);
  const meanwhile = new HotPath(sql, filling.campaignId);
  const purging = { over: false };
  const chunksMs: number[] = [];
  const beganMs = performance.now();
  const purge = purgeAll(sql, chunksMs).finally(() => (purging.over = true));
  const spare = (WARM_UP_ROUNDS + 2 * ALONE_ROUNDS + 1) * BATCHES_A_ROUND * BATCH_SIZE;
  const most = pendingFor(filling.events) - spare;
  while (!purging.over && meanwhile.count < most) {
    await meanwhile.round();
  }
  await purge;
  const seconds = (performance.now() - beganMs) / 1_000;
  const after = await rounds(ALONE_ROUNDS);
  const alone = Math.max(before.rate(), after.rate());
  const [left] = await sql<{ old: number }[]>`
    select count(*)::int as old from events where at < now() - interval '400 days'`;
  await database.drop();
  const kept = Math.floor(filling.events / KEPT_EVERY);
  return sample(filling.events, seconds, {
    figures: {
      longestChunkMs: quantile(chunksMs, 1),
      medianChunkMs: quantile(chunksMs, 0.5),
      recordedBefore: before.rate(),
      recordedAfter: after.rate(),
      recordedMeanwhile: meanwhile.rate(),
      recordedOfAlone: meanwhile.rate() / alone,
    },
    faults: [
      ...(left?.old === kept ? [] : [`${left?.old} old events are left, ${kept} should be`]),
      ...(after.count === before.count ? [] : [`${after.count} outcomes recorded after the purge`]),
    ],
  });
}

async function purgeAll(sql: Sql, chunksMs: number[]): Promise<void> {
  const before = new Date(Date.now() - 400 * 86_400_000);
  for (let taken = ATTEMPTS_A_CHUNK; taken >= ATTEMPTS_A_CHUNK;) {
    const beganMs = performance.now();
    taken = await purgeAttempts(sql, before, ATTEMPTS_A_CHUNK);
    chunksMs.push(performance.now() - beganMs);
  }
}

/** Outcomes recorded, some batches a round. */
class HotPath {
  readonly #sql: Sql;
  readonly #campaignId: bigint;
  count = 0;
  #ms = 0;

  constructor(sql: Sql, campaignId: bigint) {
    this.#sql = sql;
    this.#campaignId = campaignId;
  }

  async round(): Promise<void> {
    const rows = await claim(this.#sql, this.#campaignId, {
      claims: 1,
      perClaim: BATCHES_A_ROUND,
    });
    const beganMs = performance.now();
    await record(this.#sql, this.#campaignId, rows);
    this.#ms += performance.now() - beganMs;
    this.count += rows.length;
  }

  /** Outcomes a second. */
  rate(): number {
    return this.#ms === 0 ? 0 : (this.count * 1_000) / this.#ms;
  }
}
