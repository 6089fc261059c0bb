import { beforeEach, describe, expect, test } from 'vitest';
import {
  addSuppressions,
  findSuppressions,
  listSuppressions,
  releaseSuppression,
} from '../../src/bounce/suppressions/store.ts';
import type { AddCounts } from '../../src/bounce/suppressions/store.ts';
import type { NewSuppression } from '../../src/bounce/suppressions/suppression.ts';
import { CHANNELS } from '../../src/kernel/events.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);

beforeEach(async () => {
  await database.sql`truncate suppressions, events`;
});

function entry(addressKey: string, over: Partial<NewSuppression> = {}): NewSuppression {
  return {
    addressKey,
    reason: 'hard_bounce',
    origin: 'system',
    evidence: '550 5.1.1 no such user',
    campaignId: 5n,
    deliveryId: 9n,
    expiresAt: null,
    ...over,
  };
}

const add = (...rows: NewSuppression[]): Promise<AddCounts> =>
  database.sql.begin((tx) => addSuppressions(tx, rows));

const live = async (key: string) =>
  (await findSuppressions(database.sql, [key], null)).map(
    ({ reason, scope, scopeValue, expiresAt }) =>
      [reason, scope, scopeValue, expiresAt === null ? 'ever' : 'until']
        .join(' ')
        .replace('  ', ' '),
  );
const history = async (key: string) =>
  (await listSuppressions(database.sql, { history: true, addressKey: key }, { limit: 50 })).map(
    ({ reason, releasedBy }) => `${reason} ${releasedBy ?? 'live'}`,
  );

