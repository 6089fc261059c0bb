import { once } from 'node:events';
import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { createApi } from '../../src/api/app.ts';
import { startApi } from '../../src/api/server.ts';
import type { ApiServer } from '../../src/api/server.ts';
import { useApi } from './harness.ts';

const LIMITS = { idleTimeoutMs: 1_000, readTimeoutMs: 1_000 };
const api = useApi();
let server: ApiServer;

beforeAll(async () => {
  const app = createApi({ ...api.deps, bodyLimits: LIMITS, maxStreams: 2, stallTimeoutMs: 3_000 });
  server = await startApi(app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.close();
});

function open(method: string, path: string, headers: Record<string, string> = {}): ClientRequest {
  return request({
    host: '127.0.0.1',
    port: server.port,
    method,
    path,
    headers: { Authorization: `Bearer ${api.keys.admin}`, ...headers },
    agent: false,
  });
}

async function answerOf(sent: ClientRequest): Promise<{ status: number; text: string }> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  return { status: response.statusCode ?? 0, text };
}

async function rows(table: 'suppressions' | 'idempotency_keys'): Promise<number> {
  const { sql } = api.database;
  const [row] = await sql<{ n: number }[]>`select count(*)::int as n from ${sql(table)}`;
  return row?.n ?? -1;
}

/** Resolves once the API is inside the transactions of `count` imports. */
async function importsRun(count = 1): Promise<void> {
  await eventually(async () => {
    const [row] = await api.database.sql<{ n: number }[]>`
      select count(*)::int as n from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and xact_start is not null and pid <> pg_backend_pid()`;
    expect(row?.n).toBe(count);
  });
}

const CSV = { 'Content-Type': 'text/csv' };

test('a body is streamed in as it comes', async () => {
  const sent = open('POST', '/v1/suppressions/import', CSV);
  sent.write('email\r\n');
  for (let i = 0; i < 1_000; i += 1) sent.write(`s${i}@example.com\r\n`);
  sent.end();

  const { status, text } = await answerOf(sent);

  expect([status, JSON.parse(text)]).toMatchObject([200, { added: 1_000 }]);
});

test('a client that goes away in the middle leaves nothing, and may send it again', async () => {
  const before = await rows('suppressions');
  const headers = { ...CSV, 'Idempotency-Key': 'cut' };
  const sent = open('POST', '/v1/suppressions/import', headers);
  sent.on('error', () => undefined);
  sent.write(`email\r\n${'x1@example.com\r\nx2@example.com\r\n'.repeat(5_000)}`);
  await importsRun();

  sent.destroy();

  // The key is given up when the transaction has been rolled back.
  await eventually(async () => expect(await rows('idempotency_keys')).toBe(0));
  expect(await rows('suppressions')).toBe(before);
  const again = open('POST', '/v1/suppressions/import', headers);
  again.end('email\r\nx1@example.com\r\n');
  expect((await answerOf(again)).status).toBe(200);
});

test('a client that falls silent is given up, and the connection with it', async () => {
  const before = await rows('suppressions');
  const sent = open('POST', '/v1/suppressions/import', CSV);
  sent.on('error', () => undefined);
  sent.write('email\r\nsilent@example.com\r\n');

  const { status, text } = await answerOf(sent);

  expect([status, JSON.parse(text)]).toMatchObject([400, { code: 'upload_aborted' }]);
  expect(await rows('suppressions')).toBe(before);
});

test('a client that drips JSON is given up', async () => {
  const sent = open('POST', '/v1/templates', { 'Content-Type': 'application/json' });
  sent.on('error', () => undefined);
  const drip = setInterval(() => sent.write(' '), 50);

  const { status } = await answerOf(sent);
  clearInterval(drip);

  expect(status).toBe(400);
});

test('more uploads at one time than there are slots are refused at once', async () => {
  const held = [
    open('POST', '/v1/suppressions/import', CSV),
    open('POST', '/v1/suppressions/import', CSV),
  ];
  for (const sent of held) {
    sent.on('error', () => undefined);
    sent.write('email\r\n');
  }
  await importsRun(2);

  const third = open('POST', '/v1/suppressions/import', CSV);
  third.end('email\r\n');
  const { status, text } = await answerOf(third);

  expect([status, JSON.parse(text)]).toMatchObject([503, { code: 'overloaded' }]);
  await Promise.all(
    held.map(async (sent) => {
      sent.end();
      expect((await answerOf(sent)).status).toBe(200);
    }),
  );
});

