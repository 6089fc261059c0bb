/** The list from the command line: as a user types it, in a process of its own. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startChild } from '../harness/child.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'volley-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function volley(...args: string[]): Promise<{ code: unknown; output: string }> {
  const child = startChild(['suppression', ...args], {
    DATABASE_URL: database.url,
    VOLLEY_SECRET: 's'.repeat(44),
    VOLLEY_DATA_DIR: folder,
  });
  const code = await child.ended;
  return { code, output: child.output() };
}

test('added, found, released; the history names who did it', async () => {
  const added = await volley('add', 'Ann@Example.COM', '--note', 'asked on the phone', '--json');
  expect(added).toMatchObject({ code: 0 });
  expect(added.output).toMatch(/Ann@example\.com/i);
  const check = await volley('check', 'ann@example.com', 'bob@example.com');
  expect(check.code).toBe(0);
  expect(check.output).toMatch(/ann@example\.com.*manual/);
  expect(check.output).not.toMatch(/bob@example\.com.*manual/);
  expect((await volley('release', 'ann@example.com')).code).toBe(0);
  const again = await volley('release', 'ann@example.com');
  expect(again.code).not.toBe(0);
  expect(again.output).toContain('ann@example.com is not suppressed');
  expect(again.output).not.toMatch(/^\s+at /m);
  const history = await volley('history', 'ann@example.com');
  expect(history.output).toContain('asked on the phone');
  expect(history.output).toMatch(/cli:/);
});

test('a file goes in with its rejects beside it, and comes out unreadable to others', async () => {
  const list = join(folder, 'list.csv');
  const rejects = join(folder, 'rejects.csv');
  const out = join(folder, 'out.csv');
  await writeFile(list, 'email,reason\none@example.com,unsubscribe\nno address,\n');
  const imported = await volley('import', list, '--rejects', rejects);
  expect(imported).toMatchObject({ code: 0 });
  expect(imported.output).toMatch(/2 rows: 1 added, 0 extended, 0 known already, 1 refused/);
  expect(await readFile(rejects, 'utf8')).toContain('no address');
  expect((await volley('export', out)).code).toBe(0);
  expect(await readFile(out, 'utf8')).toContain('one@example.com');
  expect((await stat(out)).mode & 0o077).toBe(0);
});

test('erased: nothing of the address is left, and it stays blocked', async () => {
  await volley('add', 'cy@example.com');
  const erased = await volley('erase', 'cy@example.com');
  expect(erased).toMatchObject({ code: 0 });
  expect(erased.output).toContain('Erased.');
  expect((await volley('check', 'cy@example.com')).output).toMatch(/cy@example\.com.*erased/);
  const rows = await database.sql`select 1 from suppressions where address_key like '%cy@%'`;
  expect(rows).toHaveLength(0);
});

test('a mistake is one line and a non-zero exit', async () => {
  for (const args of [
    ['import', join(folder, 'missing.csv')],
    ['import', folder],
    ['list', '--limit', 'many'],
    ['check', 'a@example.com', '--stream', 'marketing'],
    ['history', 'no address'],
  ]) {
    const { code, output } = await volley(...args);
    expect(code, args.join(' ')).not.toBe(0);
    expect(output.trim().split('\n'), output).toHaveLength(1);
  }
});
