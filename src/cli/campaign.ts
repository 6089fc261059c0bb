/**
 * cli/campaign — `volley campaign`: look at campaigns and steer them, where the database is.
 *
 * Calls the same use cases as the API. Works beside a running server (the embedded database is
 * shared) and without one.
 */
import { Command, Option } from 'commander';
import { getCampaign, listCampaigns } from '../campaigns/campaigns.ts';
import type { CampaignDeps } from '../campaigns/deps.ts';
import { createConverter } from '../campaigns/templates/converter.ts';
import {
  cancelCampaign,
  pauseCampaign,
  resumeCampaign,
  startCampaign,
} from '../campaigns/lifecycle.ts';
import { campaignReport, verifyBalance } from '../campaigns/reports.ts';
import { systemClock } from '../kernel/clock.ts';
import { loadConfig, processEnvironment } from '../kernel/config.ts';
import { AppError } from '../kernel/errors.ts';
import { formatId } from '../kernel/ids.ts';
import { createLogger } from '../kernel/log.ts';
import { resolveAmbiguous } from '../scheduler/resolve/resolve.ts';
import { startJobs } from '../scheduler/jobs/jobs.ts';
import { openDatabase } from './database.ts';
import { txtLookupOf } from './dns.ts';
import { idArgument } from './id-argument.ts';
import { balanceRows } from './report.ts';
import { loadSecrets } from './secret.ts';
import { formatTable, print, printJson } from './table.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- campaign list
  npm run -s volley -- campaign report cmp_0000000000001 --json
  npm run -s volley -- campaign pause cmp_0000000000001`;

const VERBS = {
  start: { act: startCampaign, meaning: 'freeze the audience and begin to send' },
  pause: { act: pauseCampaign, meaning: 'begin no further message (within a second)' },
  resume: { act: resumeCampaign, meaning: 'go on where it was paused' },
  cancel: { act: cancelCampaign, meaning: 'end it; what was not sent is cancelled' },
} as const;

async function withDeps(work: (deps: CampaignDeps) => Promise<void>): Promise<void> {
  const { config } = loadConfig(processEnvironment());
  const database = await openDatabase(config, 'share');
  try {
    const jobs = await startJobs(database.url, createLogger(config.logLevel));
    try {
      const lookupTxt = txtLookupOf(config);
      const { sql } = database;
      const convert = createConverter();
      await work({ sql, clock: systemClock, ...loadSecrets(config), jobs, convert, lookupTxt });
    } finally {
      await jobs.stop();
    }
  } finally {
    await database.close();
  }
}

export function campaignCommand(): Command {
  const command = new Command('campaign')
    .description('list, report, verify, start, pause, resume, cancel, resolve')
    .addHelpText('after', EXAMPLES);
  addList(command);
  addReports(command);
  addResolve(command);
  for (const [verb, { act, meaning }] of Object.entries(VERBS)) {
    command
      .command(`${verb} <id>`)
      .description(meaning)
      .action(async (text: string) => {
        await withDeps(async (deps) => {
          const campaign = await act(deps, idArgument('cmp', text));
          print(`${text} ${campaign.state}`);
        });
      });
  }
  return command;
}

function addResolve(command: Command): void {
  command
    .command('resolve <id>')
    .description('decide what the ambiguous deliveries are')
    .addOption(
      new Option(
        '--as <decision>',
        'accepted: they have it; retry: send again, some may get it twice',
      )
        .choices(['accepted', 'retry'])
        .makeOptionMandatory(),
    )
    .action(async (text: string, options: { as: 'accepted' | 'retry' }) => {
      await withDeps(async (deps) => {
        const resolved = await resolveAmbiguous(deps, idArgument('cmp', text), options.as);
        print(`${text} ${resolved} resolved as ${options.as}`);
      });
    });
}

function addList(command: Command): void {
  command
    .command('list')
    .description('the newest 100')
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }) => {
      await withDeps(async (deps) => {
        const { data } = await listCampaigns(deps, { limit: 100, after: null }, {});
        const rows = data.map((campaign) => ({
          id: formatId('cmp', campaign.id),
          name: campaign.name,
          state: campaign.state,
          mode: campaign.effectiveMode,
          recipients: campaign.recipientCount,
          started: campaign.startedAt?.toISOString() ?? null,
        }));
        if (options.json === true) printJson(rows);
        else {
          const cells = rows.map((row) => Object.values(row));
          print(formatTable(['ID', 'NAME', 'STATE', 'MODE', 'RECIPIENTS', 'STARTED'], cells));
        }
      });
    });
}

function addReports(command: Command): void {
  command
    .command('report <id>')
    .description('the balance, by domain and by class')
    .option('--json', 'as JSON')
    .action(async (text: string, options: { json?: true }) => {
      await withDeps(async (deps) => {
        const campaign = await getCampaign(deps, idArgument('cmp', text));
        const report = await campaignReport(deps, campaign.id);
        if (options.json === true) printJson(report);
        else print(formatTable([campaign.name, ''], balanceRows(report.balance)));
      });
    });
  command
    .command('verify <id>')
    .description('count every row again and compare with the report; exit 1 when they differ')
    .option('--json', 'as JSON')
    .action(async (text: string, options: { json?: true }) => {
      await withDeps(async (deps) => {
        const result = await verifyBalance(deps, idArgument('cmp', text));
        if (options.json === true) printJson(result);
        else print(formatTable(['COUNTED', ''], balanceRows(result.counted)));
        if (!result.agrees) throw new AppError('conflict', 'the rows and the report differ');
      });
    });
}
