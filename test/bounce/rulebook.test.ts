import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openRulebook } from '../../src/bounce/rulebook.ts';
import type { Rulebook } from '../../src/bounce/rulebook.ts';
import { rulesWithCounts, stillUnmatched } from '../../src/bounce/rule-counts.ts';
import { countUnmatched } from '../../src/bounce/unmatched/store.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { addToRollups } from '../../src/kernel/rollups/store.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const log = createLogger('silent');
const open: Rulebook[] = [];
let folder = '';

beforeEach(async () => {
  await database.sql`truncate bounce_rules, rule_rollups, unmatched_replies`;
  folder = mkdtempSync(join(tmpdir(), 'volley-rules-'));
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

async function book(file: string | null = null): Promise<Rulebook> {
  const made = await openRulebook({ sql: database.sql, file, log });
  open.push(made);
  return made;
}

const TEXT = '550 the gnomes are on strike';
const reply = { code: 550, enhanced: null, text: 'the gnomes are on strike', stage: 'rcpt' };
const RULE = {
  id: 'gnomes',
  pattern: 'gnomes are on strike',
  class: 'rate_limited',
  permanent: null,
  evidence: TEXT,
  counter: '550 the gnomes are asleep',
  source: '',
};

describe('the table', () => {
  test('a rule is in force at once, here and on every node, and is gone when taken away', async () => {
    const one = await book();
    const two = await book();
    expect(one.classify(reply).rule).toBe('code:550');
    await one.add(RULE);
    expect(one.classify(reply)).toMatchObject({ rule: 'own.gnomes', class: 'rate_limited' });
    await expect.poll(() => two.classify(reply).rule).toBe('own.gnomes');
    expect((await book()).classify(reply).rule).toBe('own.gnomes');
    expect(await two.remove('own.gnomes')).toBe(true);
    await expect.poll(() => one.classify(reply).rule).toBe('code:550');
    expect(await two.remove('own.gnomes')).toBe(false);
    expect(await two.remove('any.user-unknown')).toBe(false);
  });

  test('comes before the built-in rules', async () => {
    const rules = await book();
    const text = '550 5.1.1 user unknown';
    await rules.add({
      ...RULE,
      pattern: '5\\.1\\.1 user unknown',
      evidence: text,
      class: 'policy',
    });
    expect(rules.classify({ ...reply, text, enhanced: '5.1.1' }).class).toBe('policy');
    expect(rules.rules()[0]).toMatchObject({ id: 'own.gnomes', origin: 'operator' });
  });

  test.each([
    [{ evidence: 'something else' }, /evidence does not match/],
    [{ counter: TEXT }, /counter matches/],
    [{ pattern: '(gnomes|on)+ .*strike' }, /repeats a repetition/],
    [{ pattern: 'gnomes(' }, /own\.gnomes: Invalid regular expression/],
    [{ pattern: '.' }, /counter matches/],
  ])('a rule with %j is refused, and says why', async (change, why) => {
    const rules = await book();
    await expect(rules.add({ ...RULE, ...change })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(why) as string,
    });
    expect(await database.sql`select 1 from bounce_rules`).toEqual([]);
  });

  test('an id is taken once, by two at one time too', async () => {
    const rules = await book();
    const results = await Promise.allSettled([1, 2, 3].map(() => rules.add(RULE)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(rules.add(RULE)).rejects.toMatchObject({ code: 'conflict' });
  });

  test('a stored rule that this version refuses is left out, the others stay', async () => {
    await (await book()).add(RULE);
    await database.sql`
      insert into bounce_rules (id, pattern, class, evidence, counter, source)
      values ('own.bad', 'x', 'no_such_class', 'x', '', ''), ('own.worse', '(', 'full', '(', '', '')`;
    const rules = await book();
    expect(rules.classify(reply).rule).toBe('own.gnomes');
    expect(rules.rules().filter(({ origin }) => origin === 'operator')).toHaveLength(1);
  });
});

describe('the file', () => {
  const write = (file: string, text: string, at: number): void => {
    writeFileSync(file, text);
    utimesSync(file, new Date(at), new Date(at));
  };

  test('is read at the start and again when it changes; a broken one leaves what was', async () => {
    const file = join(folder, 'rules.yaml');
    write(file, `- {id: gnomes, pattern: gnomes are, class: full, evidence: "${TEXT}"}\n`, 1e12);
    const rules = await book(file);
    expect(rules.classify(reply)).toMatchObject({ rule: 'own.gnomes', class: 'full' });
    expect(rules.rules()[0]?.origin).toBe('file');

    write(file, `- {id: gnomes, pattern: gnomes are, class: nonsense, evidence: "x"}\n`, 2e12);
    write(file, JSON.stringify([RULE]), 3e12);
    await expect
      .poll(() => rules.classify(reply).class, { timeout: 15_000, interval: 200 })
      .toBe('rate_limited');
  }, 20_000);

  test.each([
    ['no list', 'id: x', /expected array/i],
    [
      'an unknown field',
      `[{id: a1x, pattern: x, class: full, evidence: x, colour: red}]`,
      /colour/,
    ],
    ['a wrong class', `[{id: a1x, pattern: x, class: fool, evidence: x}]`, /0\.class/],
    [
      'evidence that does not match',
      `[{id: a1x, pattern: y, class: full, evidence: x}]`,
      /evidence/,
    ],
    ['no YAML', `[{`, /rules\.yaml/],
  ])('with %s the start is refused with the file and the fault', async (_what, text, why) => {
    const file = join(folder, 'rules.yaml');
    writeFileSync(file, text);
    await expect(openRulebook({ sql: database.sql, file, log })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(why) as string,
    });
  });
});

test('how often each rule decided, its variants with it', async () => {
  const rules = await book();
  const row = { campaignId: 1n, domain: 'x.example', kind: 'delivery.bounced' as const, class: '' };
  const old = new Date(Date.now() - 40 * 86_400_000);
  await database.sql.begin((tx) =>
    addToRollups(tx, [
      { ...row, at: new Date(), rule: 'any.user-unknown', count: 2 },
      { ...row, at: new Date(), rule: 'any.user-unknown/after-data', count: 1 },
      { ...row, at: old, rule: 'any.user-unknown', count: 5 },
      { ...row, at: new Date(), rule: null, count: 9 },
    ]),
  );
  const counted = await rulesWithCounts(database.sql, rules);
  expect(counted.find(({ id }) => id === 'any.user-unknown')).toMatchObject({
    fired: 8,
    firedLately: 3,
  });
  expect(counted.reduce((sum, each) => sum + each.fired, 0)).toBe(8);
});

test('an unmatched reply disappears when a rule recognises it', async () => {
  const rules = await book();
  const { code, enhanced, stage, text } = reply;
  await database.sql.begin((tx) =>
    countUnmatched(tx, [
      { code, enhanced, stage, text, class: 'unknown', domain: 'x.example', at: new Date() },
    ]),
  );
  expect(await stillUnmatched(database.sql, rules, 10)).toHaveLength(1);
  await rules.add(RULE);
  expect(await stillUnmatched(database.sql, rules, 10)).toEqual([]);
});
