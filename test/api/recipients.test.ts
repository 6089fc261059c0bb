import { once } from 'node:events';
import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startApi } from '../../src/api/server.ts';
import type { ApiServer } from '../../src/api/server.ts';
import { createCampaign, useApi } from './harness.ts';

const api = useApi();
let server: ApiServer;

beforeAll(async () => {
  server = await startApi(api.app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.close();
});

const NDJSON = { 'Content-Type': 'application/x-ndjson' };
const CSV = { 'Content-Type': 'text/csv' };

function upload(campaign: string, body: string | Uint8Array, headers: Record<string, string>) {
  const path = `/v1/campaigns/${campaign}/recipients`;
  const bytes = new Uint8Array(Buffer.from(body));
  return api.call('POST', path, { body: bytes }, { as: 'send', headers });
}

async function recipientRows(): Promise<number> {
  const [row] = await api.database.sql<{ n: number }[]>`select count(*)::int as n from recipients`;
  return row?.n ?? -1;
}

test('NDJSON: every row is a recipient or a reported reject', async () => {
  const campaign = await createCampaign(api);
  await api.post('/v1/suppressions', { entries: [{ email: 'gone@example.com' }] });
  const rows = [
    '{"email":"Ann@Example.com","name":"Ann","month":"March"}',
    '{"email":"ann@example.com"}',
    '{"email":"no address"}',
    'no json',
    '{"email":"gone@example.com"}',
    '{"email":"a@example.com\\r\\nRCPT TO:<b@example.com>"}',
  ];

  const { status, body } = await upload(campaign, rows.join('\n'), NDJSON);

  expect(status).toBe(200);
  expect(body).toMatchObject({ accepted: 2, duplicate: 1, invalid: 3, suppressed: 1 });
  expect(body.rejects).toMatchObject([
    { row: 2, code: 'duplicate' },
    { row: 3, code: 'invalid_email' },
    { row: 4, code: 'invalid_json' },
    { row: 6, code: 'invalid_email' },
  ]);
  expect((await api.get(`/v1/campaigns/${campaign}`)).body.recipient_count).toBe(2);
});

test('CSV in gzip, and CSV in GB18030', async () => {
  const campaign = await createCampaign(api);
  const packed = await upload(campaign, gzipSync('email,name\na@example.com,Ann\n'), {
    ...CSV,
    'Content-Encoding': 'gzip',
  });
  const chinese = await upload(
    campaign,
    iconv.encode('email,name\nb@example.com,张伟\n', 'gb18030'),
    {
      'Content-Type': 'text/csv; charset=gb18030',
    },
  );

  expect([packed.body.accepted, chinese.body.accepted]).toEqual([1, 1]);
  const [row] = await api.database.sql`select name from recipients where address = 'b@example.com'`;
  expect(row?.name).toBe('张伟');
});

test('all rejects can be downloaded, and none runs as a formula', async () => {
  const campaign = await createCampaign(api);
  const rows = Array.from({ length: 250 }, (_, i) => `=cmd|' /C calc'!A${i}`);

  const { body } = await upload(campaign, `email\n${rows.join('\n')}\n`, CSV);
  const file = await api.get(String(body.rejects_url), { as: 'read' });

  expect(body.rejects).toHaveLength(100);
  const lines = file.text.trimEnd().split('\r\n');
  expect(lines).toHaveLength(251);
  expect(lines[0]).toBe('row,input,code,reason');
  expect(lines[250]).toMatch(/^250,'=cmd/);
});

test.each(['upl_zzzzzzzzzzzzz', 'x', '%00'])('no upload %s', async (id) => {
  const campaign = await createCampaign(api);

  expect((await api.get(`/v1/campaigns/${campaign}/uploads/${id}/rejects`)).status).toBe(404);
});

const bytes = (text: string, ...more: number[]) =>
  Buffer.concat([Buffer.from(text), Buffer.from(more)]);
test.each<[string, string | Uint8Array, Record<string, string>, number, string]>([
  ['CSV without email', 'name\nAnn\n', CSV, 400, 'invalid_body'],
  ['CSV with an open quote', 'email\na@example.com\n"b@example.com\n', CSV, 400, 'invalid_body'],
  ['an empty CSV', '', CSV, 400, 'invalid_body'],
  [
    'bytes that are not UTF-8',
    bytes('email\na@example.com\n', 0xff, 0xfe, 0x0a),
    CSV,
    400,
    'invalid_encoding',
  ],
  ['a gzip that is none', 'email\n', { ...CSV, 'Content-Encoding': 'gzip' }, 400, 'invalid_body'],
  [
    'a gzip that breaks off',
    gzipSync('email\n'.repeat(1_000)).subarray(0, 25),
    { ...CSV, 'Content-Encoding': 'gzip' },
    400,
    'invalid_body',
  ],
  [
    '10 MB of variables in a row',
    `{"email":"a@example.com","x":"${'x'.repeat(10_000_000)}"}`,
    NDJSON,
    413,
    'row_too_large',
  ],
  [
    '10 MB in a CSV cell',
    `email,x\na@example.com,${'x'.repeat(10_000_000)}\n`,
    CSV,
    413,
    'row_too_large',
  ],
  ['JSON', '[]', { 'Content-Type': 'application/json' }, 415, 'unsupported_media_type'],
  ['no type', 'email\n', { 'Content-Type': '' }, 415, 'unsupported_media_type'],
  ['brotli', 'email\n', { ...CSV, 'Content-Encoding': 'br' }, 415, 'unsupported_media_type'],
  [
    'an unknown charset',
    'email\n',
    { 'Content-Type': 'text/csv; charset=klingon' },
    415,
    'unsupported_media_type',
  ],
])('%s leaves nothing', async (_name, body, headers, status, code) => {
  const campaign = await createCampaign(api);
  const before = await recipientRows();

  const answer = await upload(campaign, body, headers);

  expect([answer.status, answer.body.code]).toEqual([status, code]);
  expect(await recipientRows()).toBe(before);
  expect((await api.get(`/v1/campaigns/${campaign}`)).body.recipient_count).toBe(0);
});

test('a gzip bomb in one row ends at the row limit', async () => {
  const campaign = await createCampaign(api);
  const bomb = gzipSync(`email\n${'x'.repeat(200_000_000)}`);

  const answer = await upload(campaign, bomb, { ...CSV, 'Content-Encoding': 'gzip' });

  expect([answer.status, answer.body.code]).toEqual([413, 'row_too_large']);
});

test('only a draft takes recipients, and only with scope send', async () => {
  const campaign = await createCampaign(api);
  await upload(campaign, 'email\na@example.com\n', CSV);
  expect((await api.post(`/v1/campaigns/${campaign}/start`)).body.state).toBe('expanding');
  const path = `/v1/campaigns/${campaign}/recipients`;

  const late = await upload(campaign, 'email\nb@example.com\n', CSV);

  expect([late.status, late.body.code]).toEqual([409, 'campaign_not_draft']);
  expect(
    (await api.call('POST', path, { body: 'email\n' }, { as: 'read', headers: CSV })).status,
  ).toBe(403);
  expect(
    (await api.call('POST', path, { body: 'email\n' }, { as: null, headers: CSV })).status,
  ).toBe(401);
  expect((await upload('cmp_zzzzzzzzzzzzz', 'email\n', CSV)).status).toBe(404);
  expect((await upload('nonsense', 'email\n', CSV)).status).toBe(404);
});

test('an upload is idempotent by the bytes as they came', async () => {
  const campaign = await createCampaign(api);
  const headers = { ...CSV, 'Idempotency-Key': 'list-1' };
  const first = await upload(campaign, 'email\nonce@example.com\n', headers);
  const again = await upload(campaign, 'email\nonce@example.com\n', headers);
  const other = await upload(campaign, 'email\ntwice@example.com\n', headers);

  expect(first.body.accepted).toBe(1);
  expect(again.body).toEqual(first.body);
  expect(other.body.code).toBe('idempotency_key_reused');
  expect((await api.get(`/v1/campaigns/${campaign}`)).body.recipient_count).toBe(1);
});

function open(campaign: string, headers: Record<string, string>): ClientRequest {
  return request({
    host: '127.0.0.1',
    port: server.port,
    method: 'POST',
    path: `/v1/campaigns/${campaign}/recipients`,
    headers: { Authorization: `Bearer ${api.keys.send}`, ...headers },
    agent: false,
  });
}

test('a client that goes away leaves nothing, and the campaign free', async () => {
  const campaign = await createCampaign(api);
  const before = await recipientRows();
  const sent = open(campaign, { ...CSV, 'Idempotency-Key': 'gone' });
  sent.on('error', () => undefined);
  sent.write('email\n');
  for (let i = 0; i < 20_000; i += 1) sent.write(`gone${i}@example.com\n`);
  await eventually(async () => {
    const rows = await api.database.sql`select from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and query ilike 'copy%' and state = 'active'`;
    expect(rows.length).toBe(1);
  });

  sent.destroy();

  await eventually(async () => {
    const rows = await api.database.sql`select from idempotency_keys where key = 'gone'`;
    expect(rows.length).toBe(0);
  });
  expect(await recipientRows()).toBe(before);
  const again = await upload(campaign, 'email\ngone1@example.com\n', {
    ...CSV,
    'Idempotency-Key': 'gone',
  });
  expect(again.body).toMatchObject({ accepted: 1 });
});

test('a Content-Length that was not kept leaves nothing', async () => {
  const campaign = await createCampaign(api);
  const before = await recipientRows();
  const sent = open(campaign, { ...CSV, 'Content-Length': '1000' });
  sent.on('error', () => undefined);
  sent.write('email\nshort@example.com\n');
  const [socket] = (await once(sent, 'socket')) as [Socket];
  await eventually(() => expect(socket.bytesWritten).toBeGreaterThan(100));

  sent.destroy();

  await eventually(async () => {
    const rows = await api.database.sql`select from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and xact_start is not null and pid <> pg_backend_pid()`;
    expect(rows.length).toBe(0);
  });
  expect(await recipientRows()).toBe(before);
});

test('200,000 rows come in through a socket, at the pace of the database', async () => {
  const campaign = await createCampaign(api);
  const sent = open(campaign, NDJSON);
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  for (let batch = 0; batch < 200; batch += 1) {
    let text = '';
    for (let i = 0; i < 1_000; i += 1) {
      text += `{"email":"u${batch}x${i}@d${i % 50}.example.com","name":"User","points":${i}}\n`;
    }
    if (!sent.write(text)) await once(sent, 'drain');
  }
  sent.end();
  const [response] = await answered;
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;

  expect(JSON.parse(text)).toMatchObject({ accepted: 200_000, invalid: 0 });
}, 60_000);
