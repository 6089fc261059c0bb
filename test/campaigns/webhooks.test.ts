/** Webhooks, posted to a real server: signed, repeated, given up, and never into the own network. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { postWebhook } from '../../src/campaigns/webhooks/post.ts';
import { postDue, purgeWebhooks, RETRY_SECONDS } from '../../src/campaigns/webhooks/sender.ts';
import { isSecret, sign, verifies } from '../../src/campaigns/webhooks/signature.ts';
import { queueFacts } from '../../src/campaigns/webhooks/store.ts';
import { mayReach, targetProblem } from '../../src/campaigns/webhooks/target.ts';
import {
  createWebhook,
  deleteWebhook,
  listWebhookDeliveries,
} from '../../src/campaigns/webhooks/webhooks.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { useDatabase } from '../harness/database.ts';
import { testDeps } from './fixture.ts';

const database = useDatabase();
let now = new Date('2026-03-01T12:00:00Z');
const deps = () => ({ ...testDeps(database.sql), clock: () => now, log: createLogger('silent') });

let server: Server;
let url: string;
let status = 204;
let received: { headers: IncomingHttpHeaders; body: string }[] = [];

beforeEach(async () => {
  await database.sql`truncate webhooks, webhook_deliveries`;
  now = new Date('2026-03-01T12:00:00Z');
  [status, received] = [204, []];
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => void (body += chunk.toString()));
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      response.writeHead(status, { location: url }).end('x'.repeat(100_000));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

async function queue() {
  const made = await createWebhook(deps(), { url, events: ['alarm.raised'], secret: null });
  await queueFacts(database.sql, [
    { event: 'alarm.raised', at: now, data: { provider: 'qq' } },
    { event: 'alarm.cleared', at: now, data: {} },
  ]);
  return made;
}
const log = async (id: bigint) =>
  (await listWebhookDeliveries(deps(), id, { limit: 10, after: null })).data;

test('what is posted is signed, what was not asked for is not posted', async () => {
  const { webhook, secret } = await queue();
  expect(await postDue(deps())).toBe(1);
  expect(await postDue(deps())).toBe(0);

  const [{ headers, body } = { headers: {}, body: '' }] = received;
  expect(received).toHaveLength(1);
  expect(JSON.parse(body)).toEqual({
    type: 'alarm.raised',
    timestamp: '2026-03-01T12:00:00.000Z',
    data: { provider: 'qq' },
  });
  const parts = {
    id: String(headers['webhook-id']),
    timestamp: Number(headers['webhook-timestamp']),
    body,
  };
  const signature = String(headers['webhook-signature']);
  expect(verifies(secret, parts, signature, now)).toBe(true);
  expect(verifies(secret, { ...parts, body: `${body} ` }, signature, now)).toBe(false);
  expect(verifies(secret, parts, signature, new Date(now.getTime() + 301_000))).toBe(false);
  expect(await log(webhook.id)).toMatchObject([{ state: 'delivered', attempts: 1, status: 204 }]);
});

test('the signature is the one of standardwebhooks.com', () => {
  const parts = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1614265330,
    body: '{"test": 2432232314}',
  };
  expect(sign('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', parts)).toBe(
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  );
});

test('a failure is repeated, later each time, with the same id and body; then it is given up', async () => {
  const { webhook } = await queue();
  status = 302;
  for (const wait of RETRY_SECONDS) {
    expect(await postDue(deps())).toBe(1);
    expect(await postDue(deps())).toBe(0);
    expect(await log(webhook.id)).toMatchObject([{ state: 'pending', reason: 'answered 302' }]);
    now = new Date(now.getTime() + wait * 1_000);
  }
  expect(await postDue(deps())).toBe(1);

  expect(await log(webhook.id)).toMatchObject([{ state: 'failed', attempts: 10 }]);
  expect(new Set(received.map(({ body }) => body)).size).toBe(1);
  expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  now = new Date(now.getTime() + 31 * 86_400_000);
  await purgeWebhooks(deps());
  expect(await log(webhook.id)).toEqual([]);
});

test('a server that is away is a reason, and two processes do not post the same', async () => {
  const { webhook } = await queue();
  const both = await Promise.all([postDue(deps()), postDue(deps())]);
  expect(both.sort()).toEqual([0, 1]);
  await queueFacts(database.sql, [{ event: 'alarm.raised', at: now, data: {} }]);
  await new Promise((resolve) => server.close(resolve));
  await postDue(deps());

  const [last] = await log(webhook.id);
  expect(last).toMatchObject({ state: 'pending', status: null });
  expect(last?.reason).toContain('ECONNREFUSED');
  await deleteWebhook(deps(), webhook.id);
  expect(await database.sql`select 1 from webhook_deliveries`).toHaveLength(0);
});

test.each([
  ['ftp://example.com/', 'must be an https: URL'],
  ['http://example.com/', 'must be https:, unless it is this machine'],
  ['https://u:p@example.com/', 'may not hold a user name or password'],
  ['https://10.0.0.1/', 'is an address of a private network'],
  ['https://169.254.169.254/latest', 'is an address of a private network'],
  ['https://[fd00::1]/', 'is an address of a private network'],
  ['https://[::ffff:10.0.0.1]/', 'is an address of a private network'],
  ['http://2130706433/', null],
  ['http://localhost:8080/x', null],
  ['http://[::1]/', null],
  ['https://example.com/x?y=1', null],
])('%s: %s', async (target, problem) => {
  expect(targetProblem(target)).toBe(problem);
  if (problem === null) return;
  const input = { url: target, events: [], secret: null };
  await expect(createWebhook(deps(), input)).rejects.toMatchObject({ code: 'invalid_request' });
  const posting = { url: target, secret: 'x', id: 'i', body: '{}', now };
  expect(await postWebhook(posting)).toMatchObject({ ok: false, status: null });
});

test('a name that points into the own network is not followed', () => {
  expect(mayReach('hooks.example.com', '127.0.0.1')).toBe(false);
  expect(mayReach('hooks.example.com', '192.168.1.1')).toBe(false);
  expect(mayReach('hooks.example.com', '93.184.216.34')).toBe(true);
  expect(mayReach('localhost', '127.0.0.1')).toBe(true);
});

test('secrets of one kind only', () => {
  expect(isSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toBe(true);
  expect(isSecret('whsec_c2hvcnQ=')).toBe(false);
  expect(isSecret('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toBe(false);
});

test('a webhook that is removed while a fact is being written leaves nothing behind', async () => {
  const { sql } = database;
  const { webhook } = await queue();
  let removed: Promise<unknown> = Promise.resolve();
  await sql.begin(async (tx) => {
    await queueFacts(tx, [{ event: 'alarm.raised', at: now, data: {} }]);
    // Waits for the rows above, and takes them along.
    removed = deleteWebhook(deps(), webhook.id);
    await tx`select pg_sleep(0.05)`;
  });
  await removed;
  expect(await sql`select 1 from webhook_deliveries`).toHaveLength(0);
});
