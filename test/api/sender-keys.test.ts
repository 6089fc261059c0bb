/** Rotating DKIM keys through the API, with a DNS that the test publishes in. */
import { beforeEach, expect, test } from 'vitest';
import type { TxtAnswer } from '../../src/campaigns/deps.ts';
import { NEW_SENDER, useApi } from './harness.ts';

let answers: Record<string, TxtAnswer> = {};
const api = useApi(() => ({
  lookupTxt: async (name) => answers[name] ?? { status: 'none' },
}));

beforeEach(() => {
  answers = {};
});

interface Key {
  selector: string;
  state: string;
  dns_record: { name: string; value: string; purpose: string };
  retired_at: string | null;
  remove_record_after: string | null;
}

async function newSender(more = {}): Promise<string> {
  return `/v1/senders/${(await api.post('/v1/senders', { ...NEW_SENDER, ...more })).body.id}`;
}

async function addKey(path: string, body: object = { algorithm: 'ed25519-sha256' }): Promise<Key> {
  const made = await api.post(`${path}/keys`, body);
  expect(made.status, made.text).toBe(201);
  return made.body as unknown as Key;
}

const keysOf = async (path: string): Promise<Key[]> =>
  (await api.get(`${path}/keys`, { as: 'read' })).body.data as unknown as Key[];
const act = (path: string, key: Key, verb: 'activate' | 'retire', body?: object) =>
  api.post(`${path}/keys/${key.selector}/${verb}`, body ?? (verb === 'activate' ? {} : undefined));
const publish = (key: Key, value = key.dns_record.value) => {
  answers[key.dns_record.name] = { status: 'answer', texts: ['v=spf1 -all', value] };
};

test('a key is added, published, activated, and the former ones retired', async () => {
  const path = await newSender();
  const [rsa, ed] = await keysOf(path);
  const key = await addKey(path);
  expect(key).toMatchObject({ state: 'pending', retired_at: null, remove_record_after: null });
  const before = (await api.get(path)).body;
  expect(before.dkim_selectors).toEqual([rsa?.selector, ed?.selector]);
  // It is shown to be published before it signs.
  expect(before.dns_records).toContainEqual(key.dns_record);

  publish(key);
  expect((await act(path, key, 'activate')).body.state).toBe('active');
  expect((await api.get(path)).body.dkim_selectors).toContain(key.selector);
  const retired = await act(path, rsa!, 'retire');
  expect(retired.body).toMatchObject({ state: 'retired' });
  const { retired_at: at, remove_record_after: until } = retired.body as unknown as Key;
  expect(Date.parse(until ?? '') - Date.parse(at ?? '')).toBe(7 * 86_400_000);
  await act(path, ed!, 'retire');

  const after = (await api.get(path)).body;
  expect(after.dkim_selectors).toEqual([key.selector]);
  // Mail signed before is on its way: the records stay.
  expect(JSON.stringify(after.dns_records)).toContain(rsa?.selector);
  expect((await keysOf(path)).map(({ state }) => state)).toEqual(['retired', 'retired', 'active']);
});

test.each<[string, TxtAnswer, RegExp]>([
  ['is not published', { status: 'none' }, /not published/],
  [
    'is published with another key',
    { status: 'answer', texts: ['v=DKIM1; p=AAAA'] },
    /another key/,
  ],
  ['cannot be looked up', { status: 'unknown', reason: 'timeout' }, /timeout/],
])('a key whose record %s is not activated, unless asked to', async (_name, answer, detail) => {
  const path = await newSender();
  const key = await addKey(path);
  answers[key.dns_record.name] = answer;

  const refused = await act(path, key, 'activate');
  expect(refused.status).toBe(409);
  expect(refused.body.code).toBe('conflict');
  expect(refused.body.detail).toMatch(detail);
  expect((await keysOf(path)).at(-1)?.state).toBe('pending');

  expect((await act(path, key, 'activate', { unseen: true })).body.state).toBe('active');
});

test('a record with white space in its key is the same key', async () => {
  const path = await newSender();
  const key = await addKey(path, { algorithm: 'rsa-sha256', selector: 'March' });
  expect(key.selector).toBe('march');
  publish(key, key.dns_record.value.replace('p=', ' p = ').replace(/(.{60})/g, '$1 '));
  expect((await act(path, key, 'activate')).status).toBe(200);
});

test('the last active key stays', async () => {
  const path = await newSender({ dkim_algorithms: ['ed25519-sha256'] });
  const [only] = await keysOf(path);
  await addKey(path);
  const { status, body } = await act(path, only!, 'retire');
  expect([status, body.code]).toEqual([409, 'conflict']);
});

test('two that retire each other do not leave a sender without a key', async () => {
  const path = await newSender();
  const [rsa, ed] = await keysOf(path);
  const answers = await Promise.all([act(path, rsa!, 'retire'), act(path, ed!, 'retire')]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  expect((await keysOf(path)).filter(({ state }) => state === 'active')).toHaveLength(1);
});

test('doing it twice changes nothing; a retired key may come back', async () => {
  const path = await newSender();
  const [rsa] = await keysOf(path);
  const first = await act(path, rsa!, 'retire');
  expect((await act(path, rsa!, 'retire')).body).toEqual(first.body);
  publish(rsa!);
  const back = await act(path, rsa!, 'activate');
  expect(back.body).toMatchObject({ state: 'active', retired_at: null });
  expect((await act(path, rsa!, 'activate')).body).toEqual(back.body);
});

test.each([
  [{ algorithm: 'rsa-sha1' }],
  [{ algorithm: 'rsa-sha256', selector: 'a.b' }],
  [{ algorithm: 'rsa-sha256', selector: '-a' }],
  [{ algorithm: 'rsa-sha256', selector: 'a b' }],
  [{ algorithm: 'rsa-sha256', selector: 'a'.repeat(64) }],
])('refused: %j', async (body) => {
  expect((await api.post(`${await newSender()}/keys`, body)).status).toBe(422);
});

test('a selector is taken once, and there is an end to keys', async () => {
  const path = await newSender();
  await addKey(path, { algorithm: 'ed25519-sha256', selector: 's1' });
  const again = await api.post(`${path}/keys`, { algorithm: 'rsa-sha256', selector: 'S1' });
  expect(again.status).toBe(409);
  for (let i = 0; i < 7; i += 1) await addKey(path);
  expect((await api.post(`${path}/keys`, { algorithm: 'ed25519-sha256' })).status).toBe(409);
});

test('a key that is not there, and a key of another sender, are not found', async () => {
  const path = await newSender();
  const [other] = await keysOf(await newSender());
  for (const selector of ['none', other!.selector]) {
    expect((await api.post(`${path}/keys/${selector}/retire`)).status).toBe(404);
  }
});

test('only an admin changes keys', async () => {
  const path = await newSender();
  const body = { algorithm: 'ed25519-sha256' };
  expect((await api.post(`${path}/keys`, body, { as: 'send' })).status).toBe(403);
});
