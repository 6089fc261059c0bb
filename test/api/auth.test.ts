import { expect, test } from 'vitest';
import { createAuthenticate } from '../../src/api/auth.ts';
import { createKey, revokeKey } from '../../src/api/keys.ts';
import { NEW_SENDER, useApi } from './harness.ts';

const api = useApi();

test.each([
  undefined,
  '',
  'Bearer',
  'Bearer ',
  'Basic dXNlcjpwYXNz',
  'Bearer vk_short',
  `Bearer vk_${'A'.repeat(43)}`,
  `vk_${'A'.repeat(43)}`,
  `Bearer vk_${'A'.repeat(43)} vk_${'A'.repeat(43)}`,
])('%j is refused in the same words', async (authorization) => {
  const headers = authorization === undefined ? {} : { Authorization: authorization };
  const { status, headers: answered, body } = await api.get('/v1/senders', { as: null, headers });

  expect(status).toBe(401);
  expect(answered.get('WWW-Authenticate')).toBe('Bearer realm="volley"');
  expect(body.code).toBe('unauthenticated');
  expect(body.detail).toBe('a valid API key is needed: Authorization: Bearer vk_...');
});

test('the scheme is case-insensitive', async () => {
  const headers = { Authorization: `bearer ${api.keys.read}` };

  expect((await api.get('/v1/senders', { as: null, headers })).status).toBe(200);
});

test('a lower scope is told which one it needs', async () => {
  const { status, body } = await api.post('/v1/senders', NEW_SENDER, { as: 'read' });

  expect(status).toBe(403);
  expect(body).toMatchObject({ code: 'forbidden', required_scope: 'admin' });
});

test('a revoked key is refused within a second, a new one is taken at once', async () => {
  let now = new Date('2026-01-01T00:00:00Z');
  const authenticate = createAuthenticate(api.database.sql, () => now);
  const { id, key } = await createKey(api.database.sql, { name: 'short', scopes: ['read'] });
  await authenticate(`Bearer ${key}`);

  await revokeKey(api.database.sql, id);
  now = new Date(now.getTime() + 1_000);

  await expect(authenticate(`Bearer ${key}`)).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('a clock that is set back does not prolong what is remembered', async () => {
  let now = new Date('2026-01-01T00:00:00Z');
  const authenticate = createAuthenticate(api.database.sql, () => now);
  const { id, key } = await createKey(api.database.sql, { name: 'back', scopes: ['read'] });
  await authenticate(`Bearer ${key}`);

  await revokeKey(api.database.sql, id);
  now = new Date(now.getTime() - 3_600_000);

  await expect(authenticate(`Bearer ${key}`)).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('a stranger is refused before his body is read', async () => {
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1;
      controller.enqueue(new Uint8Array(65_536));
    },
  });

  const { status } = await api.call(
    'POST',
    '/v1/senders',
    { body: endless, duplex: 'half', headers: { 'Content-Type': 'application/json' } },
    { as: null },
  );

  expect(status).toBe(401);
  // What the stream itself reads ahead.
  expect(pulled).toBeLessThanOrEqual(1);
});
