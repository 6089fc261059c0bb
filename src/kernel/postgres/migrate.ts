/**
 * kernel/postgres/migrate — brings a database to the schema of this version.
 *
 * Promises: idempotent; one process at a time (advisory lock), the others wait and find nothing to
 *           do; each migration in its transaction.
 * See:      drizzle/schema.ts, `npm run migrations` (makes a new one after the schema changed).
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator';
import type postgres from 'postgres';
import { connect } from './connect.ts';

const MIGRATIONS = fileURLToPath(new URL('../../../drizzle/migrations', import.meta.url));
const MIGRATION_LOCK = 7_305_809;

/** How many migrations this version has. */
export function migrationCount(): number {
  return readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql')).length;
}

export async function migrate(url: string): Promise<void> {
  const sql = connect(url, { poolSize: 1, applicationName: 'volley migrate' });
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    // Drizzle's types do not know our bigint parser, and it replaces parsers: on this client only.
    await applyMigrations(drizzle(sql as unknown as postgres.Sql), {
      migrationsFolder: MIGRATIONS,
    });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** How many migrations the database has seen; 0 for an empty one. */
export async function appliedMigrations(url: string): Promise<number> {
  const sql = connect(url, { poolSize: 1 });
  try {
    const [known] = await sql`select to_regclass('drizzle.__drizzle_migrations') as table`;
    if (known?.table === null) return 0;
    const [row] = await sql<
      { n: number }[]
    >`select count(*)::int as n from drizzle.__drizzle_migrations`;
    return row?.n ?? 0;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
