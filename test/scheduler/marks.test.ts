/**
 * The write-ahead mark on the batch: what was marked and has no outcome is in doubt, and nothing else.
 */
import { expect, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { balance, verifyBalance } from '../../src/campaigns/reports.ts';
import { expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { freeAbandoned } from '../../src/scheduler/keep/keeper.ts';
import {
  extendLeases,
  listCampaignsInWork,
  readRecipients,
  settleBatches,
} from '../../src/scheduler/queue/store.ts';
import type { Batch } from '../../src/scheduler/queue/store.ts';
import { createRecorder } from '../../src/scheduler/record/recorder.ts';
import type { Entry, Recorder } from '../../src/scheduler/record/recorder.ts';
import { rangesOf } from '../../src/scheduler/record/span.ts';
import { markBatches, unmarkBatches } from '../../src/scheduler/record/store.ts';
import { resolveAmbiguous } from '../../src/scheduler/resolve/resolve.ts';
import { useDatabase } from '../harness/database.ts';
import { insertCampaign } from '../harness/rows.ts';
import { claim, expandedCampaign } from '../harness/work.ts';

const database = useDatabase();
const log = createLogger('silent');
const deps = () => ({ sql: database.sql, clock: systemClock, log, onWork: () => undefined });

async function campaignOf(count: number, ambiguityPolicy = 'hold', domains = 1): Promise<bigint> {
  const names = Array.from({ length: domains }, (_, index) => [`d${index}.example`, count]);
  const recipients = Object.fromEntries(names) as Record<string, number>;
  return await expandedCampaign(database.sql, { recipients, ambiguityPolicy }, 100);
}

async function claimed(count: number, ambiguityPolicy = 'hold') {
  const campaignId = await campaignOf(count, ambiguityPolicy);
  const [batch] = await claim(database.sql, campaignId);
  return { campaignId, batch: batch! };
}

const nth = (batch: Batch, ...places: number[]): bigint[] =>
  places.map((place) => batch.firstDeliveryId + BigInt(place));
const marksOf = (batch: Batch, ids: bigint[]) =>
  ids.map((deliveryId) => ({ deliveryId, batchId: batch.id }));

async function withRecorder(use: (recorder: Recorder) => Promise<void>, owner = 'me') {
  const recorder = createRecorder({ sql: database.sql, owner, clock: systemClock, log });
  try {
    await use(recorder);
  } finally {
    await recorder.stop(5_000);
  }
}

const ENDS = {
  accepted: { state: 'accepted', event: 'delivery.accepted', class: null },
  bounced: { state: 'bounced', event: 'delivery.bounced', class: 'content' },
  deferred: { state: 'pending', event: 'delivery.deferred', class: 'greylisted' },
  ambiguous: { state: 'ambiguous', event: 'delivery.ambiguous', class: null },
} as const;

function entry(
  batch: Batch,
  deliveryId: bigint,
  end: keyof typeof ENDS,
  nextAttemptAt?: Date,
): Entry {
  return {
    deliveryId,
    batchId: batch.id,
    campaignId: batch.campaignId,
    domain: batch.domain,
    addressKey: 'r@d0.example',
    decision: {
      ...ENDS[end],
      rule: null,
      nextAttemptAt: nextAttemptAt ?? null,
      counted: true,
      suppression: null,
      soft: null,
    },
    outcome: null,
  };
}

/** Flushes what was recorded, without settling. */
async function recorded(entries: Entry[], owner = 'me'): Promise<void> {
  await withRecorder(async (recorder) => {
    for (const each of entries) recorder.record(each);
    return Promise.resolve();
  }, owner);
}

async function batchRow(id: bigint) {
  const [row] = await database.sql`
    select state, owner, marked, lease_until <= now() as lease_over from batches where id = ${id}`;
  return row;
}

async function statesOf(campaignId: bigint): Promise<[bigint, string][]> {
  const rows = await database.sql<{ id: bigint; state: string }[]>`
    select id, state from deliveries where campaign_id = ${campaignId} order by id`;
  return rows.map(({ id, state }) => [id, state]);
}

async function readable(campaignId: bigint, batch: Batch): Promise<bigint[]> {
  const campaign = (await listCampaignsInWork(database.sql)).find(({ id }) => id === campaignId);
  const rows = await readRecipients(database.sql, [batch.id], campaign!);
  return rows.map(({ deliveryId }) => deliveryId);
}

test('a mark is one HOT update of the batch, and no delivery is touched', async () => {
  const { campaignId, batch } = await claimed(50);
  await database.sql.begin(async (tx) => {
    const counted = async () => {
      const [row] = await tx<{ updates: number; hot: number; deliveries: number }[]>`
        select sum(n_tup_upd) filter (where relname = 'batches')::int as updates,
          sum(n_tup_hot_upd) filter (where relname = 'batches')::int as hot,
          sum(n_tup_upd) filter (where relname = 'deliveries')::int as deliveries
        from pg_stat_xact_user_tables`;
      return row!;
    };
    const before = await counted();
    for (let place = 0; place < 10; place += 1) {
      await markBatches(tx, 'me', rangesOf(marksOf(batch, nth(batch, place * 2))));
    }
    const { updates, hot, deliveries } = before;
    expect(await counted()).toEqual({ updates: updates + 10, hot: hot + 10, deliveries });
  });
  expect((await statesOf(campaignId)).every(([, state]) => state === 'pending')).toBe(true);
  const ranges = Array.from({ length: 10 }, (_, i) => nth(batch, i * 2, i * 2 + 1).join(','));
  expect((await batchRow(batch.id))?.marked).toBe(`{${ranges.map((r) => `[${r})`).join(',')}}`);
});

test('the worst mark, every second one of a thousand, is kept whole', async () => {
  const { sql } = database;
  const campaignId = await insertCampaign(sql, { recipients: { 'big.example': 1_000 } });
  const sizes = { batchSize: 1_000, chunkSize: 10_000 };
  await expandCampaign({ sql, clock: systemClock, ...sizes }, campaignId);
  const [batch] = await claim(database.sql, campaignId);
  const ids = Array.from({ length: 500 }, (_, index) => batch!.firstDeliveryId + BigInt(index * 2));
  await markBatches(sql, 'me', rangesOf(marksOf(batch!, ids)));
  await freeAbandoned(deps(), { expiredOnly: false });
  const states = await statesOf(campaignId);
  expect(states.filter(([, state]) => state === 'ambiguous').map(([id]) => id)).toEqual(ids);
});

test('killed between mark and record: exactly what was marked is ambiguous, once, and it adds up', async () => {
  const { campaignId, batch } = await claimed(10);
  await withRecorder(async (recorder) => {
    await recorder.mark(marksOf(batch, nth(batch, 0, 1, 2, 3, 4, 7)));
  });
  await recorded([
    entry(batch, nth(batch, 0)[0]!, 'accepted'),
    entry(batch, nth(batch, 1)[0]!, 'bounced'),
    entry(batch, nth(batch, 2)[0]!, 'deferred', new Date(Date.now() + 60_000)),
    // Refused before a message was made: never marked.
    entry(batch, nth(batch, 5)[0]!, 'deferred'),
  ]);
  await freeAbandoned(deps(), { expiredOnly: true });
  expect(await batchRow(batch.id)).toMatchObject({ state: 'claimed', owner: 'me' });
  await freeAbandoned(deps(), { expiredOnly: false });
  await freeAbandoned(deps(), { expiredOnly: false });

  const expected = ['accepted', 'bounced', 'pending', 'ambiguous', 'ambiguous'];
  expected.push('pending', 'pending', 'ambiguous', 'pending', 'pending');
  expect((await statesOf(campaignId)).map(([, state]) => state)).toEqual(expected);
  expect(await batchRow(batch.id)).toMatchObject({ state: 'ready', owner: null, marked: '{}' });
  const told = await database.sql<{ deliveryId: bigint; attempt: number; stage: string }[]>`
    select delivery_id, attempt, stage from events
    where campaign_id = ${campaignId} and kind = 'delivery.ambiguous' order by 1`;
  const doubtful = nth(batch, 3, 4, 7);
  expect(told).toEqual(doubtful.map((deliveryId) => ({ deliveryId, attempt: 1, stage: 'dot' })));
  const counted = { accepted: 1, bounced: 1, ambiguous: 3, pending: 5 };
  expect(await balance(deps(), campaignId)).toMatchObject({ closes: true, ...counted });
  expect(await verifyBalance(deps(), campaignId)).toMatchObject({ agrees: true, counted });
  const [again] = await claim(database.sql, campaignId, { owner: 'another' });
  expect(await readable(campaignId, again!)).toEqual(nth(batch, 5, 6, 8, 9));
});

test('an outcome that was committed beside the reaper stands', async () => {
  const { campaignId, batch } = await claimed(2);
  await markBatches(database.sql, 'me', rangesOf(marksOf(batch, nth(batch, 0, 1))));
  const reaping = await database.sql.begin(async (tx) => {
    await tx`update deliveries set state = 'accepted' where id = ${batch.firstDeliveryId}`;
    const freed = freeAbandoned(deps(), { expiredOnly: false });
    // The reaper has locked the batch and waits for the row.
    for (let waits = 0; waits === 0;) {
      const [row] = await database.sql<{ n: number }[]>`
        select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      waits = row?.n ?? 0;
    }
    return { freed };
  });
  await reaping.freed;
  expect((await statesOf(campaignId)).map(([, state]) => state)).toEqual(['accepted', 'ambiguous']);
});

test('what is put off is no longer marked, and may be read and marked again', async () => {
  const { campaignId, batch } = await claimed(4);
  const [first, second, third] = nth(batch, 0, 1, 2);
  await markBatches(database.sql, 'me', rangesOf(marksOf(batch, nth(batch, 0, 1, 2))));
  expect(await readable(campaignId, batch)).toEqual(nth(batch, 3));
  await recorded([entry(batch, first!, 'accepted'), entry(batch, second!, 'deferred')]);
  expect(await batchRow(batch.id)).toMatchObject({
    marked: `{[${first},${second}),[${third},${third! + 1n})}`,
  });
  expect(await readable(campaignId, batch)).toEqual([second, ...nth(batch, 3)]);
});

test('what a person sends again while its batch is still at work is not in doubt a second time', async () => {
  const { campaignId, batch } = await claimed(3);
  const [first, second] = nth(batch, 0, 1);
  await withRecorder(async (recorder) => {
    await recorder.mark(marksOf(batch, [first!, second!]));
    recorder.record(entry(batch, first!, 'ambiguous'));
  });
  expect(await resolveAmbiguous(deps(), campaignId, 'retry')).toBe(1);
  await recorded([entry(batch, second!, 'accepted')]);
  await settleBatches(database.sql, 'me', [batch.id]);
  expect(await batchRow(batch.id)).toMatchObject({ state: 'ready', marked: '{}' });
  const [again] = await claim(database.sql, campaignId);
  expect(await readable(campaignId, again!)).toEqual([first, ...nth(batch, 2)]);
});

test('who lost the lease can neither mark, nor record, nor take a mark away, nor settle', async () => {
  const { campaignId, batch } = await claimed(3);
  const marks = marksOf(batch, nth(batch, 0, 1));
  await markBatches(database.sql, 'me', rangesOf(marks));
  const before = await batchRow(batch.id);
  await withRecorder(async (recorder) => {
    await expect(recorder.mark(marksOf(batch, nth(batch, 2)))).rejects.toThrow(/no longer ours/);
  }, 'him');
  await recorded([entry(batch, batch.firstDeliveryId, 'accepted')], 'him');
  await recorded([entry(batch, batch.firstDeliveryId, 'deferred')], 'him');
  await unmarkBatches(database.sql, 'him', rangesOf(marks));
  await settleBatches(database.sql, 'him', [batch.id]);
  expect(await batchRow(batch.id)).toEqual(before);
  expect((await statesOf(campaignId)).every(([, state]) => state === 'pending')).toBe(true);

  await freeAbandoned(deps(), { expiredOnly: false });
  const [other] = await claim(database.sql, campaignId, { owner: 'him' });
  expect(other?.id).toBe(batch.id);
  await withRecorder(async (recorder) => {
    await expect(recorder.mark(marksOf(batch, nth(batch, 2)))).rejects.toThrow(/no longer ours/);
  });
  expect(await batchRow(batch.id)).toMatchObject({ owner: 'him', marked: '{}' });
});

test('one mark for batches of which one is lost: the others are marked', async () => {
  const campaignId = await campaignOf(2, 'hold', 3);
  const batches = (await claim(database.sql, campaignId)).sort((one, other) =>
    one.id < other.id ? -1 : 1,
  );
  await database.sql`update batches set owner = 'him' where id = ${batches[1]!.id}`;
  await withRecorder(async (recorder) => {
    const calls = batches.map((batch) => recorder.mark(marksOf(batch, nth(batch, 0))));
    const ends = await Promise.allSettled(calls);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});

test('a process does not claim again what it still holds: it has lost it for good', async () => {
  const { campaignId, batch } = await claimed(2);
  await freeAbandoned(deps(), { expiredOnly: false });
  expect(await claim(database.sql, campaignId, { owner: 'me', heldBatches: [batch.id] })).toEqual(
    [],
  );
  expect(await markBatches(database.sql, 'me', rangesOf(marksOf(batch, nth(batch, 0))))).toEqual(
    new Set(),
  );
  expect(
    (await claim(database.sql, campaignId, { owner: 'me', heldBatches: [] })).map(({ id }) => id),
  ).toEqual([batch.id]);
});

test.each([
  ['hold', 'ambiguous'],
  ['retry', 'pending'],
  ['assume_accepted', 'accepted'],
])(
  'settled while one is in doubt (%s): nobody sends it, the reaper makes it %s and goes on',
  async (policy, state) => {
    const { campaignId, batch } = await claimed(3, policy);
    const [first, second, third] = nth(batch, 0, 1, 2);
    await withRecorder(async (recorder) => {
      await recorder.mark(marksOf(batch, [first!, second!]));
      recorder.record(entry(batch, first!, 'accepted'));
      await recorder.settle(batch.id);
    });
    expect(await batchRow(batch.id)).toMatchObject({
      state: 'claimed',
      owner: null,
      leaseOver: true,
    });
    expect(await claim(database.sql, campaignId)).toEqual([]);
    expect(await readable(campaignId, batch)).toEqual([third]);
    await freeAbandoned(deps(), { expiredOnly: true });
    expect((await statesOf(campaignId)).map(([, each]) => each)).toEqual([
      'accepted',
      state,
      'pending',
    ]);
    expect(await verifyBalance(deps(), campaignId)).toMatchObject({ agrees: true });

    const [again] = await claim(database.sql, campaignId);
    const left = await readable(campaignId, again!);
    expect(left).toEqual(state === 'pending' ? [second, third] : [third]);
    await recorded(left.map((id) => entry(batch, id, 'accepted')));
    await settleBatches(database.sql, 'me', [batch.id]);
    expect(await batchRow(batch.id)).toMatchObject({ state: 'done', marked: '{}' });
  },
);

test('marks, outcomes, settlements and leases at one time: nobody waits in a circle, nothing is left marked', async () => {
  const campaignId = await campaignOf(40, 'hold', 20);
  const batches = await claim(database.sql, campaignId);
  expect(batches).toHaveLength(20);
  const ids = batches.map(({ id }) => id);
  let running = true;
  async function keepLeases(): Promise<void> {
    while (running) await extendLeases(database.sql, 'me', ids.toReversed(), 60);
  }
  const leases = keepLeases();
  const complaints: unknown[] = [];
  const listening = Object.assign(createLogger('silent'), {
    error: (what: unknown) => complaints.push(what),
  });
  const recorder = createRecorder({
    sql: database.sql,
    owner: 'me',
    clock: systemClock,
    log: listening,
  });
  const lanes = batches.map(async (batch, index) => {
    for (let place = 0; place < 40; place += 1) {
      // Each lane walks its batch in another order.
      const [id] = nth(batch, (place * 7 + index) % 40);
      await recorder.mark(marksOf(batch, [id!]));
      recorder.record(entry(batch, id!, place % 3 === 0 ? 'deferred' : 'accepted', new Date(0)));
    }
    await recorder.settle(batch.id);
  });
  await Promise.all(lanes);
  await recorder.stop(5_000);
  running = false;
  await leases;
  const rows = await database.sql`
    select state, marked, count(*)::int as n from batches where campaign_id = ${campaignId}
    group by 1, 2`;
  expect(rows).toEqual([{ state: 'ready', marked: '{}', n: 20 }]);
  // PostgreSQL breaks a circle by refusing one of its statements.
  expect(complaints).toEqual([]);
  expect(await verifyBalance(deps(), campaignId)).toMatchObject({
    agrees: true,
    counted: { accepted: 20 * 26, pending: 20 * 14 },
  });
});
