import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Grouping, Topic } from '../../src/campaigns/reports/figures.ts';
import {
  GROUPINGS_OF,
  readPeriodReport,
  streamPeriodReport,
} from '../../src/campaigns/reports/period-report.ts';
import type {
  Filters,
  PeriodQuery,
  PeriodReportRow,
} from '../../src/campaigns/reports/period-report.ts';
import { largestDomains } from '../../src/campaigns/reports/period/largest.ts';
import { countCampaignDays, rankDomains } from '../../src/campaigns/reports/period/store.ts';
import { dayNames, parsePeriod, periodBefore } from '../../src/campaigns/reports/period.ts';
import { addSuppressions } from '../../src/bounce/suppressions/store.ts';
import type { EventKind } from '../../src/kernel/events.ts';
import { formatId } from '../../src/kernel/ids.ts';
import { addCounts } from '../harness/counts.ts';
import type { RollupRow } from '../../src/kernel/rollups/store.ts';
import { useDatabase } from '../harness/database.ts';
import { makeCampaign, makeSender, testDeps } from './fixture.ts';

const database = useDatabase();
const deps = () => testDeps(database.sql);
const NO_FILTERS: Filters = {
  class: null,
  provider: null,
  domain: null,
  senderId: null,
  campaignId: null,
};

function queryOf(
  topic: Topic,
  groupBy: Grouping,
  filters: Partial<Filters> = {},
  days: [string, string] = ['2031-01-08', '2031-01-14'],
): PeriodQuery {
  return { topic, groupBy, period: parsePeriod(...days), filters: { ...NO_FILTERS, ...filters } };
}

async function read(...args: Parameters<typeof queryOf>) {
  return await readPeriodReport(deps(), queryOf(...args), 100);
}

/** `[key, figure]` of each row. */
function pairs(rows: readonly PeriodReportRow[], figure: string): [string, number | null][] {
  return rows.map(({ key, figures }) => [key, figures[figure] ?? null]);
}

let one = 0n;
let two = 0n;
let otherSender = 0n;

beforeAll(async () => {
  one = (await makeCampaign(deps(), { name: 'One' })).id;
  otherSender = (await makeSender(deps())).id;
  two = (await makeCampaign(deps(), { name: 'Two', senderId: otherSender })).id;
  const notice = (await makeCampaign(deps(), { name: 'Notice' })).id;
  await database.sql`update campaigns set purpose = 'notice' where id = ${notice}`;
  const fact = (
    campaignId: bigint,
    at: string,
    domain: string,
    kind: EventKind,
    count: number,
    cls = '',
  ): RollupRow => ({ campaignId, at: new Date(`2031-01-${at}Z`), domain, kind, class: cls, count });
  await addCounts(database.sql, [
    fact(one, '08T00:00:00', 'qq.com', 'delivery.accepted', 100),
    fact(one, '08T01:30:00', 'foxmail.com', 'delivery.accepted', 100),
    fact(one, '14T23:59:59', 'small.example', 'delivery.accepted', 50),
    fact(two, '10T10:00:00', 'qq.com', 'delivery.accepted', 150),
    fact(one, '08T00:20:00', 'qq.com', 'delivery.bounced', 10, 'bad_mailbox'),
    fact(two, '09T00:00:00', 'qq.com', 'delivery.bounced', 4, 'full'),
    fact(two, '10T10:00:00', 'small.example', 'bounce.late', 6, 'bad_mailbox'),
    fact(one, '08T00:20:00', 'qq.com', 'delivery.deferred', 40, 'rate_limited'),
    fact(one, '09T00:20:00', 'qq.com', 'delivery.expired', 10, 'rate_limited'),
    fact(one, '11T00:20:00', 'foxmail.com', 'feedback.complaint', 3),
    fact(one, '11T00:20:00', 'foxmail.com', 'recipient.unsubscribed', 5),
    fact(one, '11T00:20:00', 'foxmail.com', 'delivery.suppressed', 7),
    // The week before, and one moment outside on either side.
    fact(one, '02T00:10:00', 'qq.com', 'delivery.accepted', 20),
    fact(one, '02T00:10:00', 'qq.com', 'delivery.bounced', 5, 'bad_mailbox'),
    fact(one, '07T23:59:59', 'qq.com', 'delivery.bounced', 1, 'content'),
    fact(one, '15T00:00:00', 'qq.com', 'delivery.bounced', 1_000, 'full'),
    {
      ...fact(one, '01T00:00:00', 'qq.com', 'delivery.bounced', 1_000, 'full'),
      at: new Date('2030-12-31T23:59:59Z'),
    },
    // Mail of Volley itself.
    fact(notice, '08T00:00:00', 'qq.com', 'delivery.accepted', 9_999),
    fact(notice, '08T00:00:00', 'qq.com', 'delivery.bounced', 9_999, 'full'),
  ]);
});

