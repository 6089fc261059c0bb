/** cli/with-secrets — a command's database and secrets, opened and closed around its work. */
import { loadConfig, processEnvironment } from '../kernel/config.ts';
import type { Config } from '../kernel/config.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { openDatabase } from './database.ts';
import { checkSecrets, loadSecrets } from './secret.ts';
import type { Secrets } from './secret.ts';

export interface CommandContext {
  config: Config;
  sql: Sql;
  /** Known to be those of the database: what they seal can be opened by the server. */
  secrets: Secrets;
}

export async function withSecrets(work: (context: CommandContext) => Promise<void>): Promise<void> {
  const { config } = loadConfig(processEnvironment());
  const secrets = loadSecrets(config);
  const database = await openDatabase(config, 'share');
  try {
    await checkSecrets(database.sql, secrets);
    await work({ config, sql: database.sql, secrets });
  } finally {
    await database.close();
  }
}
