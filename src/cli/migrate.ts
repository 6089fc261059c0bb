/** cli/migrate — `volley migrate`: brings the database to the schema of this version. */
import { Command } from 'commander';
import { loadConfig, processEnvironment } from '../kernel/config.ts';
import { appliedMigrations, migrationCount } from '../kernel/postgres/migrate.ts';
import { openDatabase } from './database.ts';
import { print } from './table.ts';

export function migrateCommand(): Command {
  return new Command('migrate')
    .description('bring the database to the schema of this version (serve does it by itself)')
    .addHelpText('after', '\nExample:\n  DATABASE_URL=postgres://… npm run -s volley -- migrate')
    .action(async () => {
      const { config } = loadConfig(processEnvironment());
      const database = await openDatabase(config, 'share');
      try {
        const applied = await appliedMigrations(database.url);
        print(`${applied} of ${migrationCount()} migrations applied`);
      } finally {
        await database.close();
      }
    });
}
