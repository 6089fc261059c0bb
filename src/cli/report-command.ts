/**
 * cli/report-command — `volley report daily`: the report of a day, printed or sent.
 *
 * Sending is the same as the server's at its time: a day goes out once, whoever sends it.
 */
import { Command, Option } from 'commander';
import { makeDailyReport } from '../campaigns/daily-report/daily-report.ts';
import { sendDailyReport } from '../campaigns/daily-report/keeper.ts';
import { loadReportLetter, REPORT_LANGUAGES } from '../campaigns/daily-report/letter.ts';
import type { ReportLanguage } from '../campaigns/daily-report/letter.ts';
import { dayOf, parsePeriod } from '../campaigns/reports/period.ts';
import { systemClock } from '../kernel/clock.ts';
import { loadConfig, processEnvironment } from '../kernel/config.ts';
import { AppError } from '../kernel/errors.ts';
import { createLogger } from '../kernel/log.ts';
import { startJobs } from '../scheduler/jobs/jobs.ts';
import { openDatabase } from './database.ts';
import { dailyReportSettings } from './reporting.ts';
import { print, printJson } from './table.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- report daily
  npm run -s volley -- report daily --date 2026-03-01 --language zh
  npm run -s volley -- report daily --send`;

const DAY_MS = 86_400_000;

interface DailyOptions {
  date?: string;
  print?: true;
  send?: true;
  language?: ReportLanguage;
  json?: true;
}

export function reportCommand(): Command {
  const command = new Command('report')
    .description('reports over all campaigns')
    .addHelpText('after', EXAMPLES);
  command
    .command('daily')
    .description('the report of a day: to the terminal, or to VOLLEY_DAILY_REPORT_TO')
    .option('--date <day>', 'UTC, like 2026-03-01; yesterday when absent')
    .addOption(new Option('--print', 'to the terminal (as without any)').conflicts('send'))
    .option('--send', 'by mail, if it was not sent yet; a running server delivers it')
    .addOption(
      new Option('--language <code>', 'instead of the configured').choices(REPORT_LANGUAGES),
    )
    .option('--json', 'the letter and the files as JSON')
    .action(daily);
  return command;
}

async function daily(options: DailyOptions): Promise<void> {
  const { config } = loadConfig(processEnvironment());
  const day = options.date ?? dayOf(new Date(systemClock().getTime() - DAY_MS));
  parsePeriod(day, day);
  const compose = loadReportLetter(options.language ?? config.dailyReportLanguage);
  const database = await openDatabase(config, 'share');
  try {
    if (options.send !== true) {
      const { letter, files } = await makeDailyReport({ sql: database.sql }, day, compose);
      const texts = files.map(({ filename, body }) => ({
        filename,
        text: Buffer.from(body).toString('utf8'),
      }));
      if (options.json === true) printJson({ ...letter, files: texts });
      else print([letter.subject, '', letter.text, ...texts.map(fileText)].join('\n'));
      return;
    }
    const settings = dailyReportSettings(config);
    if (settings === null) {
      throw new AppError('config_invalid', 'VOLLEY_DAILY_REPORT_TO is not set: nobody to send to');
    }
    const jobs = await startJobs(database.url, createLogger(config.logLevel));
    try {
      const deps = { sql: database.sql, clock: systemClock, jobs };
      if (!(await sendDailyReport(deps, { ...settings, compose }, day))) {
        throw new AppError('conflict', `the report of ${day} was sent before`);
      }
      print(`the report of ${day} is on its way to ${settings.to.join(', ')}`);
    } finally {
      await jobs.stop();
    }
  } finally {
    await database.close();
  }
}

function fileText({ filename, text }: { filename: string; text: string }): string {
  return `${filename}\n${text}`;
}
