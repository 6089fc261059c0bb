/**
 * harness/global-database — one real PostgreSQL for the whole test run.
 *
 * Starts the embedded server on a temporary folder (fsync off: tests do not pull the plug on the
 * machine), migrates a template database, and hands its address to the workers. Every test file
 * clones the template (harness/database.ts). Removed at the end, data and all.
 */
import type { TestProject } from 'vitest/node';
import { connect } from '../../src/kernel/postgres/connect.ts';
import { makeTemporaryDataDir, removeDataDir } from '../../src/kernel/postgres/data-dir.ts';
import { migrate } from '../../src/kernel/postgres/migrate.ts';
import { startEmbeddedServer } from '../../src/kernel/postgres/server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    serverUrl: string;
  }
}

export const TEMPLATE = 'volley_template';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = makeTemporaryDataDir('volley-test-');
  const server = await startEmbeddedServer({
    dataDir,
    settings: { fsync: 'off', full_page_writes: 'off', log_min_messages: 'fatal' },
  });
  const sql = connect(server.url, { poolSize: 1 });
  await sql.unsafe(`create database ${TEMPLATE}`);
  await sql.end();
  await migrate(databaseUrl(server.url, TEMPLATE));
  project.provide('serverUrl', server.url);
  return async () => {
    await server.stop();
    removeDataDir(dataDir);
  };
}

/** The same server, another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
