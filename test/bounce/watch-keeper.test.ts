/** The watch over weeks, on a clock that the test sets; real tables, real notices, no mail on the wire. */
import { beforeEach, describe, expect, test } from 'vitest';
import { SOFT_LIMITS } from '../../src/bounce/policy.ts';
import { countSoftBounces } from '../../src/bounce/soft-bounces/store.ts';
import type { SoftBounce } from '../../src/bounce/soft-bounces/store.ts';
import { addSuppressions, findSuppressions } from '../../src/bounce/suppressions/store.ts';
import { takeWatchTurn } from '../../src/bounce/watch/keeper.ts';
import type { WatchDeps } from '../../src/bounce/watch/keeper.ts';
import { createNotices } from '../../src/campaigns/notices.ts';
import { loadLetters } from '../../src/campaigns/notices/letters.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { testDeps } from '../campaigns/fixture.ts';
import { useDatabase } from '../harness/database.ts';
import { insertCampaign } from '../harness/rows.ts';

const database = useDatabase();
/** Tomorrow morning: what the test makes expires later than the database's own clock. */
const start = new Date(Date.now() + 86_400_000).setUTCHours(10, 0, 0, 0);
let now = new Date(start);
const clock = () => now;
const day = (count: number) => new Date(start + count * 86_400_000);
const ANN = 'ann@x.example';
let campaignId: bigint;

beforeEach(async () => {
  await database.sql`truncate suppressions, events, soft_bounces, watched_addresses, notices,
    recipients, deliveries, batches, campaigns, senders, contents cascade`;
  campaignId = await insertCampaign(database.sql, {
    recipients: ['Ann@x.example', 'bob@x.example'],
  });
  await database.sql`update recipients set address_key = lower(address)`;
  now = new Date(start);
});

const deps = (over: Partial<WatchDeps> = {}): WatchDeps => ({
  sql: database.sql,
  clock,
  log: createLogger('silent'),
  notices: createNotices({ ...testDeps(database.sql), clock }),
  compose: loadLetters(),
  action: 'probe',
  limits: SOFT_LIMITS,
  times: { warnAfterDays: 1, probeAfterDays: 3, graceDays: 5 },
  ...over,
});

const turnAt = async (count: number, over: Partial<WatchDeps> = {}): Promise<void> => {
  now = day(count);
  await takeWatchTurn(deps(over));
};

const fail = async (count: number, over: Partial<SoftBounce> = {}): Promise<void> => {
  const row: SoftBounce = {
    addressKey: ANN,
    kind: 'soft',
    class: 'blocked_by_recipient',
    evidence: '550 5.7.1 not now',
    campaignId,
    at: day(count),
    ...over,
  };
  await database.sql.begin((tx) => countSoftBounces(tx, [row]));
};

const watched = async () => {
  const [row] = await database.sql`
    select state, bounced from watched_addresses where address_key = ${ANN}`;
  return row === undefined
    ? 'active'
    : `${row['state']}${row['bounced'] === true ? ' bounced' : ''}`;
};
const listed = async () =>
  (await findSuppressions(database.sql, [ANN], null)).map((row) => `${row.reason} ${row.class}`);
const sent = async () =>
  (
    await database.sql<{ kind: string }[]>`
      select kind from notices where address_key = ${ANN} order by id`
  ).map((row) => row.kind);

/** What the wire would have done with the newest notice. */
async function settleNotice(state: string, className: string | null = null, late?: string) {
  const [notice] = await database.sql<{ campaignId: bigint }[]>`
    select campaign_id from notices where address_key = ${ANN} order by id desc limit 1`;
  const id = notice?.campaignId ?? 0n;
  await expandCampaign({ sql: database.sql, clock, batchSize: 100, chunkSize: 1_000 }, id);
  const [delivery] = await database.sql<{ id: bigint }[]>`
    update deliveries set state = ${state}, class = ${className}
    where campaign_id = ${id} returning id`;
  if (late !== undefined) {
    await database.sql`
      insert into events (kind, campaign_id, delivery_id, class, reply_text)
      values ('bounce.late', ${id}, ${delivery?.id ?? 0n}, ${late}, '552 5.2.2 still full')`;
  }
}

