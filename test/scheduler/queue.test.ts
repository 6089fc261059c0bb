import { expect, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { endAll, freeAbandoned } from '../../src/scheduler/keep/keeper.ts';
import {
  claimBatches,
  listCampaignsInWork,
  readRecipients,
  settleBatches,
  wakeDueBatches,
} from '../../src/scheduler/queue/store.ts';
import type { Batch } from '../../src/scheduler/queue/store.ts';
import { rangesOf } from '../../src/scheduler/record/span.ts';
import type { Mark, Span } from '../../src/scheduler/record/span.ts';
import { applyAcceptances, applyStates, markBatches } from '../../src/scheduler/record/store.ts';
import { useDatabase } from '../harness/database.ts';
import { insertCampaign } from '../harness/rows.ts';

type Row = Record<string, unknown>;

const database = useDatabase();
const log = createLogger('silent');

async function campaignOf(recipients: Record<string, number>, more = {}): Promise<bigint> {
  const id = await insertCampaign(database.sql, { recipients, ...more });
  await expandCampaign(
    { sql: database.sql, clock: systemClock, batchSize: 100, chunkSize: 10_000 },
    id,
  );
  return id;
}

function claim(
  campaignId: bigint,
  more: Partial<Parameters<typeof claimBatches>[1]> = {},
): Promise<Batch[]> {
  return claimBatches(database.sql, {
    campaignId,
    afterDomain: '',
    busyDomains: [],
    pausedProviders: [],
    maxDomains: 10,
    maxPerDomain: 1,
    owner: 'me',
    leaseSeconds: 30,
    ...more,
  });
}

async function statesOf(campaignId: bigint): Promise<Record<string, number>> {
  const rows = await database.sql<{ state: string; n: number }[]>`
    select state, count(*)::int as n from deliveries where campaign_id = ${campaignId} group by state`;
  return Object.fromEntries(rows.map((row) => [row.state, row.n]));
}

test('a claim takes one batch of each domain after the cursor, and skips busy domains', async () => {
  const id = await campaignOf({ 'a.example': 300, 'b.example': 1, 'c.example': 1, 'd.example': 1 });
  const first = await claim(id, { maxDomains: 2 });
  expect(first.map((batch) => batch.domain).sort()).toEqual(['a.example', 'b.example']);
  const second = await claim(id, { afterDomain: 'b.example', busyDomains: ['c.example'] });
  expect(second.map((batch) => batch.domain)).toEqual(['d.example']);
});

test('two claimers never get the same batch', async () => {
  const id = await campaignOf({ 'a.example': 2_000 });
  const claims = await Promise.all(
    Array.from({ length: 10 }, (_, index) => claim(id, { owner: `o${index}`, maxPerDomain: 3 })),
  );
  const ids = claims.flat().map((batch) => batch.id);
  expect(new Set(ids).size).toBe(ids.length);
});

function mark(owner: string, ...marks: Mark[]): Promise<Set<bigint>> {
  return markBatches(database.sql, owner, rangesOf(marks));
}

function alone(deliveryId: bigint, batchId: bigint): Span {
  return { firstDeliveryId: deliveryId, lastDeliveryId: deliveryId, batchId };
}

test('spans are ended as one; what of them is not open stays as it is', async () => {
  const id = await campaignOf({ 'a.example': 5, 'b.example': 2 });
  const [batch, other] = await claim(id);
  const { firstDeliveryId, lastDeliveryId, id: batchId } = batch!;
  const spans = [
    { firstDeliveryId, lastDeliveryId, batchId },
    alone(other!.firstDeliveryId, other!.id),
  ];
  const ids = [0n, 1n, 2n, 3n, 4n, 5n].map((step) => firstDeliveryId + step);
  await database.sql`
    update deliveries set state = 'cancelled' where id = ${firstDeliveryId + 2n}`;
  await database.sql`
    update deliveries set attempts = 3 where id = ${firstDeliveryId + 3n}`;
  const applied = await applyAcceptances(database.sql, 'me', spans);
  const attempts = [1, 1, null, 4, 1, 1];
  expect(applied).toEqual(
    new Map(ids.flatMap((one, i) => (attempts[i] == null ? [] : [[one, attempts[i]]]))),
  );
  expect(await applyAcceptances(database.sql, 'me', spans)).toEqual(new Map());
  expect(await statesOf(id)).toEqual({ accepted: 5, cancelled: 1, pending: 1 });
});

test('who lost the lease can neither mark nor record', async () => {
  const id = await campaignOf({ 'a.example': 3 });
  const [batch] = await claim(id);
  const marks = [alone(batch!.firstDeliveryId, batch!.id)];
  const one = { deliveryId: batch!.firstDeliveryId, batchId: batch!.id };
  expect(await mark('somebody else', one)).toEqual(new Set());
  expect(await mark('me', one)).toEqual(new Set([batch!.id]));
  const change = {
    deliveryId: batch!.firstDeliveryId,
    batchId: batch!.id,
    state: 'accepted',
    class: null,
    nextAttemptAt: null,
    counted: true,
  };
  expect(await applyAcceptances(database.sql, 'somebody else', marks)).toEqual(new Map());
  expect(await applyStates(database.sql, 'somebody else', [change])).toEqual(new Map());
  expect(await applyStates(database.sql, 'me', [change])).toEqual(
    new Map([[batch!.firstDeliveryId, 1]]),
  );
});

test('a batch settles as done, waiting or ready by what its rows say', async () => {
  const id = await campaignOf({ 'a.example': 2, 'b.example': 2, 'c.example': 2 });
  const batches = await claim(id);
  const soon = new Date(Date.now() + 60_000);
  await applyStates(
    database.sql,
    'me',
    batches.flatMap((batch) =>
      batch.domain === 'c.example'
        ? []
        : [batch.firstDeliveryId, batch.lastDeliveryId].map((deliveryId, index) => ({
            deliveryId,
            batchId: batch.id,
            state: batch.domain === 'b.example' && index === 1 ? 'pending' : 'accepted',
            class: null,
            nextAttemptAt: batch.domain === 'b.example' && index === 1 ? soon : null,
            counted: true,
          })),
    ),
  );
  await settleBatches(
    database.sql,
    'me',
    batches.map((batch) => batch.id),
  );
  const rows = await database.sql<Row[]>`
    select domain, state, due_at from batches where campaign_id = ${id} order by domain`;
  expect(rows.map((row) => row.state)).toEqual(['done', 'waiting', 'ready']);
  expect(rows[1]?.dueAt).toEqual(soon);
  expect(await wakeDueBatches(database.sql, 100)).toBe(0);
});

test.each([
  ['hold', 'ambiguous'],
  ['retry', 'pending'],
  ['assume_accepted', 'accepted'],
] as const)(
  'after a crash the marked delivery is %s -> %s, the others are pending',
  async (ambiguityPolicy, state) => {
    const id = await campaignOf({ 'a.example': 5 }, { ambiguityPolicy });
    const [batch] = await claim(id);
    await mark('me', { deliveryId: batch!.firstDeliveryId, batchId: batch!.id });
    const deps = { sql: database.sql, clock: systemClock, log, onWork: () => undefined };
    await freeAbandoned(deps, { expiredOnly: true });
    expect(await statesOf(id)).toEqual({ pending: 5 });
    await freeAbandoned(deps, { expiredOnly: false });
    expect(await statesOf(id)).toEqual(
      state === 'pending' ? { pending: 5 } : { [state]: 1, pending: 4 },
    );
    const [row] = await database.sql<
      Row[]
    >`select state, owner, marked from batches where campaign_id = ${id}`;
    expect(row).toEqual({ state: 'ready', owner: null, marked: '{}' });
    const events = await database.sql<Row[]>`
    select kind from events where campaign_id = ${id} and delivery_id = ${batch!.firstDeliveryId}`;
    expect(events.map((event) => event.kind)).toEqual(['delivery.ambiguous']);
  },
);

test('what is past its end expires, chunk by chunk, and the rollups know', async () => {
  const id = await campaignOf({ 'a.example': 150, 'b.example': 2 });
  await endAll({ sql: database.sql, clock: systemClock }, id, 'expired');
  expect(await statesOf(id)).toEqual({ expired: 152 });
  const [row] = await database.sql<Row[]>`
    select sum(count)::int as n from minute_rollups where campaign_id = ${id} and kind = 'delivery.expired'`;
  expect(row?.n).toBe(152);
});

test('who expires because his mailbox was full has a soft bounce, with the last reply', async () => {
  const id = await campaignOf({ 'soft.example': 4 });
  await database.sql`
    update deliveries set class = case recipient_id % 4 when 0 then 'full' when 1 then 'network'
      when 2 then 'inactive' end where campaign_id = ${id}`;
  await database.sql`
    insert into events (kind, campaign_id, delivery_id, class, reply_text)
    select 'delivery.deferred', campaign_id, id, class, '452 4.2.2 over quota'
    from deliveries where campaign_id = ${id} and class = 'full'`;
  await endAll({ sql: database.sql, clock: systemClock }, id, 'expired');
  const rows = await database.sql<Row[]>`
    select kind, class, count, evidence, campaign_id = ${id} as ours from soft_bounces
    order by class`;
  expect(rows).toEqual([
    { kind: 'full', class: 'full', count: 1, evidence: '452 4.2.2 over quota', ours: true },
    { kind: 'soft', class: 'inactive', count: 1, evidence: null, ours: true },
  ]);
});

test('who is cancelled has none', async () => {
  const id = await campaignOf({ 'none.example': 2 });
  await database.sql`update deliveries set class = 'full' where campaign_id = ${id}`;
  await endAll({ sql: database.sql, clock: systemClock }, id, 'cancelled');
  const rows = await database.sql`
    select 1 from soft_bounces where address_key like '%@none.example'`;
  expect(rows).toEqual([]);
});

test('rows come with their recipient and a fresh look at the suppressions', async () => {
  const id = await campaignOf({ 'fresh.example': 2 });
  await database.sql<Row[]>`
    insert into suppressions (address_key, reason, origin, scope, scope_value)
    values ('r1@fresh.example', 'unsubscribe', 'recipient', 'stream', 'marketing')`;
  const batches = await claim(id);
  const campaign = (await listCampaignsInWork(database.sql)).find((row) => row.id === id);
  const rows = await readRecipients(
    database.sql,
    batches.map((batch) => batch.id),
    campaign!,
  );
  expect(rows.map((row) => [row.address, row.suppressed])).toEqual([
    ['r1@fresh.example', true],
    ['r2@fresh.example', false],
  ]);
});

test('an attempt counter at its limit stays there: one delivery must not stop the recorder', async () => {
  const id = await campaignOf({ 'a.example': 1 });
  const [batch] = await claim(id);
  const deliveryId = batch!.firstDeliveryId;
  await database.sql`update deliveries set attempts = 32767 where id = ${deliveryId}`;
  const change = { deliveryId, batchId: batch!.id, state: 'pending', class: null };
  const most = new Map([[deliveryId, 32_767]]);
  const applied = await applyStates(database.sql, 'me', [
    { ...change, nextAttemptAt: null, counted: true },
  ]);
  expect(applied).toEqual(most);
  const spans = [alone(deliveryId, batch!.id)];
  expect(await applyAcceptances(database.sql, 'me', spans)).toEqual(most);
});