describe('adding', () => {
  test('stores the row, its event, and nothing twice', async () => {
    expect(await add(entry('a@x.example'), entry('b@x.example'))).toEqual({
      added: 2,
      extended: 0,
    });
    expect(await add(entry('a@x.example', { evidence: 'again' }))).toEqual({
      added: 0,
      extended: 0,
    });

    const [row] = await findSuppressions(database.sql, ['a@x.example'], null);
    expect(row).toMatchObject({
      addressKey: 'a@x.example',
      scope: 'global',
      scopeValue: '',
      reason: 'hard_bounce',
      origin: 'system',
      evidence: '550 5.1.1 no such user',
      campaignId: 5n,
      deliveryId: 9n,
      expiresAt: null,
      releasedAt: null,
    });
    const events =
      await database.sql`select kind, campaign_id, delivery_id, data from events order by id`;
    expect(events).toHaveLength(2);
    expect(events[0]).toMatchObject({
      kind: 'suppression.added',
      campaignId: 5n,
      deliveryId: 9n,
      data: { reason: 'hard_bounce', scope: 'global', origin: 'system', extended: false },
    });
  });

  test('a stronger reason stands beside the weaker, which is closed and kept', async () => {
    await add(entry('a@x.example'));
    expect(await add(entry('a@x.example', { reason: 'complaint' }))).toEqual({
      added: 1,
      extended: 0,
    });
    expect(await add(entry('a@x.example', { reason: 'unsubscribe' }))).toEqual({
      added: 0,
      extended: 0,
    });
    expect(await live('a@x.example')).toEqual(['complaint global ever']);
    expect(await history('a@x.example')).toEqual(['complaint live', 'hard_bounce superseded']);
  });

  test('a longer life extends the live row, a shorter one changes nothing', async () => {
    await add(entry('a@x.example', { expiresAt: inDays(7) }));
    expect(await add(entry('a@x.example', { expiresAt: inDays(3) }))).toEqual({
      added: 0,
      extended: 0,
    });
    expect(await add(entry('a@x.example', { expiresAt: inDays(9) }))).toEqual({
      added: 0,
      extended: 1,
    });
    expect(await add(entry('a@x.example', { reason: 'policy' }))).toEqual({
      added: 0,
      extended: 1,
    });
    expect(await live('a@x.example')).toEqual(['hard_bounce global ever']);
    // For ever is not shortened by a stronger reason with an end.
    await add(entry('a@x.example', { reason: 'unsubscribe', expiresAt: inDays(30) }));
    expect(await live('a@x.example')).toEqual(['hard_bounce global ever']);
    const kinds =
      await database.sql`select data ->> 'extended' as extended from events order by id`;
    expect(kinds.map((row) => row['extended'] as string)).toEqual(['false', 'true', 'true']);
  });

  test('an expired row is closed, and a new one of any reason takes its place', async () => {
    await add(entry('a@x.example', { reason: 'complaint', expiresAt: inDays(-1) }));
    expect(await live('a@x.example')).toEqual([]);
    expect(await add(entry('a@x.example', { reason: 'policy' }))).toEqual({
      added: 1,
      extended: 0,
    });
    expect(await history('a@x.example')).toEqual(['policy live', 'complaint expired']);
  });

  test('the same address in one call: the strongest and longest wins', async () => {
    await add(
      entry('a@x.example', { reason: 'policy' }),
      entry('a@x.example', { reason: 'unsubscribe', expiresAt: inDays(1) }),
      entry('a@x.example', { reason: 'unsubscribe' }),
    );
    expect(await live('a@x.example')).toEqual(['unsubscribe global ever']);
  });

  test('scopes are rows of their own', async () => {
    await add(
      entry('a@x.example', { scope: 'stream', scopeValue: 'marketing', reason: 'unsubscribe' }),
      entry('a@x.example', { scope: 'sender', scopeValue: 'shop.example', reason: 'manual' }),
      entry('a@x.example'),
    );
    expect(await live('a@x.example')).toHaveLength(3);
  });

  test('tells every address, or * when they are many, and only after the commit', async () => {
    const heard: string[] = [];
    let enough: () => void = () => undefined;
    const told = new Promise<void>((resolve) => (enough = resolve));
    const { unlisten } = await database.sql.listen(CHANNELS.suppressions, (payload) => {
      heard.push(payload);
      if (payload === '*') enough();
    });
    await database.sql
      .begin(async (tx) => {
        await addSuppressions(tx, [entry('rolled-back@x.example')]);
        throw new Error('no');
      })
      .catch(() => undefined);
    await add(entry('a@x.example'), entry('b@x.example'));
    await add(...Array.from({ length: 101 }, (_, i) => entry(`many${i}@x.example`)));
    await told;
    await unlisten();
    expect(heard.sort()).toEqual(['*', 'a@x.example', 'b@x.example']);
  });

  test('writers with the same addresses in other orders do not deadlock', async () => {
    const keys = Array.from({ length: 60 }, (_, i) => `u${i}@x.example`);
    const reasons = ['policy', 'hard_bounce', 'unsubscribe', 'complaint'] as const;
    await Promise.all(
      Array.from({ length: 16 }, (_, i) => {
        const rows = keys.map((key) => entry(key, { reason: reasons[i % 4] ?? 'policy' }));
        return add(...(i % 2 === 0 ? rows : rows.toReversed()));
      }),
    );
    const rows = await findSuppressions(database.sql, keys, null);
    expect(rows).toHaveLength(60);
    expect(new Set(rows.map((row) => row.reason))).toEqual(new Set(['complaint']));
  });
});

