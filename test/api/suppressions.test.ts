import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { useApi } from './harness.ts';
import type { AnswerBody } from './harness.ts';

const api = useApi();

function importCsv(text: string | Uint8Array, headers: Record<string, string> = {}) {
  return api.call(
    'POST',
    '/v1/suppressions/import',
    { body: new Uint8Array(Buffer.from(text)), headers: { 'Content-Type': 'text/csv' } },
    { headers },
  );
}

async function suppressed(email: string): Promise<boolean> {
  const { body } = await api.post('/v1/suppressions/check', { emails: [email] });
  return body.data[0]?.suppressed === true;
}

test('one result per entry, in order; a wrong one does not stop the others', async () => {
  const { status, body } = await api.post(
    '/v1/suppressions',
    {
      entries: [
        { email: 'Ann@Example.COM', note: 'asked on the phone' },
        { email: 'no address' },
        { email: 'bob@example.com', reason: 'nonsense' },
        { email: 'a@example.com\r\nRCPT TO:<b@example.com>' },
        { email: 'eve@example.com', scope: 'stream', scope_value: 'marketing' },
        { email: 'joe@example.com', expires_at: '2001-01-01T00:00:00Z' },
      ],
    },
    { as: 'send' },
  );

  expect(status).toBe(200);
  expect(body.data.map((row) => row.status)).toEqual([
    'suppressed',
    'invalid',
    'invalid',
    'invalid',
    'suppressed',
    'invalid',
  ]);
  expect(body.data[0]).toMatchObject({
    email: 'Ann@Example.COM',
    suppressions: [{ email: 'ann@example.com', reason: 'manual', evidence: 'asked on the phone' }],
  });
  expect(body.data[5]?.reason).toMatch(/^expires_at /);
  expect(await suppressed('ANN@example.com')).toBe(true);
  expect(await suppressed('bob@example.com')).toBe(false);
});

test('check answers for each address in order, for one sender if asked', async () => {
  await api.post('/v1/suppressions', {
    entries: [{ email: 'kim@example.com', scope: 'sender', scope_value: 'shop.example' }],
  });
  const emails = ['kim@example.com', '??', 'free@example.com'];
  const other = { sender_domain: 'other.example', stream: 'marketing' };

  const anywhere = await api.post('/v1/suppressions/check', { emails }, { as: 'read' });
  const there = await api.post('/v1/suppressions/check', { emails, context: other });

  expect(anywhere.body.data.map((row) => row.suppressed)).toEqual([true, false, false]);
  expect(anywhere.body.data[1]?.invalid).toBe('has no @');
  expect(there.body.data.map((row) => row.suppressed)).toEqual([false, false, false]);
});

test('a release needs an admin, keeps the history and says who', async () => {
  await api.post('/v1/suppressions', { entries: [{ email: 'rel@example.com' }] });
  const path = '/v1/suppressions/rel%40example.com';

  expect((await api.call('DELETE', path, {}, { as: 'send' })).status).toBe(403);
  const { status, body } = await api.call('DELETE', path);

  expect(status).toBe(200);
  expect(body.data[0]?.released_by).toMatch(/^key_/);
  expect(await suppressed('rel@example.com')).toBe(false);
  expect((await api.call('DELETE', path)).status).toBe(404);
  const history = await api.get('/v1/suppressions?email=rel@example.com&history=true');
  expect(history.body.data).toHaveLength(1);
  expect((await api.get('/v1/suppressions?email=rel@example.com')).body.data).toEqual([]);
});

