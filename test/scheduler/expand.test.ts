import { expect, test } from 'vitest';
import { addSuppressions } from '../../src/bounce/suppressions/store.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { useDatabase } from '../harness/database.ts';
import { insertCampaign } from '../harness/rows.ts';

type Row = Record<string, unknown>;

const database = useDatabase();

function deps(chunkSize = 1_000): Parameters<typeof expandCampaign>[0] {
  return { sql: database.sql, clock: systemClock, batchSize: 100, chunkSize };
}

test('deliveries of one domain are one id range, batches own at most 100 of it', async () => {
  const id = await insertCampaign(database.sql, {
    recipients: { 'big.example': 250, 'small.example': 1, 'mid.example': 100 },
  });
  await expandCampaign(deps(), id);
  const batches = await database.sql<Row[]>`
    select domain, last_delivery_id - first_delivery_id + 1 as size from batches
    where campaign_id = ${id} order by first_delivery_id`;
  expect(batches.map((row) => [row.domain, Number(row.size)])).toEqual([
    ['big.example', 100],
    ['big.example', 100],
    ['big.example', 50],
    ['mid.example', 100],
    ['small.example', 1],
  ]);
  const [range] = await database.sql<Row[]>`
    select count(*)::int as n, (max(id) - min(id) + 1)::int as span from deliveries where campaign_id = ${id}`;
  expect(range).toEqual({ n: 351, span: 351 });
  const [campaign] = await database.sql<
    Row[]
  >`select state, expanded_count from campaigns where id = ${id}`;
  expect(campaign).toEqual({ state: 'sending', expandedCount: 351n });
});

test('chunks that end inside a domain leave no gap and no double', async () => {
  const id = await insertCampaign(database.sql, {
    recipients: { 'a.example': 130, 'b.example': 75 },
  });
  await expandCampaign(deps(33), id);
  const [counts] = await database.sql<Row[]>`
    select count(*)::int as n, count(distinct recipient_id)::int as recipients from deliveries
    where campaign_id = ${id}`;
  expect(counts).toEqual({ n: 205, recipients: 205 });
  const [covered] = await database.sql<Row[]>`
    select sum(last_delivery_id - first_delivery_id + 1)::int as n from batches where campaign_id = ${id}`;
  expect(covered?.n).toBe(205);
});

test('the first chunk is a small one, so that sending begins; each is as large as all before it', async () => {
  const id = await insertCampaign(database.sql, { recipients: { 'a.example': 23_000 } });
  await expandCampaign(deps(8_000), id);
  const chunks = await database.sql<{ size: number }[]>`
    select count(*)::int as size from deliveries where campaign_id = ${id}
    group by xmin order by min(id)`;
  expect(chunks.map(({ size }) => size)).toEqual([5_000, 5_000, 8_000, 5_000]);
});

test('two expanders at one time do the work once', async () => {
  const id = await insertCampaign(database.sql, { recipients: { 'a.example': 500 } });
  await Promise.all([expandCampaign(deps(40), id), expandCampaign(deps(40), id)]);
  const [counts] = await database.sql<Row[]>`
    select count(*)::int as n from deliveries where campaign_id = ${id}`;
  expect(counts?.n).toBe(500);
});

test('suppressed recipients are marked, told, counted, and never queued', async () => {
  await database.sql.begin((tx) =>
    addSuppressions(tx, [
      {
        addressKey: 'out@a.example',
        reason: 'manual',
        origin: 'operator',
        evidence: 'asked by phone',
        expiresAt: null,
        campaignId: null,
        deliveryId: null,
      },
    ]),
  );
  const id = await insertCampaign(database.sql, {
    recipients: ['in@a.example', 'out@a.example', 'in2@a.example'],
  });
  await expandCampaign(deps(), id);
  const states = await database.sql<Row[]>`
    select r.address, d.state from deliveries d join recipients r on r.id = d.recipient_id
    where d.campaign_id = ${id} order by d.id`;
  expect(states.map((row) => row.state)).toEqual(['pending', 'suppressed', 'pending']);
  const [rollup] = await database.sql<Row[]>`
    select kind, count from minute_rollups where campaign_id = ${id}`;
  expect(rollup).toEqual({ kind: 'delivery.suppressed', count: 1n });
  const events = await database.sql<Row[]>`
    select kind from events where campaign_id = ${id} and delivery_id is not null`;
  expect(events.map((row) => row.kind)).toEqual(['delivery.suppressed']);
});

test('a campaign that is being cancelled expands to cancelled deliveries', async () => {
  const id = await insertCampaign(database.sql, {
    recipients: { 'a.example': 10 },
    state: 'cancelling',
  });
  await expandCampaign(deps(), id);
  const rows = await database.sql<Row[]>`
    select state, count(*)::int as n from deliveries where campaign_id = ${id} group by state`;
  expect([...rows]).toEqual([{ state: 'cancelled', n: 10 }]);
  const [batches] = await database.sql<
    Row[]
  >`select count(*)::int as n from batches where campaign_id = ${id}`;
  expect(batches?.n).toBe(0);
});

test('a paused campaign is not expanded further', async () => {
  const id = await insertCampaign(database.sql, {
    recipients: { 'a.example': 10 },
    state: 'paused',
  });
  await expandCampaign(deps(), id);
  const [row] = await database.sql<Row[]>`select expanded_count from campaigns where id = ${id}`;
  expect(row?.expandedCount).toBe(0n);
});
