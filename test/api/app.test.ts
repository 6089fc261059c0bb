import { expect, test } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { connect } from '../../src/kernel/postgres/connect.ts';
import { createDatabase } from '../harness/database.ts';
import { createCampaign, NEW_SENDER, useApi } from './harness.ts';

const api = useApi();

test('an unknown path is a problem document', async () => {
  const { status, headers, body } = await api.get('/v1/nothing', { as: null });

  expect(status).toBe(404);
  expect(headers.get('Content-Type')).toBe('application/problem+json');
  expect(body).toEqual({
    type: '/problems/not_found',
    title: 'There is no such thing',
    status: 404,
    detail: 'no such path',
    instance: '/v1/nothing',
    code: 'not_found',
    request_id: headers.get('X-Request-Id'),
  });
});

test.each([
  ['PUT', '/v1/senders', ['GET', 'HEAD', 'POST']],
  ['PATCH', '/v1/senders/snd_0000000000001', ['GET', 'HEAD']],
  ['GET', '/v1/campaigns/cmp_0000000000001/start', ['POST']],
  ['DELETE', '/healthz', ['GET', 'HEAD']],
])('%s %s is 405 with Allow', async (method, path, allowed) => {
  const { status, headers, body } = await api.call(method, path);

  expect([status, body.code]).toEqual([405, 'method_not_allowed']);
  expect((headers.get('Allow') ?? '').split(', ').sort()).toEqual(allowed);
});

test('HEAD answers as GET does, without a body', async () => {
  const { status, headers, text } = await api.call('HEAD', '/v1/senders');

  expect([status, text]).toEqual([200, '']);
  expect(headers.get('Content-Type')).toContain('application/json');
});

test('every answer has the security headers and may not be cached', async () => {
  for (const path of ['/v1/senders', '/v1/nothing', '/healthz', '/openapi.json']) {
    const { headers } = await api.get(path);
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(headers.get('X-Frame-Options')).toBe('DENY');
    expect(headers.get('Referrer-Policy')).toBe('no-referrer');
    expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'");
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(headers.get('Access-Control-Allow-Origin')).toBeNull();
    expect(headers.get('Set-Cookie')).toBeNull();
  }
});

test.each([
  ['trace-1_2=', true],
  ['a b', false],
  ['<script>', false],
  ['x'.repeat(65), false],
])('X-Request-Id %j is taken over: %s', async (given, taken) => {
  const { headers } = await api.get('/healthz', { headers: { 'X-Request-Id': given } });

  if (taken) expect(headers.get('X-Request-Id')).toBe(given);
  else expect(headers.get('X-Request-Id')).toMatch(/^req_[\w-]{16}$/);
});

test('/readyz says what is down', async () => {
  const down = { bounceListener: false, migrations: 99 };
  const app = createApi({ ...api.deps, ready: async () => down });

  const response = await app.request('/readyz');

  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({
    status: 'not_ready',
    checks: { database: 'up', migrations: 'down', bounce_listener: 'down' },
  });
  expect((await api.get('/readyz', { as: null })).body.status).toBe('ready');
});

test('an unexpected error tells the caller nothing but the request id', async () => {
  const app = createApi({
    ...api.deps,
    ready: async () => Promise.reject(new Error('password=hunter2')),
  });

  const response = await app.request('/readyz');
  const text = await response.text();

  expect(response.status).toBe(500);
  expect(text).not.toContain('hunter2');
  expect(JSON.parse(text)).toMatchObject({
    code: 'internal',
    request_id: response.headers.get('X-Request-Id'),
  });
});

test('a database that went away is 503 with Retry-After, and /readyz says so', async () => {
  const database = await createDatabase();
  const sql = connect(database.url, { poolSize: 1 });
  await sql`select 1`;
  await database.drop();
  const app = createApi({ ...api.deps, sql });
  const headers = { Authorization: `Bearer ${api.keys.read}` };

  const response = await app.request('/v1/senders', { headers });

  expect(response.status).toBe(503);
  expect(response.headers.get('Retry-After')).toBe('5');
  expect(await response.json()).toMatchObject({ code: 'database_unavailable' });
  expect((await app.request('/healthz')).status).toBe(200);
  expect((await app.request('/readyz')).status).toBe(503);
  await sql.end({ timeout: 1 });
});

test('lifecycle: a verb at the wrong time is 409 with the ones that are possible', async () => {
  const id = await createCampaign(api);

  const { status, body } = await api.post(`/v1/campaigns/${id}/pause`, undefined, { as: 'send' });

  expect(status).toBe(409);
  expect(body).toMatchObject({
    code: 'illegal_transition',
    state: 'draft',
    allowed_transitions: ['start', 'cancel'],
  });
  expect((await api.post(`/v1/campaigns/${id}/start`)).body.code).toBe('campaign_empty');
  expect((await api.post(`/v1/campaigns/${id}/cancel`, {})).body.state).toBe('cancelling');
});

test('a sentence of an error holds no raw input', async () => {
  const { text } = await api.post('/v1/senders', { ...NEW_SENDER, ['a\r\nb']: 1 });

  expect(text).not.toMatch(/[\r\n]/);
});