test('the history of an address says who added and who released', async () => {
  const entries = [{ email: 'his@example.com', note: 'by phone' }];
  await api.post('/v1/suppressions', { entries }, { as: 'send' });
  await api.call('DELETE', '/v1/suppressions/his%40example.com');

  const { status, body } = await api.get('/v1/suppressions/HIS%40example.com/history', {
    as: 'read',
  });

  expect(status).toBe(200);
  expect(body).toMatchObject({
    email: 'his@example.com',
    suppressed: false,
    erased_at: null,
    suppressions: [{ evidence: 'by phone', reason: 'manual', class: null }],
    watch: null,
    soft_bounces: [],
    notices: [],
  });
  const [entry] = body['suppressions'] as { created_by: string; released_by: string }[];
  expect(entry?.created_by).toMatch(/^key_/);
  expect(entry?.released_by).toMatch(/^key_/);
  expect(entry?.created_by).not.toBe(entry?.released_by);
  expect((await api.get('/v1/suppressions/nobody/history')).status).toBe(404);
});

test('a person is forgotten by an admin, stays blocked, and can be let in again', async () => {
  const email = 'gone@example.com';
  await api.post('/v1/suppressions', { entries: [{ email, reason: 'unsubscribe' }] });
  expect((await api.post('/v1/suppressions/erase', { email }, { as: 'send' })).status).toBe(403);

  const { status, body } = await api.post('/v1/suppressions/erase', { email });

  expect(status).toBe(200);
  expect(body).toMatchObject({ completed: true, waiting_for: [] });
  expect(body['erasure_id']).toMatch(/^ers_/);
  const check = await api.post('/v1/suppressions/check', { emails: [email] });
  expect(check.body.data).toMatchObject([{ suppressed: true, erased: true, suppressions: [] }]);
  const added = await api.post('/v1/suppressions', { entries: [{ email }] });
  expect(added.body.data).toMatchObject([{ status: 'suppressed', suppressions: [] }]);
  const past = await api.get(`/v1/suppressions/${email}/history`);
  expect(past.body).toMatchObject({ suppressed: true, suppressions: [] });
  expect(past.body['erased_at']).not.toBeNull();
  const released = await api.call('DELETE', `/v1/suppressions/${email}`);
  expect(released.body).toMatchObject({ data: [], erasure_released: true });
  expect(await suppressed(email)).toBe(false);
  expect((await api.post('/v1/suppressions/erase', { email: 'nobody' })).status).toBe(422);
});

test('the refused rows of an import can be had as a file', async () => {
  const { body } = await importCsv('email\r\n=no\r\nrej@example.com\r\nneither\r\n');
  const file = await api.get(String(body['rejects_url']), { as: 'read' });
  expect(file.text).toBe(
    "row,input,reason\r\n1,'=no,email has no @\r\n3,neither,email has no @\r\n",
  );
  expect((await api.get('/v1/suppressions/imports/imp_0000000000zzz/rejects')).status).toBe(404);
  expect((await api.get('/v1/suppressions/imports/nonsense/rejects')).status).toBe(404);
});

test('a list is filtered and paged', async () => {
  const entries = [1, 2, 3].map((n) => ({ email: `page${n}@example.com`, reason: 'invalid' }));
  await api.post('/v1/suppressions', { entries });

  const first = await api.get('/v1/suppressions?reason=invalid&limit=2');
  const after = first.body.next_cursor ?? '';
  const second = await api.get(`/v1/suppressions?reason=invalid&limit=2&after=${after}`);

  expect(first.body).toMatchObject({ has_more: true });
  expect(second.body).toMatchObject({ has_more: false, next_cursor: null });
  const found = [...first.body.data, ...second.body.data].map((row: AnswerBody) => row.email);
  expect(new Set(found).size).toBe(3);
});

test.each([
  '/v1/suppressions?reason=nonsense',
  '/v1/suppressions?created_from=yesterday',
  '/v1/suppressions?history=maybe',
  '/v1/suppressions/export?scope=all',
])('%s is refused', async (path) => {
  expect((await api.get(path)).status).toBe(422);
});

test.each(['%00@example.com', 'a%0d%0ab@example.com', '%ff', 'x'.repeat(3_000)])(
  'DELETE of %.40s is not found',
  async (email) => {
    expect((await api.call('DELETE', `/v1/suppressions/${email}`)).status).toBe(404);
  },
);