describe('bounces', () => {
  test('by class: rates over everything delivered, beside the period before', async () => {
    const report = await read('bounces', 'class');
    expect(dayNames(report.period)).toEqual({ from: '2031-01-08', to: '2031-01-14' });
    expect(dayNames(report.before)).toEqual({ from: '2031-01-01', to: '2031-01-07' });
    expect(report.rows).toEqual([
      {
        key: 'bad_mailbox',
        name: null,
        figures: { delivered: 400, bounced: 10, bounced_late: 6, total: 16, rate: 0.04 },
        before: { delivered: 20, bounced: 5, bounced_late: 0, total: 5, rate: 0.25 },
      },
      {
        key: 'full',
        name: null,
        figures: { delivered: 400, bounced: 4, bounced_late: 0, total: 4, rate: 0.01 },
        before: { delivered: 20, bounced: 0, bounced_late: 0, total: 0, rate: 0 },
      },
      {
        key: 'content',
        name: null,
        figures: { delivered: 400, bounced: 0, bounced_late: 0, total: 0, rate: 0 },
        before: { delivered: 20, bounced: 1, bounced_late: 0, total: 1, rate: 0.05 },
      },
    ]);
    expect(report.totals).toEqual({
      figures: { delivered: 400, bounced: 14, bounced_late: 6, total: 20, rate: 0.05 },
      before: { delivered: 20, bounced: 6, bounced_late: 0, total: 6, rate: 0.3 },
    });
    expect(report.hasMore).toBe(false);
  });

  test.each<[Grouping, [string, number][]]>([
    [
      'provider',
      [
        ['qq', 14],
        ['other', 6],
      ],
    ],
    [
      'domain',
      [
        ['qq.com', 14],
        ['small.example', 6],
      ],
    ],
    [
      'hour',
      [
        ['2031-01-08T00:00:00Z', 10],
        ['2031-01-08T01:00:00Z', 0],
        ['2031-01-08T23:00:00Z', 0],
      ],
    ],
    [
      'day',
      [
        ['2031-01-08', 10],
        ['2031-01-09', 4],
        ['2031-01-10', 6],
        ['2031-01-14', 0],
      ],
    ],
  ])('by %s', async (groupBy, expected) => {
    const days: [string, string] | undefined =
      groupBy === 'hour' ? ['2031-01-08', '2031-01-08'] : undefined;
    const report = await read('bounces', groupBy, {}, days);
    expect(pairs(report.rows, 'total')).toEqual(expected);
  });

  test('by sender and campaign: public ids, with names', async () => {
    const campaigns = await read('bounces', 'campaign');
    expect(campaigns.rows.map(({ key, name, figures }) => [key, name, figures['total']])).toEqual([
      [formatId('cmp', one), 'One', 10],
      [formatId('cmp', two), 'Two', 10],
    ]);
    const senders = await read('bounces', 'sender');
    expect(senders.rows.map(({ name, figures }) => [name, figures['total']])).toEqual([
      ['news@shop.example', 10],
      ['news@shop.example', 10],
    ]);
    expect(senders.rows.map(({ key }) => key)).toContain(formatId('snd', otherSender));
  });

  test('a day is compared with the day of the same place in the period before', async () => {
    const { rows } = await read('bounces', 'day');
    expect(rows.map(({ key, before }) => [key, before['total']])).toEqual([
      ['2031-01-08', 0],
      ['2031-01-09', 5],
      ['2031-01-10', 0],
      ['2031-01-14', 1],
    ]);
  });

  test.each<[Partial<Filters>, Grouping, [string, number][]]>([
    [
      { class: 'full' },
      'provider',
      [
        ['qq', 4],
        ['other', 0],
      ],
    ],
    [{ provider: 'other' }, 'class', [['bad_mailbox', 6]]],
    [{ provider: 'other' }, 'domain', [['small.example', 6]]],
    [{ domain: 'qq.com' }, 'provider', [['qq', 14]]],
    [
      { domain: 'small.example' },
      'day',
      [
        ['2031-01-10', 6],
        ['2031-01-14', 0],
      ],
    ],
    [{ domain: 'small.example', provider: 'qq' }, 'class', []],
  ])('only %j, by %s', async (filters, groupBy, expected) => {
    const report = await read('bounces', groupBy, filters);
    expect(pairs(report.rows, 'total')).toEqual(expected);
  });

  test('only of a campaign, only of a sender', async () => {
    expect(pairs((await read('bounces', 'class', { campaignId: two })).rows, 'total')).toEqual([
      ['bad_mailbox', 6],
      ['full', 4],
    ]);
    const sender = await read('bounces', 'class', { senderId: otherSender });
    expect(sender.totals.figures).toMatchObject({ delivered: 150, total: 10 });
  });

  test('nothing delivered: no rate', async () => {
    const report = await read('bounces', 'class', {}, ['2032-01-01', '2032-01-02']);
    expect(report.rows).toEqual([]);
    expect(report.totals.figures).toEqual({
      delivered: 0,
      bounced: 0,
      bounced_late: 0,
      total: 0,
      rate: null,
    });
  });
});

