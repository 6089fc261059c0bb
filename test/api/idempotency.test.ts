import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { parseIdempotencyKey, purgeIdempotencyKeys } from '../../src/api/idempotency.ts';
import {
  claimIdempotencyKey,
  prolongIdempotencyKey,
  releaseIdempotencyKey,
  selectAnswer,
  storeAnswer,
} from '../../src/api/store.ts';
import { createCampaign, NEW_TEMPLATE, useApi } from './harness.ts';

const api = useApi();

function post(body: unknown, key: string, as: 'send' | 'admin' = 'send') {
  return api.post('/v1/templates', body, { as, headers: { 'Idempotency-Key': key } });
}

async function templateCount(): Promise<number> {
  const [row] = await api.database.sql<{ n: number }[]>`select count(*)::int as n from templates`;
  return row?.n ?? 0;
}

test('the same request again gets the first answer and does nothing', async () => {
  const first = await post(NEW_TEMPLATE, 'once');
  const before = await templateCount();
  const again = await post(NEW_TEMPLATE, 'once');

  expect(first.status).toBe(201);
  expect(again.status).toBe(201);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('Idempotency-Replayed')).toBe('true');
  expect(again.headers.get('Location')).toBe(first.headers.get('Location'));
  expect(first.headers.get('Idempotency-Replayed')).toBeNull();
  expect(await templateCount()).toBe(before);
});

test('bare and quoted are the same key', async () => {
  const first = await post(NEW_TEMPLATE, 'quo"ted'.replace('"', ''));
  const again = await post(NEW_TEMPLATE, '"quoted"');

  expect(again.body.id).toBe(first.body.id);
});

test('another body under the same key is refused', async () => {
  await post(NEW_TEMPLATE, 'body');
  const { status, body } = await post({ ...NEW_TEMPLATE, name: 'other' }, 'body');

  expect(status).toBe(422);
  expect(body.code).toBe('idempotency_key_reused');
});

test('a key belongs to one API key and one route', async () => {
  const first = await post(NEW_TEMPLATE, 'mine', 'send');
  const other = await post(NEW_TEMPLATE, 'mine', 'admin');

  expect(other.status).toBe(201);
  expect(other.body.id).not.toBe(first.body.id);
});

test('a key used for one campaign says nothing of another', async () => {
  const [one, two] = [await createCampaign(api), await createCampaign(api)];
  const headers = { 'Idempotency-Key': 'cancel-it' };
  await api.post(`/v1/campaigns/${one}/cancel`, undefined, { headers });

  const { body } = await api.post(`/v1/campaigns/${two}/cancel`, undefined, { headers });

  expect(body.id).toBe(two);
});

test('of twenty at once one runs; the others hear 409 or its answer', async () => {
  const before = await templateCount();
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(NEW_TEMPLATE, 'twenty')));

  expect(await templateCount()).toBe(before + 1);
  for (const { status, headers, body } of answers) {
    if (status === 201) continue;
    expect(body.code).toBe('idempotency_in_progress');
    expect(headers.get('Retry-After')).toMatch(/^\d+$/);
  }
});

test('an error of the caller is replayed too', async () => {
  const wrong = { ...NEW_TEMPLATE, source: '{{#if}}' };
  const first = await post(wrong, 'wrong');
  const again = await post(wrong, 'wrong');

  expect(first.status).toBe(422);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('Content-Type')).toBe('application/problem+json');
});

test('a request whose process died is taken over after ten minutes, not before', async () => {
  const { sql } = api.database;
  await post(NEW_TEMPLATE, 'died');
  await sql`update idempotency_keys set status = null, fingerprint = null, body = null,
    created_at = now() - interval '9 minutes' where key = 'died'`;
  expect((await post(NEW_TEMPLATE, 'died')).body.code).toBe('idempotency_in_progress');

  await sql`update idempotency_keys set created_at = now() - interval '11 minutes'
    where key = 'died'`;

  expect((await post(NEW_TEMPLATE, 'died')).status).toBe(201);
});

test('after a day the key is free again, and the row is purged', async () => {
  const { sql } = api.database;
  const first = await post(NEW_TEMPLATE, 'day');
  await sql`update idempotency_keys set created_at = now() - interval '25 hours'
    where key = 'day'`;
  const next = await post(NEW_TEMPLATE, 'day');
  expect(next.body.id).not.toBe(first.body.id);

  await sql`update idempotency_keys set created_at = now() - interval '25 hours'
    where key = 'day'`;
  expect(await purgeIdempotencyKeys(sql)).toBe(1);
});

test('what was not read to the end is not kept', async () => {
  const big = { ...NEW_TEMPLATE, source: 'x'.repeat(2_200_000) };
  expect((await post(big, 'big')).status).toBe(413);

  expect((await post(NEW_TEMPLATE, 'big')).status).toBe(201);
});

test('a fault of ours is not kept: the same key runs again', async () => {
  let broken = true;
  const app = createApi({
    ...api.deps,
    jobs: {
      ...api.deps.jobs,
      async enqueueExpansion() {
        if (broken) throw new Error('the job queue broke');
      },
    },
  });
  const campaign = await createCampaign(api);
  const csv = { body: 'email\na@example.com\n' };
  await api.call('POST', `/v1/campaigns/${campaign}/recipients`, csv, {
    headers: { 'Content-Type': 'text/csv' },
  });
  const start = () =>
    app.request(`/v1/campaigns/${campaign}/start`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${api.keys.send}`, 'Idempotency-Key': 'start' },
    });

  expect((await start()).status).toBe(500);
  broken = false;

  expect((await start()).status).toBe(200);
  const again = await start();
  expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([200, 'true']);
});

test('only who holds the claim may prolong, finish or give it up', async () => {
  const { sql } = api.database;
  const name = { apiKeyId: 1n, route: 'POST /v1/x', key: 'token' };
  const first = await claimIdempotencyKey(sql, name);
  const second = await prolongIdempotencyKey(sql, name, first ?? '');
  const answer = { fingerprint: new Uint8Array(32), status: 200, body: '{}' };

  expect(second).not.toBe(first);
  expect(await prolongIdempotencyKey(sql, name, first ?? '')).toBeUndefined();
  await releaseIdempotencyKey(sql, name, first ?? '');
  await storeAnswer(sql, name, first ?? '', answer);
  expect(await selectAnswer(sql, name)).toBeNull();
  await storeAnswer(sql, name, second ?? '', answer);
  expect(await selectAnswer(sql, name)).toMatchObject({ status: 200 });
  // Finished is finished.
  await releaseIdempotencyKey(sql, name, second ?? '');
  expect(await selectAnswer(sql, name)).toMatchObject({ status: 200 });
});

test.each(['', '""', 'a b', 'é', 'x'.repeat(257), `"${'x'.repeat(257)}"`, '"a', 'a"', '"a\\x"'])(
  'the key %j is refused',
  async (key) => {
    expect(parseIdempotencyKey(key)).toBeNull();
    if (/[^ -~]/.test(key)) return;
    const { status, body } = await post(NEW_TEMPLATE, key);
    expect([status, body.code]).toEqual([400, 'idempotency_key_invalid']);
  },
);

test('every sf-string is read as what it says', () => {
  const visible = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((n) => String.fromCharCode(n)),
    minLength: 1,
    maxLength: 256,
  });
  fc.assert(
    fc.property(visible, (key) => {
      const quoted = `"${key.replace(/[\\"]/g, (char) => `\\${char}`)}"`;

      expect(parseIdempotencyKey(quoted)).toBe(key);
    }),
  );
});
