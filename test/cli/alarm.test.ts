/** Alarms, what they hold, and webhooks from the command line; as JSON they are what the API answers. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { formatId } from '../../src/kernel/ids.ts';
import { useCommandLine } from './volley.ts';

const { database, volley, json } = useCommandLine();
let sender = '';

beforeEach(async () => {
  const { sql } = database;
  await sql`truncate alarms, provider_pauses, webhooks, senders cascade`;
  const [row] = await sql<{ id: bigint }[]>`
    insert into senders (from_address, display_name, domain, bounce_domain)
    values ('news@shop.example', 'Shop', 'shop.example', 'b.shop.example') returning id`;
  sender = formatId('snd', row?.id ?? 0n);
});

test('a rule is changed, listed, added for one sender, and removed', async () => {
  const change = ['bounces', 'bounce', '--threshold', '0.05', '--volume', '200'];
  expect((await volley(['alarm', 'set', ...change])).code).toBe(0);
  expect(await json('alarm', 'rules')).toContainEqual(
    expect.objectContaining({ name: 'bounces', threshold: 0.05, min_volume: 200, sender_id: null }),
  );
  const own = ['own', 'deferral', '--threshold', '0.5', '--volume', '9', '--provider', 'qq'];
  const added = await volley(['alarm', 'set', ...own, '--sender', sender, '--window', '30']);
  const [id = ''] = added.output.split(' ');
  expect(added.output).toBe(`${id} own deferral none`);
  expect((await volley(['alarm', 'rules'])).output).toMatch(
    new RegExp(`${id} .*own .*deferral .*${sender} .*qq .*30 .*9 .*0\\.5 .*none`),
  );
  expect((await volley(['alarm', 'remove', id])).output).toBe(`${id} own removed`);
  expect((await volley(['alarm', 'rules'])).output).not.toContain(id);
}, 120_000);

test('what is wrong with a rule is one line and a non-zero exit', async () => {
  const wrong = async (...args: string[]) => {
    const { code, output } = await volley(['alarm', ...args]);
    expect(code).toBe(1);
    return output;
  };
  const rest = ['--threshold', '0.1', '--volume', '9'];
  expect(await wrong('set', 'x', 'weather', ...rest)).toMatch(/^volley: metric must be one of /);
  expect(await wrong('set', 'x', 'bounce', ...rest, '--sender', 'cmp_0000000000001')).toBe(
    'volley: cmp_0000000000001 is no sender id (snd_…)',
  );
  expect(await wrong('remove', 'alr_1')).toBe('volley: alr_1 is no alarm rule id (alr_…)');
  expect(await wrong('resume', 'pps_0000000000009')).toBe('volley: no such pause');
}, 120_000);

test('a provider is paused and resumed, and the list says by whom', async () => {
  const paused = await volley(['alarm', 'pause', sender, 'qq', '--reason', 'asked by QQ']);
  const [id = ''] = paused.output.split(' ');
  expect(paused.output).toBe(`${id} qq paused`);
  expect(await json('alarm', 'pauses')).toMatchObject([
    { id, sender_id: sender, provider: 'qq', reason: 'asked by QQ', resumed_at: null },
  ]);
  expect((await volley(['alarm', 'pauses'])).output).toMatch(/cli:\S+ .*asked by QQ/);
  expect((await volley(['alarm', 'resume', id])).output).toBe(`${id} qq resumed`);
  expect((await volley(['alarm', 'pauses'])).output).toBe('none');
  expect((await volley(['alarm', 'pauses', '--all'])).output).toContain(id);
}, 120_000);

test('alarms that stand, and those of before', async () => {
  expect((await volley(['alarm', 'list'])).output).toBe('none');
  await database.sql`
    insert into alarms (rule_id, rule_name, metric, sender_id, provider, count, volume, threshold,
      action, raised_at, cleared_at, cleared_by)
    select r.id, r.name, r.metric, s.id, p, 30, 300, 0.05, 'none', now(), c, b
    from (select * from alarm_rules order by id limit 1) r, senders s,
      (values ('qq', null::timestamptz, null), ('gmail', now(), 'rate')) v (p, c, b)`;
  expect(await json('alarm', 'list')).toHaveLength(2);
  expect(await json('alarm', 'list', '--raised')).toMatchObject([
    { provider: 'qq', count: 30, volume: 300, cleared_at: null },
  ]);
  expect((await volley(['alarm', 'list'])).output).toMatch(/gmail .*30 .*300 .*rate/);
}, 120_000);

test('a webhook is added, listed and removed; its secret is shown once', async () => {
  const url = 'http://127.0.0.1:9000/hook';
  const added = await volley(['webhook', 'add', url, '--event', 'alarm.raised']);
  const [id = '', secret = ''] = added.output.split(' ');
  expect(secret).toMatch(/^whsec_/);
  const listed = await volley(['webhook', 'list', '--json']);
  expect(JSON.parse(listed.output)).toMatchObject([{ id, url, events: ['alarm.raised'] }]);
  expect(listed.output).not.toContain(secret);
  expect(await json('webhook', 'deliveries', id)).toEqual([]);
  await database.sql`
    insert into webhook_deliveries (webhook_id, event, payload, state, attempts, due_at, status, reason)
    select id, 'alarm.raised', '{}', 'failed', 3, now(), 500, 'answered 500' from webhooks`;
  expect((await volley(['webhook', 'deliveries', id])).output).toMatch(
    /alarm\.raised .*failed .*3 .*500 .*answered 500/,
  );
  expect((await volley(['webhook', 'list'])).output).toContain(id);
  expect((await volley(['webhook', 'remove', id])).output).toBe(`${id} removed`);
  expect(await json('webhook', 'list')).toEqual([]);
}, 120_000);

test("a webhook's secret may be one's own, of a file; what is wrong is said", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'volley-webhook-'));
  const file = join(folder, 'secret');
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  writeFileSync(file, `${secret}\n`);
  chmodSync(file, 0o600);
  const url = 'http://127.0.0.1:9000/hook';
  try {
    expect(await json('webhook', 'add', url, '--secret-file', file)).toMatchObject({ url, secret });
  } finally {
    rmSync(folder, { recursive: true });
  }
  const wrong = async (...args: string[]) => {
    const { code, output } = await volley(['webhook', ...args]);
    expect(code).toBe(1);
    return output;
  };
  expect(await wrong('add', 'http://10.0.0.1/x')).toMatch(/^volley: url: /);
  expect(await wrong('add', url, '--event', 'alarm')).toMatch(/^volley: alarm is none of /);
  expect(await wrong('remove', 'whk_1')).toBe('volley: whk_1 is no webhook id (whk_…)');
}, 120_000);