test('more than 1,000 at once are refused', async () => {
  const emails = Array.from({ length: 1_001 }, (_, n) => `n${n}@example.com`);

  expect((await api.post('/v1/suppressions/check', { emails })).status).toBe(422);
  const entries = emails.map((email) => ({ email }));
  expect((await api.post('/v1/suppressions', { entries })).status).toBe(422);
});

test('a file is imported, plain or gzip, and what is wrong is reported by row', async () => {
  const text = 'email,reason\r\nimp1@example.com,complaint\r\nno address,\r\nimp1@example.com,\r\n';

  const plain = await importCsv(text);
  const packed = await importCsv(gzipSync(text), { 'Content-Encoding': 'gzip' });

  expect(plain.body).toMatchObject({ rows: 3, added: 1, unchanged: 1, rejected: 1 });
  expect(plain.body.rejects).toEqual([{ row: 2, input: 'no address', reason: 'email has no @' }]);
  expect(packed.body).toMatchObject({ rows: 3, added: 0, unchanged: 2, rejected: 1 });
  expect(await suppressed('imp1@example.com')).toBe(true);
});

test('what is exported can be imported, and no cell runs as a formula', async () => {
  await importCsv('email,evidence\r\n=cmd@example.com,"=HYPERLINK(""http://x"")"\r\n');

  const file = await api.get('/v1/suppressions/export', { as: 'read' });

  expect(file.headers.get('Content-Type')).toBe('text/csv; charset=utf-8');
  expect(file.headers.get('Content-Disposition')).toContain('attachment');
  expect(file.text).toContain("'=cmd@example.com");
  for (const line of file.text.split('\r\n')) expect(line).not.toMatch(/(?:^|,)"?[=+@-]/);
  const back = await importCsv(file.text);
  expect(back.body).toMatchObject({ added: 0, rejected: 0 });
});

test.each([
  ['no email column', 'name\r\nAnn\r\n', {}, 400, 'invalid_body'],
  ['empty', '', {}, 400, 'invalid_body'],
  ['open quote', 'email\r\n"ann@example.com\r\n', {}, 400, 'invalid_body'],
  [
    'bad UTF-8',
    Buffer.from([0x65, 0x6d, 0x61, 0x69, 0x6c, 10, 0xff, 0xfe]),
    {},
    400,
    'invalid_encoding',
  ],
  ['no gzip', 'email\r\n', { 'Content-Encoding': 'gzip' }, 400, 'invalid_body'],
  ['brotli', 'email\r\n', { 'Content-Encoding': 'br' }, 415, 'unsupported_media_type'],
  ['JSON', '{}', { 'Content-Type': 'application/json' }, 415, 'unsupported_media_type'],
  [
    'latin-1',
    'email\r\n',
    { 'Content-Type': 'text/csv; charset=latin1' },
    415,
    'unsupported_media_type',
  ],
  [
    '10 MB in one row',
    `email,evidence\r\na@example.com,${'x'.repeat(10_000_000)}\r\n`,
    {},
    400,
    'invalid_body',
  ],
])('a file that is wrong (%s) changes nothing', async (_name, text, headers, status, code) => {
  const { sql } = api.database;
  const count = async () => (await sql`select count(*) from suppressions`)[0]?.count as bigint;
  const before = await count();

  const answer = await importCsv(text, headers);

  expect([answer.status, answer.body.code]).toEqual([status, code]);
  expect(await count()).toBe(before);
});

test('an import is idempotent by the bytes of the file', async () => {
  const headers = { 'Idempotency-Key': 'file-1' };
  const first = await importCsv('email\r\nonce@example.com\r\n', headers);
  const again = await importCsv('email\r\nonce@example.com\r\n', headers);
  const other = await importCsv('email\r\ntwice@example.com\r\n', headers);

  expect(first.body).toMatchObject({ added: 1 });
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('Idempotency-Replayed')).toBe('true');
  expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
  expect(await suppressed('twice@example.com')).toBe(false);
});
