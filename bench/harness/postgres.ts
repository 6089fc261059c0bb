/**
 * bench/postgres — one embedded PostgreSQL for a whole benchmark run, durable as in production.
 *
 * Promises: fsync and full page writes are on; settings are those of `npm start`. Every database is
 *           made from a migrated one and is dropped by its user. `stop` leaves no file, and neither does the
 *           end of the run's scope (run-scope.ts), from the moment on when the server is being started.
 */
import { connect } from '../../src/kernel/postgres/connect.ts';
import { makeTemporaryDataDir, removeDataDir } from '../../src/kernel/postgres/data-dir.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { migrate } from '../../src/kernel/postgres/migrate.ts';
import { startEmbeddedServer } from '../../src/kernel/postgres/server.ts';
import { heldByRun } from './run-scope.ts';
import { familyCpuSeconds } from './usage.ts';

export interface BenchServer {
  /** An empty, migrated database, or a copy of `template`. */
  create(template?: string): Promise<BenchDatabase>;
  cpuSeconds(): number | null;
  stop(): Promise<void>;
}

export interface BenchDatabase {
  name: string;
  url: string;
  sql: Sql;
  /** Closes our connections only: so that it can be copied. */
  disconnect(): Promise<void>;
  drop(): Promise<void>;
}

const MIGRATED = 'bench_migrated';

function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

export async function startPostgres(): Promise<BenchServer> {
  const dataDir = makeTemporaryDataDir('volley-bench-');
  const starting = startEmbeddedServer({ dataDir });
  let ending: Promise<void> | null = null;
  const end = async (): Promise<void> => {
    const server = await starting.catch(() => null);
    await server?.stop();
    removeDataDir(dataDir);
  };
  heldByRun('PostgreSQL', async () => {
    const server = await starting.catch(() => null);
    // Its data goes away: no checkpoint is waited for.
    if (ending === null && server !== null) process.kill(server.pid, 'SIGQUIT');
    await (ending ??= end());
  });
  const server = await starting;
  const admin = connect(server.url, { poolSize: 1 });
  await admin.unsafe(`create database ${MIGRATED}`);
  await migrate(urlOf(server.url, MIGRATED));
  let made = 0;
  return {
    async create(template = MIGRATED) {
      made += 1;
      const name = `bench_${made}`;
      await admin.unsafe(`create database ${name} template ${template} strategy file_copy`);
      const url = urlOf(server.url, name);
      const sql = connect(url, { poolSize: 4 });
      return {
        name,
        url,
        sql,
        disconnect: () => sql.end({ timeout: 5 }),
        async drop() {
          await sql.end({ timeout: 5 });
          await admin.unsafe(`drop database if exists ${name} with (force)`);
        },
      };
    },
    cpuSeconds: () => familyCpuSeconds(server.pid),
    async stop() {
      await admin.end({ timeout: 5 });
      await (ending ??= end());
    },
  };
}
