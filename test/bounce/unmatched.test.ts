import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { isUnmatched, sameness } from '../../src/bounce/unmatched.ts';
import { countUnmatched, listUnmatched, purgeUnmatched } from '../../src/bounce/unmatched/store.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const now = new Date();
const reply = (text: string, more = {}) => ({
  code: 550,
  enhanced: null,
  text,
  stage: 'rcpt',
  class: 'unknown',
  domain: 'x.example',
  at: now,
  ...more,
});

beforeEach(async () => {
  await database.sql`truncate unmatched_replies`;
});

describe('what is the same', () => {
  test.each([
    ['Mail for <ann@x.example> no thanks', 'Mail for <bob@y.example> no thanks'],
    ['rejected, id 7f3a-22 from mx1.a.example', 'rejected, id 9c00-1 from mx2.b.example'],
    ['see https://a.example/1', 'see http://b.example/2'],
    ['No  THANKS', 'no thanks'],
  ])('%j and %j', (a, b) => expect(sameness(reply(a))).toBe(sameness(reply(b))));

  test.each([
    [reply('no thanks'), reply('no, thank you')],
    [reply('no thanks'), reply('no thanks', { code: 450 })],
    [reply('no thanks'), reply('no thanks', { enhanced: '5.7.1' })],
  ])('but not %#', (a, b) => expect(sameness(a)).not.toBe(sameness(b)));

  test('is short, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 10_000 }), (text) => {
        expect(sameness(reply(text)).split(' ').length).toBeLessThanOrEqual(42);
      }),
    );
  });

  test('by codes or by nothing is unmatched', () => {
    expect(['none', 'code:550', 'enhanced:5.1.1'].every(isUnmatched)).toBe(true);
    expect(
      ['any.user-unknown', 'own.x', 'feedback:abuse', 'any.y/after-data'].some(isUnmatched),
    ).toBe(false);
  });
});

test('are counted by wording, most frequent first, with the first one as sample', async () => {
  await database.sql.begin(async (tx) => {
    await countUnmatched(tx, [
      reply('no thanks <a@x.example>'),
      reply('no thanks <b@x.example>'),
      reply('go away\u0000\u0007 now'),
    ]);
  });
  await database.sql.begin((tx) =>
    countUnmatched(tx, [reply('no thanks <c@x.example>', { domain: 'y.example' })]),
  );
  expect(await listUnmatched(database.sql, 10)).toMatchObject([
    { sample: 'no thanks <a@x.example>', count: 3n, domain: 'y.example', code: 550 },
    { sample: 'go away  now', count: 1n },
  ]);
  expect(await listUnmatched(database.sql, 1)).toHaveLength(1);
});

test('many writers at one time count everything and do not deadlock', async () => {
  const words = ['one', 'two', 'three', 'four', 'five', 'six'];
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      database.sql.begin((tx) =>
        countUnmatched(
          tx,
          words.map((_word, j) => reply(`refused ${words[(i + j) % words.length]}`)),
        ),
      ),
    ),
  );
  const rows = await listUnmatched(database.sql, 100);
  expect(rows.map((row) => row.count)).toEqual(Array(6).fill(40n));
});

test('what was not heard for 90 days is forgotten', async () => {
  await database.sql.begin((tx) =>
    countUnmatched(tx, [
      reply('old', { at: new Date(now.getTime() - 91 * 86_400_000) }),
      reply('new'),
    ]),
  );
  await purgeUnmatched(database.sql);
  expect(await listUnmatched(database.sql, 10)).toMatchObject([{ sample: 'new' }]);
});
