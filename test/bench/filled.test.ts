import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { faultsOfRows } from '../../bench/benches/import.ts';
import { claimsOf, faultsOfClaim, placeOf } from '../../bench/benches/queue.ts';
import { claim, countClaimed, giveBack, record } from '../../bench/benches/queue-work.ts';
import {
  BATCH_SIZE,
  BIG_DOMAIN,
  fillCampaign,
  fillPending,
  smallDomain,
  smallDomainsOf,
} from '../../bench/harness/fill.ts';
import { stopAndCount } from '../../bench/harness/final-count.ts';
import { useDatabase } from '../harness/database.ts';

const N = 6_000;

describe('a filled queue', () => {
  const database = useDatabase();
  let campaignId = 0n;

  beforeAll(async () => {
    const options = { n: N, state: 'sending', sizeBytes: 2_048 } as const;
    const filled = await fillCampaign(database.sql, options);
    await fillPending(database.sql, filled);
    campaignId = filled.campaignId;
  });
  afterAll(() => giveBack(database.sql));

  test('has half of its recipients at one site, and only full batches', async () => {
    const { sql } = database;
    const sites = await sql<{ domain: string; recipients: number }[]>`
      select domain, count(*)::int as recipients from recipients group by 1 order by 1`;
    expect(sites[0]).toEqual({ domain: BIG_DOMAIN, recipients: N / 2 });
    expect(sites.slice(1).map(({ domain }) => domain)).toEqual(
      Array.from({ length: smallDomainsOf(N) }, (_, i) => smallDomain(i)),
    );
    const sizes = await sql<{ size: number }[]>`
      select distinct (last_delivery_id - first_delivery_id + 1)::int as size from batches`;
    expect(sizes).toEqual([{ size: BATCH_SIZE }]);
  });

  test('a claim takes the large site once and goes on where it was told to', async () => {
    const { sql } = database;
    const plan = { claims: 2, perClaim: 5, jumpTo: smallDomain(19) };
    const rows = await claim(sql, campaignId, plan);
    expect(faultsOfClaim(rows, await countClaimed(sql), 10)).toEqual([]);
    const domains = new Set(rows.map(({ address }) => address.split('@')[1]));
    const expected = [0, 1, 2, 3, 20, 21, 22, 23, 24].map(smallDomain);
    expect([...domains].sort()).toEqual([BIG_DOMAIN, ...expected]);
    await giveBack(sql);
    expect(await countClaimed(sql)).toBe(0);
    expect(await claim(sql, campaignId, plan)).toEqual(rows);
    await giveBack(sql);
  });

  test('what is recorded must be what has arrived', async () => {
    const { sql } = database;
    const engine = { stop: async () => undefined };
    const sinkOf = (messages: number) => ({ messages: async () => messages });
    const rows = await claim(sql, campaignId, { claims: 1, perClaim: 2 });
    await record(sql, campaignId, rows);
    expect(await stopAndCount(engine, { sql }, sinkOf(200))).toEqual([]);
    expect(await stopAndCount(engine, { sql }, sinkOf(201))).toEqual([
      '200 recorded accepted, the sink has 201',
    ]);
    await sql`update deliveries set state = 'bounced' where id = ${rows[0]?.deliveryId ?? 0n}`;
    await sql`update deliveries set attempts = 1 where id = (select max(id) from deliveries)`;
    expect(await stopAndCount(engine, { sql }, sinkOf(199))).toEqual([
      '1 were not accepted',
      '1 were put off',
    ]);
  });

  test('rows that are missing or twice there are no import', async () => {
    const { sql } = database;
    expect(await faultsOfRows(sql, campaignId, N)).toEqual([]);
    expect(await faultsOfRows(sql, campaignId, N + 1)).toHaveLength(1);
  });
});

describe('what a claim has taken', () => {
  const rows = Array.from({ length: 200 }, (_, i) => ({
    batchId: BigInt(Math.floor(i / BATCH_SIZE)),
    deliveryId: BigInt(i),
  }));

  test('every batch once and whole', () => {
    expect(faultsOfClaim(rows, 2, 2)).toEqual([]);
  });

  test.each([
    ['a batch too few', rows.slice(0, 100), 2, ['1 batches claimed', '100 recipients read']],
    ['a batch claimed twice', [...rows, ...rows.slice(100)], 2, ['300 recipients', '100 recipi']],
    ['a batch that the database does not know of', rows, 1, ['1 batches are owned']],
  ])('%s is a fault', (_, taken, owned, starts) => {
    const faults = faultsOfClaim(taken, owned, 2);
    expect(faults).toHaveLength(starts.length);
    for (const [i, start] of starts.entries()) expect(faults[i]?.startsWith(start)).toBe(true);
  });
});

describe('where the claims of a large and of a small queue walk', () => {
  test('both make as many, and all of them are full ones', () => {
    expect([100_000, 300_000, 10_000_000].map(claimsOf)).toEqual([20, 20, 20]);
    expect(claimsOf(20_000)).toBe(5);
  });

  test('over the same domains among few, over others each time among many', () => {
    const few = [1, 2, 3].map((index) => placeOf(index, 20, 100_000));
    expect(new Set(few)).toEqual(new Set([smallDomain(18)]));
    const many = Array.from({ length: 100 }, (_, i) => placeOf(i, 20, 10_000_000));
    expect(new Set(many).size).toBe(100);
    expect(many[1]).toBe(smallDomain(18 + 380));
  });

  test('never so near to the end that a claim would not be full', () => {
    for (let index = 0; index < 1_000; index += 1) {
      const place = placeOf(index, 20, 1_000_000);
      expect(place <= smallDomain(smallDomainsOf(1_000_000) - 1 - 380)).toBe(true);
    }
  });
});