test('complaints are a share of what was delivered to the same provider', async () => {
  const { rows } = await read('complaints', 'provider');
  expect(rows).toMatchObject([
    { key: 'qq', figures: { delivered: 350, complained: 3, unsubscribed: 5, rate: 0.008571 } },
    { key: 'other', figures: { delivered: 50, complained: 0, rate: 0 } },
  ]);
});

test('domains: everything that receivers did with our mail', async () => {
  const { rows } = await read('domains', 'domain');
  expect(rows.map(({ key }) => key)).toEqual(['qq.com', 'foxmail.com', 'small.example']);
  expect(rows[0]?.figures).toEqual({
    delivered: 250,
    bounced: 14,
    bounced_late: 0,
    expired: 10,
    deferred: 40,
    complained: 0,
    unsubscribed: 0,
    suppressed: 0,
    bounce_rate: 0.056,
    deferral_rate: 0.127389,
    complaint_rate: 0,
  });
  expect(rows[1]?.figures).toMatchObject({ suppressed: 7, complaint_rate: 0.03, bounce_rate: 0 });
});

test('suppressions, by reason, provider and domain; whoever added them; once', async () => {
  const add = (addressKey: string, reason: 'hard_bounce' | 'manual', campaignId: bigint | null) =>
    database.sql.begin((tx) =>
      addSuppressions(tx, [
        {
          addressKey,
          reason,
          origin: 'recipient',
          evidence: null,
          campaignId,
          deliveryId: null,
          expiresAt: null,
        },
      ]),
    );
  await add('a@qq.com', 'hard_bounce', one);
  await add('a@qq.com', 'hard_bounce', one);
  await add('b@foxmail.com', 'hard_bounce', one);
  await add('"c@d"@small.example', 'manual', null);
  const today = new Date().toISOString().slice(0, 10);
  const added = async (groupBy: Grouping) =>
    pairs((await read('suppressions', groupBy, {}, [today, today])).rows, 'added');
  expect(await added('class')).toEqual([
    ['hard_bounce', 2],
    ['manual', 1],
  ]);
  expect(await added('provider')).toEqual([
    ['qq', 2],
    ['other', 1],
  ]);
  expect(await added('domain')).toEqual([
    ['foxmail.com', 1],
    ['qq.com', 1],
    ['small.example', 1],
  ]);
  expect(await added('campaign')).toEqual([[formatId('cmp', one), 2]]);
  expect(await added('day')).toEqual([[today, 3]]);
});

test('the limit cuts rows, not totals; a stream has all rows', async () => {
  const query = queryOf('domains', 'domain');
  const cut = await readPeriodReport(deps(), query, 1);
  expect(cut.rows.map(({ key }) => key)).toEqual(['qq.com']);
  expect(cut).toMatchObject({ hasMore: true, totals: { figures: { delivered: 400 } } });
  const whole = await readPeriodReport(deps(), query, 3);
  expect(whole.hasMore).toBe(false);
  for (const topic of ['bounces', 'domains'] as const) {
    for (const groupBy of GROUPINGS_OF[topic]) {
      if (groupBy === 'hour') continue;
      const streamed: PeriodReportRow[] = [];
      for await (const rows of streamPeriodReport(deps(), queryOf(topic, groupBy))) {
        streamed.push(...rows);
      }
      const { rows } = await read(topic, groupBy);
      expect(streamed).toEqual(expect.arrayContaining(rows));
      expect(streamed.slice(0, rows.length)).toEqual(rows);
    }
  }
});

