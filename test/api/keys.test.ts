import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { createKey, ensureFirstKey, hashKey, listKeys, revokeKey } from '../../src/api/keys.ts';
import { allows } from '../../src/api/scopes.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();

test('two servers that start at once print one first key between them', async () => {
  const made = await Promise.all(Array.from({ length: 5 }, () => ensureFirstKey(database.sql)));

  expect(made.filter((key) => key !== null)).toHaveLength(1);
  expect(await listKeys(database.sql)).toMatchObject([{ name: 'first', scopes: ['admin'] }]);
});

test('a revoked first key is not made again', async () => {
  await ensureFirstKey(database.sql);
  for (const key of await listKeys(database.sql)) await revokeKey(database.sql, key.id);

  expect(await ensureFirstKey(database.sql)).toBeNull();
});

test('a key has 256 random bits, and only its SHA-256 is stored', async () => {
  const { key } = await createKey(database.sql, { name: 'ci', scopes: ['send'] });

  expect(key).toMatch(/^vk_[A-Za-z0-9_-]{43}$/);
  const rows = await database.sql`select * from api_keys where name = 'ci'`;
  expect(rows[0]?.hash).toEqual(createHash('sha256').update(key).digest());
  const stored = JSON.stringify(rows, (_name, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  expect(stored).not.toContain(key.slice(10));
});

test.each([
  { name: '', scopes: ['read'] as const },
  { name: 'a\nb', scopes: ['read'] as const },
  { name: 'x'.repeat(101), scopes: ['read'] as const },
  { name: 'none', scopes: [] },
])('no key for %j', async (options) => {
  await expect(createKey(database.sql, options)).rejects.toMatchObject({ code: 'invalid_request' });
});

test.each(['key_zzzzzzzzzzzzz', 'key_0000000000fff', '1', ''])(
  '%j cannot be revoked',
  async (id) => {
    await expect(revokeKey(database.sql, id)).rejects.toMatchObject({ code: 'not_found' });
  },
);

test('what does not look like a key is not looked up', () => {
  for (const text of [
    '',
    'vk_',
    `vk_${'a'.repeat(42)}`,
    `vk_${'a'.repeat(44)}`,
    `vk_${'é'.repeat(43)}`,
  ]) {
    expect(hashKey(text)).toBeNull();
  }
});

test('a higher scope includes the lower ones', () => {
  expect(allows(['admin'], 'read')).toBe(true);
  expect(allows(['send'], 'read')).toBe(true);
  expect(allows(['read'], 'send')).toBe(false);
  expect(allows(['send'], 'admin')).toBe(false);
  expect(allows([], 'read')).toBe(false);
});
