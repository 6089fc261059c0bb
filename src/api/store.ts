/**
 * api/store — SQL of API keys, of Idempotency-Keys, and of the readiness check.
 */
import type { Db, Sql } from '../kernel/postgres/connect.ts';

// --- keys ---------------------------------------------------------------------------------------

export interface KeyRow {
  id: bigint;
  name: string;
  hint: string;
  scopes: string[];
  createdAt: Date;
  revokedAt: Date | null;
}

export interface NewKeyRow {
  name: string;
  hash: Uint8Array;
  hint: string;
  scopes: readonly string[];
}

export async function insertKey(sql: Db, key: NewKeyRow): Promise<bigint> {
  const [row] = await sql<{ id: bigint }[]>`
    insert into api_keys (name, hash, hint, scopes)
    values (${key.name}, ${key.hash}, ${key.hint}, ${[...key.scopes]})
    returning id`;
  if (row === undefined) throw new Error('insertKey: no row');
  return row.id;
}

/** Held until the transaction ends: two first starts at once must not make two first keys. */
export async function lockFirstKey(tx: Db): Promise<void> {
  await tx`select pg_advisory_xact_lock(7305810)`;
}

export async function anyKeyExists(sql: Db): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`select exists (select from api_keys) as found`;
  return row?.found === true;
}

export async function selectLiveKey(
  sql: Db,
  hash: Uint8Array,
): Promise<{ id: bigint; hash: Uint8Array; scopes: string[] } | undefined> {
  const [row] = await sql<{ id: bigint; hash: Uint8Array; scopes: string[] }[]>`
    select id, hash, scopes from api_keys where hash = ${hash} and revoked_at is null`;
  return row;
}

export async function selectKeys(sql: Db): Promise<KeyRow[]> {
  return sql<KeyRow[]>`
    select id, name, hint, scopes, created_at, revoked_at from api_keys order by id`;
}

export async function markKeyRevoked(sql: Db, id: bigint): Promise<boolean> {
  const rows = await sql`
    update api_keys set revoked_at = now() where id = ${id} and revoked_at is null returning id`;
  return rows.length > 0;
}

// --- idempotency --------------------------------------------------------------------------------

export interface IdempotencyName {
  apiKeyId: bigint;
  /** Method and path, ids included: a key used for one campaign says nothing of another. */
  route: string;
  key: string;
}

/**
 * `token` is the time of the claim as text (microseconds, which a Date would lose): only who holds
 * it may finish or give up the row.
 */
export async function claimIdempotencyKey(
  sql: Db,
  name: IdempotencyName,
): Promise<string | undefined> {
  const [row] = await sql<{ token: string }[]>`
    insert into idempotency_keys as held (api_key_id, route, key, created_at)
    values (${name.apiKeyId}, ${name.route}, ${name.key}, clock_timestamp())
    on conflict (api_key_id, route, key) do update
      set fingerprint = null, status = null, body = null, created_at = excluded.created_at
      where (held.status is null and held.created_at < now() - interval '10 minutes')
         or held.created_at < now() - interval '24 hours'
    returning created_at::text as token`;
  return row?.token;
}

/** A long upload says that it is still there; answers the new token. */
export async function prolongIdempotencyKey(
  sql: Db,
  name: IdempotencyName,
  token: string,
): Promise<string | undefined> {
  const [row] = await sql<{ token: string }[]>`
    update idempotency_keys set created_at = clock_timestamp()
    where api_key_id = ${name.apiKeyId} and route = ${name.route} and key = ${name.key}
      and created_at = ${token}::text::timestamptz and status is null
    returning created_at::text as token`;
  return row?.token;
}

export interface StoredAnswer {
  fingerprint: Uint8Array;
  status: number;
  body: string;
}

export async function storeAnswer(
  sql: Db,
  name: IdempotencyName,
  token: string,
  answer: StoredAnswer,
): Promise<void> {
  await sql`
    update idempotency_keys
    set fingerprint = ${answer.fingerprint}, status = ${answer.status}, body = ${answer.body}
    where api_key_id = ${name.apiKeyId} and route = ${name.route} and key = ${name.key}
      and created_at = ${token}::text::timestamptz and status is null`;
}

export async function releaseIdempotencyKey(
  sql: Db,
  name: IdempotencyName,
  token: string,
): Promise<void> {
  await sql`
    delete from idempotency_keys
    where api_key_id = ${name.apiKeyId} and route = ${name.route} and key = ${name.key}
      and created_at = ${token}::text::timestamptz and status is null`;
}

/** undefined: not there any more; null: the first request is still running. */
export async function selectAnswer(
  sql: Db,
  name: IdempotencyName,
): Promise<StoredAnswer | null | undefined> {
  const [row] = await sql<
    { fingerprint: Uint8Array | null; status: number | null; body: string | null }[]
  >`
    select fingerprint, status, body from idempotency_keys
    where api_key_id = ${name.apiKeyId} and route = ${name.route} and key = ${name.key}`;
  if (row === undefined) return undefined;
  if (row.fingerprint === null || row.status === null || row.body === null) return null;
  return { fingerprint: row.fingerprint, status: row.status, body: row.body };
}

/** Index idempotency_keys_created_at. Answers how many were removed. */
export async function deleteOldIdempotencyKeys(sql: Sql): Promise<number> {
  const result = await sql`
    delete from idempotency_keys where created_at < now() - interval '24 hours'`;
  return result.count;
}

// --- health -------------------------------------------------------------------------------------

/** How many migrations the database has seen. Throws when it has seen none, or is away. */
export async function countMigrations(sql: Db): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from drizzle.__drizzle_migrations`;
  return row?.n ?? 0;
}
