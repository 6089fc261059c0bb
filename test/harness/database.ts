/**
 * harness/database — a fresh, migrated database for one test file, and the pool to use it.
 *
 *     const database = useDatabase();
 *     test('...', async () => { await database.sql`select 1`; });
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, inject } from 'vitest';
import { connect } from '../../src/kernel/postgres/connect.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { databaseUrl, TEMPLATE } from './global-database.ts';

export interface TestDatabase {
  readonly sql: Sql;
  readonly url: string;
}

/** Clones the template; the caller drops it with `drop`. */
export async function createDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  const admin = connect(inject('serverUrl'), { poolSize: 1 });
  await admin.unsafe(`create database ${name} template ${TEMPLATE}`);
  return {
    url: databaseUrl(inject('serverUrl'), name),
    async drop() {
      await admin.unsafe(`drop database if exists ${name} with (force)`);
      await admin.end();
    },
  };
}

export function useDatabase(poolSize = 8): TestDatabase {
  let sql: Sql | undefined;
  let url = '';
  let drop: () => Promise<void> = async () => undefined;

  beforeAll(async () => {
    const database = await createDatabase();
    ({ url, drop } = database);
    sql = connect(url, { poolSize });
  });
  afterAll(async () => {
    await sql?.end({ timeout: 5 });
    await drop();
  });

  return {
    get sql() {
      if (sql === undefined) throw new Error('useDatabase: only inside a test');
      return sql;
    },
    get url() {
      return url;
    },
  };
}