test.each<[Topic, Grouping, Partial<Filters>, [string, string], string]>([
  ['complaints', 'class', {}, ['2031-01-01', '2031-01-02'], 'group_by'],
  ['domains', 'day', { class: 'full' }, ['2031-01-01', '2031-01-02'], 'class'],
  ['bounces', 'hour', { domain: 'qq.com' }, ['2031-01-01', '2031-01-02'], 'group_by'],
  ['bounces', 'hour', {}, ['2031-01-01', '2031-02-01'], 'to'],
])('%s by %s of %j in %j is refused', async (topic, groupBy, filters, days, pointer) => {
  const refused = { code: 'invalid_request', errors: [expect.objectContaining({ pointer })] };
  const query = queryOf(topic, groupBy, filters, days);
  await expect(readPeriodReport(deps(), query, 10)).rejects.toMatchObject(refused);
  expect(() => streamPeriodReport(deps(), query)).toThrow(expect.objectContaining(refused));
});

describe('periods', () => {
  test.each([
    ['2031-13-01', '2031-01-01', 'from'],
    ['yesterday', '2031-01-01', 'from'],
    ['2031-01-02', '2031-01-01', 'from'],
    ['2031-02-30', '2031-03-01', 'from'],
    ['2031-01-01', '2031-1-2', 'to'],
    ['2031-01-01', '2032-01-04', 'to'],
  ])('%s to %s is refused', (from, to, pointer) => {
    expect(() => parsePeriod(from, to)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        errors: [expect.objectContaining({ pointer })],
      }),
    );
  });

  test('the one before ends where this begins, leap day or not', () => {
    const march = parsePeriod('2028-03-01', '2028-03-31');
    expect(dayNames(periodBefore(march))).toEqual({ from: '2028-01-30', to: '2028-02-29' });
  });
});

describe('the largest domains', () => {
  test('are bounded by the days of campaigns in the period, not by history or notices', async () => {
    // Of the facts above `one` was accepted on two days, `two` and a notice on one; 50 years before too.
    await database.sql`
      insert into provider_rollups (campaign_id, slot, provider, kind, count)
      select ${one}, '1981-01-08'::timestamptz + n * interval '1 day', 'qq', 'delivery.accepted', 1
      from generate_series(1, 500) n`;
    const days = (filters: Partial<Filters>) =>
      countCampaignDays(database.sql, queryOf('domains', 'domain', filters));
    expect(await days({})).toBe(3);
    expect(await days({ campaignId: one })).toBe(2);
    expect(await days({ senderId: otherSender })).toBe(1);
    expect(await days({ provider: 'other' })).toBe(1);
    await database.sql`delete from provider_rollups where slot < '1990-01-01'`;
  });

  test('are the same whether small rows are added up or not', async () => {
    const query = queryOf('domains', 'domain', {}, ['2040-01-01', '2040-01-05']);
    const campaigns = [one, two];
    const rows = fc.array(
      fc.record({
        domain: fc.integer({ min: 0, max: 30 }).map((i) => `d${i}.example`),
        campaignId: fc.constantFrom(...campaigns),
        day: fc.integer({ min: 1, max: 6 }),
        count: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 400 })),
      }),
      { minLength: 1, maxLength: 120 },
    );
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 12 }), async (facts, limit) => {
        await database.sql`delete from daily_rollups where day >= '2040-01-01'`;
        await database.sql`delete from provider_rollups where slot >= '2040-01-01'`;
        await addCounts(
          database.sql,
          facts.map(({ day, ...fact }) => ({
            ...fact,
            at: new Date(Date.UTC(2040, 0, day)),
            kind: 'delivery.accepted',
            class: '',
          })),
        );
        const all = await rankDomains(database.sql, query, limit, 1);
        expect(await largestDomains(database.sql, query, limit)).toEqual(
          all.map(({ domain }) => domain),
        );
      }),
      { numRuns: 40 },
    );
  });
});
