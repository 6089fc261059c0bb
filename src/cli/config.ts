/** cli/config — `volley config`: every setting with its value, where it comes from, what it means. */
import { Command } from 'commander';
import { describeConfig, loadConfig, processEnvironment } from '../kernel/config.ts';
import { formatTable, print, printJson } from './table.ts';

export function configCommand(): Command {
  return new Command('config')
    .description('print every setting: value, source, meaning; secrets are masked')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  VOLLEY_API_PORT=9090 npm run -s volley -- config')
    .action((options: { json?: true }) => {
      const rows = describeConfig(loadConfig(processEnvironment()));
      if (options.json === true) printJson(rows);
      else {
        const cells = rows.map((row) => [row.setting, row.value, row.source, row.meaning]);
        print(formatTable(['SETTING', 'VALUE', 'SOURCE', 'MEANING'], cells));
      }
    });
}
