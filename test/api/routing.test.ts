import { expect, test } from 'vitest';
import { NEW_SENDER, useApi } from './harness.ts';

const api = useApi();

const SMART_HOST = {
  pattern: '*.shop.example',
  transport: 'smarthost',
  host: 'Relay.example.com',
  tls: 'verified',
  login: { user: 'volley', secret: 'geheim' },
};
const SOURCE = { pool: 'default', address: '127.0.0.11', helo_name: 'out1.example.com', weight: 3 };

test('a route is created, listed without its secret, and removed', async () => {
  const made = await api.post('/v1/routes', SMART_HOST);
  expect(made.status).toBe(201);
  expect(made.headers.get('Location')).toBe(`/v1/routes/${made.body.id}`);
  expect(made.body).toMatchObject({
    pattern: '*.shop.example',
    host: 'relay.example.com',
    port: 587,
    login: { mechanism: null, user: 'volley' },
  });
  const list = await api.get('/v1/routes', { as: 'read' });
  expect(list.body.data).toEqual([made.body]);
  expect(made.text + list.text).not.toContain('geheim');

  const again = await api.post('/v1/routes', SMART_HOST);
  expect([again.status, again.body.code]).toEqual([409, 'conflict']);
  const replaced = await api.post('/v1/routes', { ...SMART_HOST, port: 2525, replace: true });
  expect(replaced.body).toMatchObject({ port: 2525 });

  const gone = await api.call('DELETE', `/v1/routes/${replaced.body.id}`);
  expect([gone.status, gone.body]).toEqual([200, replaced.body]);
  expect((await api.call('DELETE', `/v1/routes/${made.body.id}`)).status).toBe(404);
  expect((await api.get('/v1/routes')).body.data).toEqual([]);
});

test('a source is added to a pool, listed without its secret, and taken out', async () => {
  const plain = await api.post('/v1/sources', SOURCE);
  expect(plain.status).toBe(201);
  expect(plain.body).toMatchObject({ ...SOURCE, proxy: null });
  const login = { user: 'volley', secret: 'geheim' };
  const proxy = { type: 'socks5', host: 'proxy.example', port: 1080, login };
  const proxied = await api.post('/v1/sources', { pool: 'abroad', proxy });
  expect(proxied.body).toMatchObject({ address: null, proxy: { user: 'volley' } });
  const list = await api.get('/v1/sources', { as: 'read' });
  expect(list.body.data.map(({ id }) => id)).toEqual([proxied.body.id, plain.body.id]);
  expect(proxied.text + list.text).not.toContain('geheim');
  expect((await api.post('/v1/sources', SOURCE)).status).toBe(409);
  for (const { id } of [plain.body, proxied.body]) {
    expect((await api.call('DELETE', `/v1/sources/${id}`)).status).toBe(200);
  }
});

test.each<[string, Record<string, unknown>, string]>([
  ['/v1/routes', { pattern: 'a\r\nb', transport: 'discard' }, '/pattern'],
  ['/v1/routes', { pattern: '*', transport: 'carrier pigeon' }, '/transport'],
  ['/v1/routes', { pattern: '*', transport: 'file', folder: '../../etc' }, '/folder'],
  ['/v1/routes', { pattern: '*', transport: 'smarthost' }, '/host'],
  ['/v1/routes', { ...SMART_HOST, login: { user: 'a\r\nQUIT', secret: 'x' } }, '/login/user'],
  ['/v1/routes', { ...SMART_HOST, colour: 'red' }, '/colour'],
  ['/v1/sources', { ...SOURCE, address: 'no address' }, '/address'],
  ['/v1/sources', { ...SOURCE, weight: 0 }, '/weight'],
  ['/v1/sources', { pool: 'x' }, '/address'],
])('%s refuses %j', async (path, body, pointer) => {
  const answer = await api.post(path, body);
  expect(answer.status).toBe(422);
  expect(answer.body.errors[0]?.pointer).toBe(pointer);
});

test('only an admin changes where mail goes; everybody may read and ask', async () => {
  for (const [path, body] of [
    ['/v1/routes', SMART_HOST],
    ['/v1/sources', SOURCE],
  ] as const) {
    expect((await api.post(path, body, { as: 'send' })).status).toBe(403);
    expect((await api.post(path, body, { as: null })).status).toBe(401);
    expect((await api.get(path, { as: 'read' })).status).toBe(200);
  }
  const route = '/v1/routes/rte_0000000000001';
  expect((await api.call('DELETE', route, {}, { as: 'send' })).status).toBe(403);
});

test('explain asks the engine; what is no domain is told so', async () => {
  const { status, body } = await api.get('/v1/routes/explain?domain=Shop.example', { as: 'read' });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    domain: 'shop.example',
    rule: null,
    transport: 'smtp',
    target: null,
    failure: { code: 'dns_temporary', permanent: false },
  });
  const wrong = await api.get('/v1/routes/explain?domain=a%0d%0ab');
  expect([wrong.status, wrong.body.errors[0]?.pointer]).toEqual([422, 'domain']);
});

test('a sender names its pool', async () => {
  const made = await api.post('/v1/senders', { ...NEW_SENDER, pool: 'statements' });
  expect(made.body.pool).toBe('statements');
  const wrong = await api.post('/v1/senders', { ...NEW_SENDER, pool: 'Not A Pool' });
  expect(wrong.body.errors[0]?.pointer).toBe('/pool');
});
