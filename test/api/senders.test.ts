import { expect, test } from 'vitest';
import { NEW_SENDER, useApi } from './harness.ts';

const api = useApi();

test('a sender is created with its keys, and read back', async () => {
  const made = await api.post('/v1/senders', NEW_SENDER);

  expect(made.status).toBe(201);
  expect(made.headers.get('Location')).toBe(`/v1/senders/${made.body.id}`);
  expect(made.body).toMatchObject({ from_address: 'news@example.com', domain: 'example.com' });
  expect(made.body.dns_records).toContainEqual(
    expect.objectContaining({ type: 'MX', name: 'bounce.example.com' }),
  );
  const read = await api.get(`/v1/senders/${made.body.id}`, { as: 'read' });
  expect(read.body).toEqual(made.body);
});

test('nothing of a private key leaves', async () => {
  const made = await api.post('/v1/senders', NEW_SENDER);
  const list = await api.get('/v1/senders');

  expect(JSON.stringify([made.body, list.body])).not.toMatch(/PRIVATE|sealed/i);
});

test('all wrong fields are named at once', async () => {
  const { status, body } = await api.post('/v1/senders', {
    from_address: 7,
    display_name: 'a\r\nBcc: x@example.com',
    colour: 'red',
  });

  expect(status).toBe(422);
  expect(body.code).toBe('invalid_request');
  expect(body.errors.map((error) => error.pointer)).toEqual(
    expect.arrayContaining(['/from_address', '/display_name', '/bounce_domain', '/colour']),
  );
});

test.each([
  { from_address: 'a@example.com\r\nRCPT TO:<b@example.com>' },
  { from_address: 'not an address' },
  { display_name: 'line\nbreak' },
  { display_name: 'nul\u0000' },
  { bounce_domain: 'bounce.example.com\r\nX: y' },
  { bounce_domain: 'other.example.org' },
  { unsubscribe_base_url: 'http://mail.example.com' },
  { unsubscribe_base_url: 'https://mail.example.com/\r\nX: y' },
])('refused: %j', async (wrong) => {
  const { status, body } = await api.post('/v1/senders', { ...NEW_SENDER, ...wrong });

  expect(status).toBe(422);
  expect(body.errors[0]?.pointer).toBe(`/${Object.keys(wrong)[0]}`);
});

test('a list is paged, newest first', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 3; i += 1) ids.unshift((await api.post('/v1/senders', NEW_SENDER)).body.id);

  const first = await api.get('/v1/senders?limit=2');
  const second = await api.get(`/v1/senders?limit=2&after=${first.body.next_cursor}`);

  expect(first.body.data.map((row) => row.id)).toEqual(ids.slice(0, 2));
  expect(first.body.has_more).toBe(true);
  expect(second.body.data[0]?.id).toBe(ids[2]);
});

test.each([
  ['limit=0', 'limit'],
  ['limit=101', 'limit'],
  ['limit=x', 'limit'],
  ['after=cmp_0000000000001', 'after'],
  ['after=%00', 'after'],
  ['page=2', 'page'],
])('a page with ?%s is refused', async (query, pointer) => {
  const { status, body } = await api.get(`/v1/senders?${query}`);

  expect(status).toBe(422);
  expect(body.errors[0]?.pointer).toBe(pointer);
});

test.each(['snd_0000000000000', 'snd_zzzzzzzzzzzzz', 'cmp_0000000000001', '%00', '1;drop table'])(
  'no sender %s',
  async (id) => {
    const { status, body } = await api.get(`/v1/senders/${id}`);

    expect(status).toBe(404);
    expect(body.code).toBe('not_found');
  },
);

test('only an admin key makes senders', async () => {
  expect((await api.post('/v1/senders', NEW_SENDER, { as: 'send' })).status).toBe(403);
  expect((await api.post('/v1/senders', NEW_SENDER, { as: null })).status).toBe(401);
});
