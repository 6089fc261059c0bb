/** cli/key — `volley key`: API keys are made, listed and revoked where the database is. */
import { Command, Option } from 'commander';
import { createKey, listKeys, revokeKey } from '../api/keys.ts';
import { SCOPES } from '../api/scopes.ts';
import type { Scope } from '../api/scopes.ts';
import { loadConfig, processEnvironment } from '../kernel/config.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { openDatabase } from './database.ts';
import { formatTable, print, printJson } from './table.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- key create --name ci --scope send
  npm run -s volley -- key list
  npm run -s volley -- key revoke key_0000000000001`;

async function withDatabase(work: (sql: Sql) => Promise<void>): Promise<void> {
  const database = await openDatabase(loadConfig(processEnvironment()).config, 'share');
  try {
    await work(database.sql);
  } finally {
    await database.close();
  }
}

export function keyCommand(): Command {
  const command = new Command('key').description('API keys').addHelpText('after', EXAMPLES);
  command
    .command('create')
    .description('make a key; it is shown once')
    .requiredOption('--name <name>', 'what it is for')
    .addOption(new Option('--scope <scope>', 'what it may do').choices(SCOPES).default('send'))
    .option('--json', 'as JSON')
    .action(async (options: { name: string; scope: Scope; json?: true }) => {
      await withDatabase(async (sql) => {
        const made = await createKey(sql, { name: options.name, scopes: [options.scope] });
        if (options.json === true) printJson(made);
        else print(made.key);
      });
    });
  command
    .command('list')
    .description('all keys, without their secret part')
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }) => {
      await withDatabase(async (sql) => {
        const rows = (await listKeys(sql)).map((key) => ({
          id: key.id,
          name: key.name,
          hint: key.hint,
          scopes: key.scopes.join(','),
          created: key.createdAt.toISOString(),
          revoked: key.revokedAt?.toISOString() ?? null,
        }));
        if (options.json === true) printJson(rows);
        else {
          const cells = rows.map((row) => Object.values(row));
          print(formatTable(['ID', 'NAME', 'KEY', 'SCOPES', 'CREATED', 'REVOKED'], cells));
        }
      });
    });
  command
    .command('revoke <id>')
    .description('a revoked key is refused within a second')
    .action(async (id: string) => {
      await withDatabase(async (sql) => {
        await revokeKey(sql, id);
        print(`${id} revoked`);
      });
    });
  return command;
}