async function becomesSuspect(): Promise<void> {
  for (const count of [0, 0, 2]) await fail(count);
  await turnAt(2);
  expect(await watched()).toBe('suspect');
}

test('three failures on two days, a warning and a probe that come back: given up, with the evidence', async () => {
  await becomesSuspect();
  await turnAt(2.9);
  expect(await sent()).toEqual([]);
  await turnAt(3.1);
  expect([await watched(), await sent()]).toEqual(['warned', ['warning']]);
  await settleNotice('expired', 'full');
  await turnAt(5);
  expect(await watched()).toBe('warned bounced');
  await turnAt(7.9);
  expect(await sent()).toEqual(['warning']);
  await turnAt(8.1);
  expect([await watched(), await sent()]).toEqual(['probed', ['warning', 'probe']]);
  expect(await listed()).toEqual([]);
  await settleNotice('accepted', null, 'full');
  await turnAt(9);

  expect([await watched(), await listed()]).toEqual([
    'active',
    ['soft_bounce_limit blocked_by_recipient'],
  ]);
  const [row] = await findSuppressions(database.sql, [ANN], null);
  expect(row).toMatchObject({
    origin: 'system',
    evidence: '552 5.2.2 still full',
    campaignId,
    expiresAt: day(189),
  });
  expect(await database.sql`select 1 from soft_bounces`).toEqual([]);
});

test.each([
  ['accepted', null],
  ['expired', 'network'],
  ['bounced', 'reputation'],
  ['bounced', 'content'],
  ['suppressed', null],
])(
  'a warning that ends %s (%s) clears him, and his count begins at nothing',
  async (state, name) => {
    await becomesSuspect();
    await turnAt(3.1);
    await settleNotice(state, name);
    await turnAt(9);
    expect([await watched(), await listed()]).toEqual(['active', []]);
    await fail(9);
    await turnAt(9.5);
    expect(await watched()).toBe('active');
  },
);

test('a warning taken and reported back within the grace counts as bounced', async () => {
  await becomesSuspect();
  await turnAt(3.1);
  await settleNotice('accepted');
  await turnAt(5);
  expect(await watched()).toBe('warned');
  await database.sql`
    insert into events (kind, campaign_id, delivery_id, class)
    select 'bounce.late', campaign_id, id, 'full' from deliveries order by id desc limit 1`;
  await turnAt(6);
  expect(await watched()).toBe('warned bounced');
});

test('who is suppressed meanwhile, by whatever, is not written to again', async () => {
  await becomesSuspect();
  await database.sql.begin((tx) =>
    addSuppressions(tx, [
      {
        addressKey: ANN,
        reason: 'complaint',
        origin: 'recipient',
        evidence: null,
        campaignId: null,
        deliveryId: null,
        expiresAt: null,
      },
    ]),
  );
  await turnAt(4);
  expect([await watched(), await sent()]).toEqual(['active', []]);
});

describe('the limits', () => {
  test.each([
    ['three on one day', [0, 0, 0], 'soft', 'active'],
    ['two on two days', [0, 1], 'soft', 'active'],
    ['three on two days', [0, 1, 1], 'soft', 'suspect'],
    ['three, the first over thirty days ago', [0, 20, 31], 'soft', 'active'],
    ['three within thirty days', [2, 20, 31], 'soft', 'suspect'],
    ['full four times', [0, 5, 10, 15], 'full', 'active'],
    ['full five times in sixty days', [0, 10, 20, 30, 50], 'full', 'suspect'],
    ['full five times on three days', [0, 0, 1, 1, 2], 'full', 'active'],
  ] as const)('%s: %s', async (_name, failures, kind, expected) => {
    for (const count of failures) await fail(count, { kind });
    await turnAt(failures.at(-1) ?? 0);
    expect(await watched()).toBe(expected);
  });

  test('soft and full are counted apart, and other people too', async () => {
    await fail(0);
    await fail(1, { kind: 'full' });
    await fail(2, { addressKey: 'bob@x.example' });
    await fail(3);
    await turnAt(3);
    expect(await watched()).toBe('active');
  });

  test('what no window reaches is forgotten', async () => {
    await fail(0);
    await turnAt(61);
    expect(await database.sql`select 1 from soft_bounces`).toEqual([]);
  });
});

