/**
 * cli/tls-report — `volley tls-report`: the daily TLS reports (RFC 8460) that were made for domains.
 *
 * Calls the same use cases as the API. A running server does the sending.
 */
import { Command } from 'commander';
import { presentTlsReport } from '../api/routes/tls-reports.ts';
import { getTlsReport, listTlsReports, sendTlsReport } from '../campaigns/tls-reports.ts';
import type { ReportSending, TlsReport } from '../campaigns/tls-reports.ts';
import { asciiDomain } from '../kernel/address.ts';
import { systemClock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { formatId } from '../kernel/ids.ts';
import { idArgument } from './id-argument.ts';
import { formatTable, print, printJson } from './table.ts';
import { withSecrets } from './with-secrets.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- tls-report list --domain example.com
  npm run -s volley -- tls-report show tlr_0000000000001
  npm run -s volley -- tls-report send tlr_0000000000001`;

const LISTED = 100;

export function tlsReportCommand(): Command {
  const command = new Command('tls-report')
    .description('daily reports on TLS to the domains that ask for them: list, show, send')
    .addHelpText('after', EXAMPLES);
  addList(command);
  addShow(command);
  command
    .command('send <id>')
    .description('again, to whoever the domain names now; a running server does it in a minute')
    .action(async (text: string) => {
      await withSecrets(async ({ sql, config }) => {
        await sendTlsReport({ sql, clock: systemClock }, idArgument('tlr', text));
        print(`${text} will be sent`);
        if (config.tlsReportSender === undefined) {
          print('Not before a server runs with VOLLEY_TLS_REPORT_SENDER: it is not set here.');
        }
      });
    });
  return command;
}

function addList(command: Command): void {
  command
    .command('list')
    .description(`the newest ${LISTED}`)
    .option('--domain <domain>', 'of this domain')
    .option('--json', 'as JSON')
    .action(async (options: { domain?: string; json?: true }) => {
      const domain = options.domain === undefined ? null : asciiDomain(options.domain);
      if (options.domain !== undefined && domain === null) {
        throw new AppError('invalid_request', `${options.domain} is no domain name`);
      }
      await withSecrets(async ({ sql }) => {
        const { data } = await listTlsReports({ sql }, { limit: LISTED, after: null, domain });
        if (options.json === true) printJson(data.map(presentTlsReport));
        else {
          const head = ['ID', 'DAY', 'DOMAIN', 'STATE', 'OK', 'FAILED', 'NOTE'];
          print(formatTable(head, data.map(cellsOf)));
        }
      });
    });
}

function addShow(command: Command): void {
  command
    .command('show <id>')
    .description('what it says, whom it went to, and how')
    .option('--json', 'as JSON')
    .action(async (text: string, options: { json?: true }) => {
      await withSecrets(async ({ sql }) => {
        const { document, sendings, ...row } = await getTlsReport({ sql }, idArgument('tlr', text));
        if (options.json === true)
          printJson({ ...presentTlsReport(row), sendings, report: document });
        else {
          printJson(document);
          print('');
          print(formatTable(['TO', 'STATE', 'REASON'], sendings.map(sendingCells)));
        }
      });
    });
}

function cellsOf(row: TlsReport) {
  const { id, day, domain, state, successes, failures, note } = row;
  return [formatId('tlr', id), day, domain, state, successes, failures, note];
}

function sendingCells({ to, state, reason }: ReportSending) {
  return [to, state, reason];
}
