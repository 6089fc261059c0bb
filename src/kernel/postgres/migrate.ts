/**
 * kernel/postgres/migrate — brings a database to the schema of this version.
 *
 * Promises: idempotent; one process at a time (advisory lock), the others wait and find nothing to
 *           do; each migration and its row in the journal are one transaction. The data that is part
 *           of the code (providers) is brought up to date with it.
 * Why not Drizzle's own migrator: it imports the whole query builder, which costs every process
 *           133 MB of resident memory (measured). The files and the journal table are Drizzle's.
 * See:      drizzle/schema.ts, `npm run migrations` (makes a new one after the schema changed).
 */
import { fileURLToPath } from 'node:url';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import type { MigrationMeta } from 'drizzle-orm/migrator';
import { connect } from './connect.ts';
import type { Sql } from './connect.ts';
import { syncProviders } from '../providers/store.ts';

const MIGRATIONS = fileURLToPath(new URL('../../../drizzle/migrations', import.meta.url));
const MIGRATION_LOCK = 7_305_809;

function migrationFiles(): MigrationMeta[] {
  return readMigrationFiles({ migrationsFolder: MIGRATIONS });
}

/** How many migrations this version has. */
export function migrationCount(): number {
  return migrationFiles().length;
}

export async function migrate(url: string): Promise<void> {
  const sql = connect(url, { poolSize: 1, applicationName: 'volley migrate' });
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await createJournal(sql);
    const [last] = await sql<{ at: bigint | null }[]>`
      select max(created_at) as at from drizzle.__drizzle_migrations`;
    for (const file of migrationFiles()) {
      if (last?.at == null || BigInt(file.folderMillis) > last.at) await apply(sql, file);
    }
    await syncProviders(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function createJournal(sql: Sql): Promise<void> {
  await sql`create schema if not exists drizzle`;
  await sql`create table if not exists drizzle.__drizzle_migrations (
    id serial primary key, hash text not null, created_at bigint)`;
}

async function apply(sql: Sql, file: MigrationMeta): Promise<void> {
  await sql.begin(async (tx) => {
    for (const statement of file.sql) await tx.unsafe(statement);
    await tx`
      insert into drizzle.__drizzle_migrations (hash, created_at)
      values (${file.hash}, ${BigInt(file.folderMillis)})`;
  });
}

/** How many migrations the database has seen; 0 for an empty one. */
export async function appliedMigrations(url: string): Promise<number> {
  const sql = connect(url, { poolSize: 1 });
  try {
    const [known] = await sql`select to_regclass('drizzle.__drizzle_migrations') as table`;
    if (known?.table === null) return 0;
    const [row] = await sql<{ n: number }[]>`
      select count(*)::int as n from drizzle.__drizzle_migrations`;
    return row?.n ?? 0;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
