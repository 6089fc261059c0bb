/**
 * cli/database — the database of a command: the server in DATABASE_URL, the embedded one, or the
 * embedded one that a running Volley has started already.
 *
 * Promises: `openDatabase` migrates first. `own` (serve, demo) refuses a data folder that is in use;
 *           `share` (key, campaign) uses the running server when there is one, else starts it for
 *           as long as the command runs.
 */
import type { Config } from '../kernel/config.ts';
import { AppError, messageOf } from '../kernel/errors.ts';
import { connect } from '../kernel/postgres/connect.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { migrate } from '../kernel/postgres/migrate.ts';
import { findRunningServer, startEmbeddedServer } from '../kernel/postgres/server.ts';

export interface Database {
  url: string;
  sql: Sql;
  /** No other process can hold batches in it. */
  exclusive: boolean;
  close(): Promise<void>;
}

export async function openDatabase(config: Config, use: 'own' | 'share'): Promise<Database> {
  const server = await serverOf(config, use);
  try {
    await migrate(server.url);
  } catch (error) {
    await server.stop();
    throw new AppError('database_unavailable', `cannot migrate the database: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const sql = connect(server.url, { poolSize: config.databasePoolSize });
  return {
    url: server.url,
    sql,
    exclusive: config.databaseUrl === undefined && use === 'own',
    async close() {
      await sql.end({ timeout: 5 });
      await server.stop();
    },
  };
}

async function serverOf(
  config: Config,
  use: 'own' | 'share',
): Promise<{ url: string; stop(): Promise<void> }> {
  const stop = async (): Promise<void> => undefined;
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl, stop };
  const running = use === 'share' ? await findRunningServer(config.dataDir) : null;
  return running === null ? await startEmbeddedServer(config) : { url: running, stop };
}
