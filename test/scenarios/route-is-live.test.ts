/** A new route and new source addresses: one row each, live within a second, in the middle of a campaign. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiClient } from '../../src/cli/demo/client.ts';
import { startChild } from '../harness/child.ts';
import { startCampaign, startWorld, statesOf, until, untilState } from '../harness/world.ts';
import type { TestWorld } from '../harness/world.ts';
import { startSmtpHost } from '../mta/smtp-host.ts';
import type { SmtpHost } from '../mta/smtp-host.ts';

let world: TestWorld;
let mailDir: string;
const hosts: SmtpHost[] = [];

beforeAll(async () => {
  mailDir = mkdtempSync(join(tmpdir(), 'volley-route-'));
  world = await startWorld({ env: { VOLLEY_MAIL_DIR: mailDir } });
});
afterAll(async () => {
  await world.stop();
  for (const host of hosts) await host.close();
  rmSync(mailDir, { recursive: true, force: true });
});

async function slowHost(): Promise<SmtpHost> {
  const host = await startSmtpHost({ delayMs: 20 });
  hosts.push(host);
  return host;
}

function route(
  api: ApiClient,
  host: SmtpHost,
  more: Record<string, unknown> = {},
): Promise<unknown> {
  return api.post('/v1/routes', {
    pattern: '*.routed.example',
    transport: 'smarthost',
    host: host.host,
    port: host.port,
    ...more,
  });
}

test('mail follows the new route within a second, everybody gets it once', async () => {
  const { api } = world;
  const [before, after] = [await slowHost(), await slowHost()];
  await route(api, before);
  await api.post('/v1/sources', { pool: 'second', address: '127.0.0.31' });
  const recipients = Array.from({ length: 1_500 }, (_, i) => `r${i}@d${i % 3}.routed.example`);
  const id = await startCampaign(api, { recipients, mode: 'parallel' });
  await until(() => before.ledger.length >= 50);
  await route(api, after, { pool: 'second', replace: true });
  await until(() => after.ledger.length > 0);
  const atSwitch = before.ledger.length;
  await untilState(api, id, 'completed');

  expect(new Set((await statesOf(api, id)).values())).toEqual(new Set(['accepted']));
  const all = [...before.ledger, ...after.ledger].flatMap((message) => message.recipients);
  expect([all.length, new Set(all).size]).toEqual([1_500, 1_500]);
  // What was pulled for the old host when the new one got its first message.
  expect(before.ledger.length - atSwitch).toBeLessThan(60);
  expect(new Set(after.peers)).toEqual(new Set(['127.0.0.31']));
  const { data } = await api.get<{ data: { id: string }[] }>(
    `/v1/campaigns/${id}/deliveries?limit=1`,
  );
  const detail = await api.get<{ events: { source_address: string | null }[] }>(
    `/v1/deliveries/${data[0]!.id}`,
  );
  expect(['127.0.0.31', null]).toContain(detail.events[0]?.source_address);
});

test('a sender with a pool of its own; a domain that is kept in files; both told by explain', async () => {
  const { api } = world;
  await api.post('/v1/routes', { pattern: 'kept.example', transport: 'file', folder: 'kept' });
  await until(async () => {
    const one = await api.get<{ transport: string }>('/v1/routes/explain?domain=kept.example');
    return one.transport === 'file';
  });
  const id = await startCampaign(api, { recipients: ['a@kept.example', 'b@kept.example'] });
  await untilState(api, id, 'completed');
  expect(readdirSync(join(mailDir, 'kept', 'new'))).toHaveLength(2);
});

test('the command line says the same, without a server', async () => {
  const run = async (...args: string[]): Promise<[number | NodeJS.Signals, string]> => {
    const child = startChild(args, world.env);
    return [await child.ended, child.output()];
  };
  const added = await run('route', 'add', '*.cli.example', 'lmtp', '--socket', '/run/lmtp');
  expect(added).toEqual([0, expect.stringMatching(/^rte_\w{13} \*\.cli\.example lmtp/)]);
  expect((await run('route', 'list'))[1]).toContain('/run/lmtp');
  const [code, text] = await run('route', 'explain', 'a.cli.example');
  expect([code, text]).toEqual([0, expect.stringContaining('*.cli.example (rte_')]);
  expect(text).toContain('lmtp /run/lmtp');
  const id = added[1].split(' ')[0] ?? '';
  expect(await run('route', 'remove', id)).toEqual([0, `${id} removed\n`]);
});
