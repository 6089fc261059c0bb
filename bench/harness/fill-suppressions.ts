/**
 * bench/fill-suppressions — a long suppression list, put there by SQL: a tenth of the recipients of a
 * filled campaign, and strangers. Nine tenths global, the others of a stream or a sender.
 */
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { DOMAIN } from './message.ts';

const PRIME = 1_000_003;
const DOMAINS = 50_000;
const CHUNK = 1_000_000;

/** Entry `i` of the strangers, i from 0. The same text as in the statement below. */
export function knownAddress(i: number): string {
  return `user.${(i * 7_919) % PRIME}.${i}@domain${i % DOMAINS}.example`;
}

/** `entries` live ones of strangers, besides those of the recipients. */
export async function fillSuppressions(sql: Sql, entries: number): Promise<void> {
  await sql`
    insert into suppressions (address_key, reason, origin, evidence)
    select address_key, 'hard_bounce', 'system', '550 5.1.1 no such user'
    from recipients where id % 10 = 0`;
  // Ten million rows into the indexes one by one take six minutes, made afterwards one.
  const indexes = await dropIndexes(sql);
  for (let from = 0; from < entries; from += CHUNK) {
    await insertStrangers(sql, from, Math.min(from + CHUNK, entries) - 1);
  }
  for (const definition of indexes) await sql.unsafe(definition);
  await sql`vacuum analyze suppressions, recipients`;
}

/** All but the primary key; answers how to make them again. */
async function dropIndexes(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string; definition: string }[]>`
    select indexname as name, indexdef as definition from pg_indexes
    where tablename = 'suppressions' and indexname <> 'suppressions_pkey'`;
  for (const { name } of rows) await sql`drop index ${sql(name)}`;
  return rows.map(({ definition }) => definition);
}

/** In an order of its own: a list does not grow in the order of its addresses. */
async function insertStrangers(sql: Sql, first: number, last: number): Promise<void> {
  await sql`
    insert into suppressions (address_key, scope, scope_value, reason, origin, evidence, expires_at)
    select 'user.' || i * 7919 % ${PRIME}::bigint || '.' || i || '@domain' || i % ${DOMAINS}::bigint || '.example',
      (case when i % 20 = 1 then 'stream' when i % 20 = 2 then 'sender' else 'global' end)::suppression_scope,
      case when i % 20 = 1 then 'marketing' when i % 20 = 2 then ${DOMAIN} else '' end,
      'hard_bounce', 'import', '550 5.1.1 no such user',
      case when i % 50 = 3 then now() + interval '90 days' end
    from generate_series(${first}::bigint, ${last}::bigint) i`;
}
