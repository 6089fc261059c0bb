import { expect, test } from 'vitest';
import { addToRollups } from '../../src/kernel/rollups/store.ts';
import { addCounts } from '../harness/counts.ts';
import type { RollupRow } from '../../src/kernel/rollups/store.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const at = new Date('2026-03-01T23:59:30.123Z');

function row(campaignId: bigint, over: Partial<RollupRow> = {}): RollupRow {
  return {
    campaignId,
    at,
    domain: 'a.example',
    kind: 'delivery.bounced',
    class: 'full',
    count: 1,
    ...over,
  };
}

test('the same key is summed, within one call and over calls', async () => {
  await addCounts(database.sql, [row(1n), row(1n, { count: 2 }), row(1n, { class: 'content' })]);
  await addCounts(database.sql, [row(1n, { domain: 'b.example' }), row(1n)]);

  expect(
    await database.sql`select day::text, domain, kind, class, count from daily_rollups
      where campaign_id = 1 order by domain, class`,
  ).toEqual([
    {
      day: '2026-03-01',
      domain: 'a.example',
      kind: 'delivery.bounced',
      class: 'content',
      count: 1n,
    },
    { day: '2026-03-01', domain: 'a.example', kind: 'delivery.bounced', class: 'full', count: 4n },
    { day: '2026-03-01', domain: 'b.example', kind: 'delivery.bounced', class: 'full', count: 1n },
  ]);
  expect(
    await database.sql`select minute, kind, count from minute_rollups where campaign_id = 1`,
  ).toEqual([{ minute: new Date('2026-03-01T23:59:00Z'), kind: 'delivery.bounced', count: 6n }]);
});

test('quarters of an hour by provider: of the table, learned, or other', async () => {
  await database.sql`
    insert into domain_providers (domain, provider, mx_host)
    values ('firm.example', 'qq', 'mx3.qq.com')`;
  const domains = ['qq.com', 'foxmail.com', 'firm.example', 'small.example', 'tiny.example'];
  const of = (domain: string, minute: number) =>
    row(3n, { domain, at: new Date(Date.UTC(2026, 2, 1, 10, minute, 59)) });
  await addCounts(
    database.sql,
    domains.flatMap((domain) => [of(domain, 14), of(domain, 15)]),
  );
  await addCounts(database.sql, [of('qq.com', 29)]);

  expect(
    await database.sql`select slot, provider, kind, class, count from provider_rollups
      where campaign_id = 3 order by slot, provider`,
  ).toMatchObject([
    { slot: new Date('2026-03-01T10:00:00Z'), provider: 'other', count: 2n },
    { slot: new Date('2026-03-01T10:00:00Z'), provider: 'qq', class: 'full', count: 3n },
    { slot: new Date('2026-03-01T10:15:00Z'), provider: 'other', count: 2n },
    { slot: new Date('2026-03-01T10:15:00Z'), provider: 'qq', class: 'full', count: 4n },
  ]);
});

test('no rows: nothing happens', async () => {
  await addCounts(database.sql, []);
});

test('writers with the same rows in other orders never deadlock, and nothing is lost', async () => {
  const domains = Array.from({ length: 40 }, (_, i) => `d${i}.example`);
  const rows = domains.flatMap((domain) => [
    row(2n, { domain }),
    row(2n, { domain, kind: 'delivery.accepted', class: '' }),
  ]);
  await Promise.all(
    Array.from({ length: 24 }, (_, i) =>
      database.sql.begin((tx) => addToRollups(tx, i % 2 === 0 ? rows : rows.toReversed())),
    ),
  );
  expect(
    await database.sql`select kind, sum(count)::int as n from daily_rollups where campaign_id = 2
      group by kind order by kind`,
  ).toEqual([
    { kind: 'delivery.accepted', n: 24 * 40 },
    { kind: 'delivery.bounced', n: 24 * 40 },
  ]);
  expect(
    await database.sql`select kind, sum(count)::int as n from provider_rollups where campaign_id = 2
      group by kind order by kind`,
  ).toEqual([
    { kind: 'delivery.accepted', n: 24 * 40 },
    { kind: 'delivery.bounced', n: 24 * 40 },
  ]);
});
