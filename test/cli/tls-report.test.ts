/** TLS reports from the command line: as a user types it, in a process of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startChild } from '../harness/child.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const ID = 'tlr_0000000000001';
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'volley-cli-'));
  const body = gzipSync(JSON.stringify({ 'report-id': `${ID}@shop.example`, policies: [] }));
  await database.sql`
    with report as (
      insert into tls_reports (day, domain, state, due_at, successes, failures, body, made_at)
      values ('2026-03-01', 'y.example', 'sent', now(), 5, 2, ${body}, now()) returning id
    )
    insert into tls_report_posts (report_id, url, state, due_at, reason)
    select id, 'https://r.y.example/', 'failed', now(), 'HTTP status 503' from report`;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function volley(...args: string[]): Promise<{ code: unknown; output: string }> {
  const child = startChild(['tls-report', ...args], {
    DATABASE_URL: database.url,
    VOLLEY_SECRET: 's'.repeat(44),
    VOLLEY_DATA_DIR: folder,
  });
  const code = await child.ended;
  return { code, output: child.output() };
}

test('listed, shown, sent again', async () => {
  const listed = await volley('list', '--domain', 'Y.example');
  expect(listed.output).toMatch(/tlr_0000000000001 +2026-03-01 +y\.example +sent +5 +2/);
  expect(listed.code).toBe(0);
  expect((await volley('list', '--domain', 'z.example')).output).not.toContain('tlr_');
  const shown = await volley('show', ID);
  expect(shown.output).toContain(`"report-id": "${ID}@shop.example"`);
  expect(shown.output).toMatch(/https:\/\/r\.y\.example\/ +failed +HTTP status 503/);
  const json: unknown = JSON.parse((await volley('show', ID, '--json')).output);
  expect(json).toMatchObject({ id: ID, failed_sessions: 2, sendings: [{ state: 'failed' }] });
  const sent = await volley('send', ID);
  expect(sent).toMatchObject({ code: 0 });
  expect(sent.output).toContain('VOLLEY_TLS_REPORT_SENDER');
  expect((await volley('list')).output).toMatch(/y\.example +ready/);
});

test('what is not there is one line', async () => {
  for (const id of ['tlr_0000000000009', 'nonsense']) {
    const missing = await volley('show', id);
    expect(missing.code).toBe(1);
    expect(missing.output).toMatch(/^volley: .*\n$/);
  }
});