/** Two at one time, of which nothing is read. */
async function exportTwice() {
  return await Promise.all(
    [1, 2].map(async () => {
      const sent = open('GET', '/v1/suppressions/export');
      sent.on('error', () => undefined);
      sent.end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      const closed = new Promise((resolve) =>
        response.on('error', () => undefined).on('close', resolve),
      );
      return { sent, response, closed };
    }),
  );
}

test('an export nobody reads holds nothing of the database, ends, and gives its slot back', async () => {
  const { sql } = api.database;
  await sql`insert into suppressions (address_key, reason, origin, evidence)
    select 'many' || n || '@example.com', 'manual', 'import', repeat('x', 1000)
    from generate_series(1, 50000) n`;
  const unread = await exportTwice();
  for (const { response } of unread) expect(response.statusCode).toBe(200);
  await eventually(async () => {
    const [row] = await sql<{ n: number }[]>`
        select count(*)::int as n from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and state <> 'idle' and pid <> pg_backend_pid()`;
    expect(row?.n).toBe(0);
  });
  // Nothing is read. The stall ends both: there is room for two others at one time ...
  await eventually(async () => {
    const others = await exportTwice();
    for (const { sent } of others) sent.destroy();
    expect(others.map(({ response }) => response.statusCode)).toEqual([200, 200]);
  });
  // ... and what had been sent before is seen to be incomplete.
  for (const { response, closed } of unread) {
    response.resume();
    await closed;
    expect(response.complete).toBe(false);
  }
}, 30_000);

test('an export that is read to the end is complete', async () => {
  const sent = open('GET', '/v1/suppressions/export?reason=manual');
  sent.end();

  const { status, text } = await answerOf(sent);

  expect(status).toBe(200);
  expect(text.split('\r\n').length).toBeGreaterThan(50_000);
});

/** Bytes as they are, to see what no client library would send. */
async function raw(bytes: string): Promise<string> {
  const socket: Socket = connectSocket(server.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

test.each([
  [
    'a NUL in a header',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\u0000b\r\nConnection: close\r\n\r\n',
  ],
  [
    'a bare CR in a header',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\rb\r\nConnection: close\r\n\r\n',
  ],
  [
    'two lengths',
    'POST /v1/senders HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}',
  ],
  [
    'length and chunked',
    'POST /v1/senders HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
  ],
  ['no Host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ['a Host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n'],
  [
    'headers of 20 KB',
    `GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\nConnection: close\r\n\r\n`,
  ],
])('%s is refused', async (_name, bytes) => {
  expect(await raw(bytes)).toMatch(/^HTTP\/1\.1 4\d\d /);
});

test('a CR LF in a query never becomes a header', async () => {
  const text = await raw(
    'GET /v1/%0d%0aX-Injected:%201 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  );

  expect(text).toMatch(/^HTTP\/1\.1 404 /);
  expect(text.split('\r\n\r\n')[0]).not.toMatch(/x-injected/i);
});

test('a port in use is named', async () => {
  await expect(startApi(api.app, { host: '127.0.0.1', port: server.port })).rejects.toMatchObject({
    code: 'port_in_use',
  });
});

test('close lets a running request end, refuses new ones, and cuts what takes too long', async () => {
  const own = await startApi(
    createApi({ ...api.deps, bodyLimits: { idleTimeoutMs: 60_000, readTimeoutMs: 60_000 } }),
    {
      host: '127.0.0.1',
      port: 0,
      graceMs: 500,
    },
  );
  const begin = (): ClientRequest => {
    const sent = request({
      host: '127.0.0.1',
      port: own.port,
      method: 'POST',
      path: '/v1/suppressions/import',
      headers: { Authorization: `Bearer ${api.keys.admin}`, ...CSV },
      agent: false,
    });
    sent.on('error', () => undefined);
    sent.write('email\r\n');
    return sent;
  };
  const good = begin();
  await importsRun();
  const stuck = begin();
  await once(stuck, 'socket');

  const closing = own.close();
  good.end('closing@example.com\r\n');

  expect((await answerOf(good)).status).toBe(200);
  const started = performance.now();
  await Promise.all([closing, own.close()]);
  expect(performance.now() - started).toBeLessThan(3_000);
  const late = request({ host: '127.0.0.1', port: own.port, path: '/healthz', agent: false });
  late.end();
  await expect(once(late, 'response')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
