/**
 * api/keys — API keys: made, listed, revoked; what `volley key` and the first start call.
 *
 * Promises: a key is `vk_` and 256 random bits in base64url. Only its SHA-256 is stored, so it is
 *           shown once. `ensureFirstKey` makes one key in the life of a database, even when two
 *           servers start at once; it never makes another because the first was revoked.
 * Why SHA-256 and no slow hash: nobody guesses 256 random bits, and every request pays for it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { AppError } from '../kernel/errors.ts';
import { formatId, parseId } from '../kernel/ids.ts';
import type { Db, Sql } from '../kernel/postgres/connect.ts';
import { isScope } from './scopes.ts';
import type { Scope } from './scopes.ts';
import { anyKeyExists, insertKey, lockFirstKey, markKeyRevoked, selectKeys } from './store.ts';

const KEY = /^vk_[A-Za-z0-9_-]{43}$/;
const HINT_LENGTH = 9;
const MAX_NAME_LENGTH = 100;

export interface ApiKey {
  id: string;
  name: string;
  /** The first characters of the key. */
  hint: string;
  scopes: Scope[];
  createdAt: Date;
  revokedAt: Date | null;
}

/** What is stored and looked up; null when `key` cannot be one. */
export function hashKey(key: string): Uint8Array | null {
  return KEY.test(key) ? createHash('sha256').update(key).digest() : null;
}

/** `key` is shown here and never again. */
export async function createKey(
  sql: Db,
  options: { name: string; scopes: readonly Scope[] },
): Promise<{ id: string; key: string }> {
  const name = options.name.trim();
  if (name === '' || name.length > MAX_NAME_LENGTH || /\p{Cc}/u.test(name)) {
    throw new AppError('invalid_request', `a key needs a name of 1 to ${MAX_NAME_LENGTH} letters`);
  }
  if (options.scopes.length === 0 || !options.scopes.every(isScope)) {
    throw new AppError('invalid_request', 'a key needs a scope: read, send or admin');
  }
  const key = `vk_${randomBytes(32).toString('base64url')}`;
  const hash = createHash('sha256').update(key).digest();
  const row = { name, hash, hint: key.slice(0, HINT_LENGTH), scopes: [...new Set(options.scopes)] };
  return { id: formatId('key', await insertKey(sql, row)), key };
}

export async function listKeys(sql: Db): Promise<ApiKey[]> {
  const rows = await selectKeys(sql);
  return rows.map((row) => ({
    ...row,
    id: formatId('key', row.id),
    scopes: row.scopes.filter(isScope),
  }));
}

/** Running servers refuse the key within a second. `not_found` when there is no live key `id`. */
export async function revokeKey(sql: Db, id: string): Promise<void> {
  const row = parseId('key', id);
  if (row === null || !(await markKeyRevoked(sql, row))) {
    throw new AppError('not_found', `there is no live key ${id}`);
  }
}

/** The first key of this database, with scope admin; null when there has been one before. */
export async function ensureFirstKey(sql: Sql): Promise<string | null> {
  return sql.begin(async (tx) => {
    await lockFirstKey(tx);
    if (await anyKeyExists(tx)) return null;
    const { key } = await createKey(tx, { name: 'first', scopes: ['admin'] });
    return key;
  });
}
