/** Alarm rules and webhooks from the command line; as JSON they are what the API answers. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startChild } from '../harness/child.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();

async function volley(...args: string[]): Promise<{ code: unknown; output: string }> {
  const child = startChild(args, {
    DATABASE_URL: database.url,
    VOLLEY_SECRET: 's'.repeat(44),
    VOLLEY_DATA_DIR: join(tmpdir(), 'volley-cli-alarm'),
  });
  const code = await child.ended;
  return { code, output: child.output() };
}

test('a rule is changed and listed', async () => {
  const change = ['bounces', 'bounce', '--threshold', '0.05', '--volume', '200'];
  expect((await volley('alarm', 'set', ...change)).code).toBe(0);
  const rules: unknown = JSON.parse((await volley('alarm', 'rules', '--json')).output);
  expect(rules).toContainEqual(
    expect.objectContaining({ name: 'bounces', threshold: 0.05, min_volume: 200, sender_id: null }),
  );
  expect((await volley('alarm', 'list')).output.trim()).toBe('none');
  const wrong = await volley('alarm', 'resume', 'pps_0000000000009');
  expect([wrong.code, wrong.output.trim()]).toEqual([1, 'volley: no such pause']);
}, 60_000);

test('a webhook is added, listed and removed; its secret is shown once', async () => {
  const url = 'http://127.0.0.1:9000/hook';
  const added = await volley('webhook', 'add', url, '--event', 'alarm.raised');
  const [id = '', secret = ''] = added.output.trim().split(' ');
  expect(secret).toMatch(/^whsec_/);
  const listed = await volley('webhook', 'list', '--json');
  expect(JSON.parse(listed.output)).toMatchObject([{ id, url, events: ['alarm.raised'] }]);
  expect(listed.output).not.toContain(secret);
  expect(JSON.parse((await volley('webhook', 'deliveries', id, '--json')).output)).toEqual([]);
  expect((await volley('webhook', 'remove', id)).code).toBe(0);
  expect((await volley('webhook', 'add', 'http://10.0.0.1/x')).code).toBe(1);
}, 60_000);
