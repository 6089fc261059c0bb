/** cli/bounce-rules — `volley bounce rules` and `volley bounce unmatched`, where the database is. */
import type { Command } from 'commander';
import { openRulebook } from '../bounce/rulebook.ts';
import type { Rulebook } from '../bounce/rulebook.ts';
import { rulesWithCounts, stillUnmatched } from '../bounce/rule-counts.ts';
import { loadConfig, processEnvironment } from '../kernel/config.ts';
import { createLogger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { openDatabase } from './database.ts';
import { formatTable, print, printJson } from './table.ts';

export function addRuleCommands(command: Command): void {
  command
    .command('rules')
    .description('all classification rules in order, with how often each decided')
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }) => {
      await withRulebook(async (sql, rulebook) => {
        const rules = (await rulesWithCounts(sql, rulebook)).map((rule) => ({
          ...rule,
          pattern: rule.pattern.source,
        }));
        if (options.json === true) printJson(rules);
        else {
          const cells = rules.map((rule) => [
            rule.id,
            rule.class,
            rule.origin,
            rule.firedLately,
            rule.fired,
          ]);
          print(formatTable(['RULE', 'CLASS', 'FROM', '30 DAYS', 'EVER'], cells));
        }
      });
    });
  command
    .command('unmatched')
    .description('replies that no rule knows, most frequent first')
    .option('--limit <n>', 'how many', '50')
    .option('--json', 'as JSON')
    .action(async (options: { limit: string; json?: true }) => {
      await withRulebook(async (sql, rulebook) => {
        const limit = Math.max(1, Number(options.limit) || 50);
        const rows = await stillUnmatched(sql, rulebook, limit);
        if (options.json === true) printJson(rows);
        else {
          const cells = rows.map((row) => [
            row.count,
            row.class,
            row.code,
            row.enhanced,
            row.sample,
          ]);
          print(formatTable(['COUNT', 'CLASS', 'CODE', 'STATUS', 'REPLY'], cells));
        }
      });
    });
}

async function withRulebook(work: (sql: Sql, rulebook: Rulebook) => Promise<void>): Promise<void> {
  const { config } = loadConfig(processEnvironment());
  const database = await openDatabase(config, 'share');
  try {
    const { sql } = database;
    const log = createLogger(config.logLevel);
    const rulebook = await openRulebook({ sql, file: config.bounceRules ?? null, log });
    await work(sql, rulebook);
    await rulebook.close();
  } finally {
    await database.close();
  }
}