test('with the action suppress nobody is asked; with none nothing follows', async () => {
  for (const count of [0, 1, 2]) await fail(count);
  await turnAt(2, { action: 'none' });
  expect([await watched(), await listed()]).toEqual(['active', []]);
  await fail(3);
  await turnAt(3, { action: 'suppress' });
  expect(await listed()).toEqual(['soft_bounce_limit blocked_by_recipient']);
  expect(await sent()).toEqual([]);
});

test('an inactive mailbox is asked again when its time is over; after three times it is left alone', async () => {
  const suppress = async () =>
    await database.sql.begin((tx) =>
      addSuppressions(tx, [
        {
          addressKey: ANN,
          reason: 'hard_bounce',
          class: 'inactive',
          origin: 'recipient',
          evidence: '550 no=1000742',
          campaignId,
          deliveryId: null,
          expiresAt: new Date(now.getTime() + 90 * 86_400_000),
        },
      ]),
    );
  await suppress();
  await turnAt(89);
  expect([await sent(), await listed()]).toEqual([[], ['hard_bounce inactive']]);
  for (const round of [1, 2, 3]) {
    await turnAt(91 * round);
    expect([await watched(), (await sent()).length]).toEqual(['probed', round]);
    expect(await listed()).toEqual([]);
    // The recorder suppresses at once what is refused again.
    await settleNotice('bounced', 'inactive');
    await suppress();
    await turnAt(91 * round + 0.1);
    expect([await watched(), await listed()]).toEqual(['active', ['hard_bounce inactive']]);
  }
  await turnAt(91 * 4);
  expect(await sent()).toHaveLength(3);
  const [row] = await findSuppressions(database.sql, [ANN], null);
  expect(row).toMatchObject({ class: 'inactive', expiresAt: null });
});

test('an inactive mailbox that answers again is active', async () => {
  await database.sql`
    insert into suppressions (address_key, reason, class, origin, campaign_id, expires_at)
    values (${ANN}, 'hard_bounce', 'inactive', 'recipient', ${campaignId}, ${day(1)})`;
  await turnAt(2);
  await settleNotice('accepted');
  await turnAt(8);
  expect([await watched(), await listed()]).toEqual(['active', []]);
  const [row] = await database.sql`select released_by from suppressions`;
  expect(row).toEqual({ releasedBy: 'expired' });
});

test('thousands at once: every one is written to once, in few orders, by several nodes', async () => {
  const keys = Array.from({ length: 2_500 }, (_, i) => `u${i}@x.example`);
  for (const count of [0, 1, 2]) {
    await database.sql.begin((tx) =>
      countSoftBounces(
        tx,
        keys.map((addressKey) => ({
          addressKey,
          kind: 'soft' as const,
          class: 'bad_mailbox',
          evidence: '450 4.1.1 try later',
          campaignId,
          at: day(count),
        })),
      ),
    );
  }
  now = day(2);
  await Promise.all([1, 2, 3].map(() => takeWatchTurn(deps())));
  now = day(4);
  await Promise.all([1, 2, 3].map(() => takeWatchTurn(deps())));
  const [count] = await database.sql`
    select count(*)::int as notices, count(distinct address_key)::int as people,
      count(distinct campaign_id)::int as orders from notices`;
  expect(count).toMatchObject({ notices: 2_500, people: 2_500 });
  expect(count?.['orders']).toBeLessThan(10);
  const states = await database.sql`select distinct state from watched_addresses`;
  expect(states).toEqual([{ state: 'warned' }]);
});

test('the warning goes to the address as it was uploaded, in the language of the campaign', async () => {
  await database.sql`update contents set subject = '三月账单', text = '您好'`;
  await becomesSuspect();
  await turnAt(4);
  const [row] = await database.sql<{ address: string; variables: Record<string, string> }[]>`
    select address, variables from recipients order by id desc limit 1`;
  expect(row?.address).toBe('Ann@x.example');
  expect(row?.variables['subject']).toBe('发往 Ann@x.example 的邮件被退回');
  expect(row?.variables['text']).toContain('550 5.7.1 not now');
  expect(row?.variables['text']).toContain('Shop <news@shop.example>');
});
