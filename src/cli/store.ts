/** cli/store — the fingerprint of the secret a database was set up with (cli/secret.ts). */
import type { Sql } from '../kernel/postgres/connect.ts';

export async function readFingerprint(sql: Sql): Promise<bigint | null> {
  const [row] = await sql<{ value: bigint }[]>`
    select value from counters where name = 'secret_fingerprint'`;
  return row?.value ?? null;
}

export async function saveFingerprint(sql: Sql, value: bigint): Promise<void> {
  await sql`
    insert into counters (name, value) values ('secret_fingerprint', ${value})
    on conflict (name) do update set value = excluded.value`;
}
