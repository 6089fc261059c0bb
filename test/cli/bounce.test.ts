/**
 * `volley bounce rules` and `unmatched`: what the database counted, and the rules of a file; `inspect`
 * of a folder.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useCommandLine } from './volley.ts';

const { database, volley, json } = useCommandLine();

test('the rules in their order with how often each decided, one of a file first', async () => {
  await database.sql`
    insert into rule_rollups (rule, day, count)
    values ('any.user-unknown', current_date, 7), ('any.user-unknown', current_date - 100, 5)`;
  expect(await json('bounce', 'rules')).toContainEqual(
    expect.objectContaining({
      id: 'any.user-unknown',
      class: 'bad_mailbox',
      firedLately: 7,
      fired: 12,
    }),
  );
  const folder = mkdtempSync(join(tmpdir(), 'volley-rules-'));
  const file = join(folder, 'rules.yaml');
  writeFileSync(
    file,
    '- { id: allotment, class: full, pattern: storage allotment used up, evidence: 550 storage allotment used up }\n',
  );
  try {
    const { output } = await volley(['bounce', 'rules'], { VOLLEY_BOUNCE_RULES: file });
    const lines = output.split('\n').filter((line) => /\b\w+\.[\w-]+\b/.test(line));
    expect(lines[0]).toMatch(/own\.allotment .*full .*file .*0/);
    expect(output).toMatch(/any\.user-unknown .*bad_mailbox .*7 .*12/);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);

test('replies that no rule knows, most frequent first, as many as asked for', async () => {
  expect(await json('bounce', 'unmatched')).toEqual([]);
  await database.sql`
    insert into unmatched_replies (fingerprint, sample, class, code, enhanced, domain, count,
      first_seen, last_seen)
    values (sha256('a'), '550 Go away', 'unknown', 550, null, 'x.example', 3, now(), now()),
      (sha256('b'), '554 5.0.0 Zut', 'unknown', 554, '5.0.0', 'x.example', 9, now(), now())`;
  expect(await json('bounce', 'unmatched', '--limit', '1')).toMatchObject([
    { count: 9, sample: '554 5.0.0 Zut' },
  ]);
  const { output } = await volley(['bounce', 'unmatched']);
  expect(output).toMatch(/9 .*554 5\.0\.0 Zut[^]*3 .*550 Go away/);
}, 120_000);

test('a folder is inspected to its bottom, each file once, a link in it or not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'volley-inspect-'));
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'a.eml'), 'Subject: hello\n\nhello\n');
  writeFileSync(join(folder, 'sub', 'b.eml'), '');
  symlinkSync(folder, join(folder, 'sub', 'up'));
  try {
    const { code, output } = await volley(['bounce', 'inspect', '--json', folder]);
    const lines = output.split('\n').map((line) => JSON.parse(line) as unknown);
    expect(code).toBe(0);
    expect(lines).toEqual([
      { file: 'a.eml', kind: 'none', recipients: [] },
      { file: join('sub', 'b.eml'), kind: 'none', recipients: [] },
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);