describe('matching', () => {
  const context = { senderDomain: 'shop.example', stream: 'marketing' };

  test('global, this sender, this stream and this stream of his apply; others, released and expired ones do not', async () => {
    await add(
      entry('global@x.example'),
      entry('sender@x.example', { scope: 'sender', scopeValue: 'shop.example' }),
      entry('stream@x.example', { scope: 'stream', scopeValue: 'marketing' }),
      entry('his-stream@x.example', { scope: 'stream', scopeValue: 'shop.example/marketing' }),
      entry('anothers@x.example', { scope: 'stream', scopeValue: 'bank.example/marketing' }),
      entry('his-other@x.example', { scope: 'stream', scopeValue: 'shop.example/statement' }),
      entry('other-sender@x.example', { scope: 'sender', scopeValue: 'bank.example' }),
      entry('other-stream@x.example', { scope: 'stream', scopeValue: 'statement' }),
      entry('crossed@x.example', { scope: 'sender', scopeValue: 'marketing' }),
      entry('expired@x.example', { expiresAt: inDays(-1) }),
      entry('later@x.example', { expiresAt: inDays(1) }),
      entry('released@x.example'),
    );
    await releaseSuppression(database.sql, 'released@x.example', 'test');
    const keys = (await listSuppressions(database.sql, { history: true }, { limit: 50 })).map(
      (row) => row.addressKey,
    );
    const found = await findSuppressions(database.sql, keys, context);
    expect(found.map((row) => row.addressKey)).toEqual([
      'global@x.example',
      'his-stream@x.example',
      'later@x.example',
      'sender@x.example',
      'stream@x.example',
    ]);
  });
});

describe('releasing', () => {
  test('keeps the row, says who, writes the event; a second time there is nothing', async () => {
    await add(entry('a@x.example'));
    const released = await releaseSuppression(database.sql, 'a@x.example', 'key_1');
    expect(released).toMatchObject([{ reason: 'hard_bounce', releasedBy: 'key_1' }]);
    expect(await releaseSuppression(database.sql, 'a@x.example', 'key_1')).toBeNull();
    expect(await history('a@x.example')).toEqual(['hard_bounce key_1']);
    const [event] = await database.sql`select data from events where kind = 'suppression.released'`;
    expect(event?.data).toMatchObject({ reason: 'hard_bounce', by: 'key_1' });
    await add(entry('a@x.example'));
    expect(await history('a@x.example')).toEqual(['hard_bounce live', 'hard_bounce key_1']);
  });

  test('one scope only, when asked', async () => {
    await add(
      entry('a@x.example'),
      entry('a@x.example', { scope: 'stream', scopeValue: 'marketing' }),
    );
    await releaseSuppression(database.sql, 'a@x.example', 'me', { scope: 'global' });
    expect(await live('a@x.example')).toEqual(['hard_bounce stream marketing ever']);
  });

  test('an address that was never suppressed, or no longer is: null', async () => {
    expect(await releaseSuppression(database.sql, 'nobody@x.example', 'me')).toBeNull();
    await add(entry('old@x.example', { expiresAt: inDays(-1) }));
    expect(await releaseSuppression(database.sql, 'old@x.example', 'me')).toBeNull();
  });
});

describe('listing', () => {
  test('newest first, in pages, filtered', async () => {
    await add(...['a', 'b', 'c', 'd', 'e'].map((name) => entry(`${name}@x.example`)));
    await add(entry('m@x.example', { reason: 'manual', scope: 'stream', scopeValue: 'marketing' }));
    const list = listSuppressions;
    const first = await list(database.sql, {}, { limit: 4 });
    const rest = await list(database.sql, {}, { limit: 4, after: first.at(-1)!.id });
    expect([...first, ...rest].map((row) => row.addressKey)).toEqual(
      ['m', 'e', 'd', 'c', 'b', 'a'].map((name) => `${name}@x.example`),
    );
    expect(await list(database.sql, { reason: 'manual' }, { limit: 9 })).toHaveLength(1);
    expect(await list(database.sql, { scope: 'stream' }, { limit: 9 })).toHaveLength(1);
    expect(await list(database.sql, { addressKey: 'c@x.example' }, { limit: 9 })).toHaveLength(1);
    expect(await list(database.sql, { createdFrom: inDays(1) }, { limit: 9 })).toHaveLength(0);
    expect(
      await list(database.sql, { createdTo: inDays(1), createdFrom: inDays(-1) }, { limit: 9 }),
    ).toHaveLength(6);
    await releaseSuppression(database.sql, 'c@x.example', 'me');
    expect(await list(database.sql, {}, { limit: 9 })).toHaveLength(5);
    expect(await list(database.sql, { history: true }, { limit: 9 })).toHaveLength(6);
  });
});
