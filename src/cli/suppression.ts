/**
 * cli/suppression — `volley suppression`: who gets no more mail, where the database is.
 *
 * Calls the same use cases as the API; a running server knows of every change within a second. What is
 * added or released says `cli:` and the account that did it.
 */
import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command, Option } from 'commander';
import { presentHistory } from '../api/routes/suppression-person.ts';
import { presentSuppression } from '../api/routes/suppression-schema.ts';
import { erase } from '../bounce/erasure/erasure.ts';
import { STREAMS } from '../bounce/suppressions/entry.ts';
import type { EntryInput } from '../bounce/suppressions/entry.ts';
import { REASONS_BY_STRENGTH, SUPPRESSION_SCOPES } from '../bounce/suppressions/suppression.ts';
import type { SuppressionReason, SuppressionScope } from '../bounce/suppressions/suppression.ts';
import { createSuppressions, MAX_ADDRESSES } from '../bounce/suppressions/suppressions.ts';
import type { Suppressions } from '../bounce/suppressions/suppressions.ts';
import { systemClock } from '../kernel/clock.ts';
import { AppError, messageOf } from '../kernel/errors.ts';
import { formatId } from '../kernel/ids.ts';
import { checkTable, entryTable, historyText } from './suppression-text.ts';
import { print, printJson } from './table.ts';
import { whoIAm } from './who.ts';
import { withSecrets } from './with-secrets.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- suppression list --reason complaint
  npm run -s volley -- suppression add ann@example.com --note 'asked on the phone'
  npm run -s volley -- suppression check ann@example.com --stream marketing --sender-domain shop.example
  npm run -s volley -- suppression history ann@example.com
  npm run -s volley -- suppression release ann@example.com
  npm run -s volley -- suppression import list.csv --rejects rejects.csv
  npm run -s volley -- suppression export list.csv
  npm run -s volley -- suppression erase ann@example.com`;

interface Json {
  json?: true;
}
interface Where {
  scope?: SuppressionScope;
  scopeValue?: string;
}

export function suppressionCommand(): Command {
  const command = new Command('suppression')
    .description('who gets no more mail: list, add, release, check, history, import, export, erase')
    .addHelpText('after', EXAMPLES);
  addList(command);
  addAdd(command);
  addRelease(command);
  addCheck(command);
  addHistory(command);
  addImport(command);
  addExport(command);
  addErase(command);
  return command;
}

async function withList(work: (list: Suppressions) => Promise<void>): Promise<void> {
  await withSecrets(async ({ sql, secrets }) => {
    await work(createSuppressions({ sql, clock: systemClock, ...secrets }));
  });
}

const reasonOption = () => new Option('--reason <reason>', 'why').choices([...REASONS_BY_STRENGTH]);
const scopeOption = () =>
  new Option('--scope <scope>', 'for whom it counts').choices([...SUPPRESSION_SCOPES]);
const SCOPE_VALUE = [
  '--scope-value <value>',
  'domain of the sender; or a stream, of all senders or of one: shop.example/marketing',
] as const;

function addList(command: Command): void {
  command
    .command('list')
    .description('live entries, newest first')
    .addOption(reasonOption())
    .addOption(scopeOption())
    .option('--email <address>', 'of one address')
    .option('--history', 'released and expired ones too')
    .option('--limit <count>', 'how many', Number, 100)
    .option('--json', 'as JSON')
    .action(
      async (
        options: Json & {
          reason?: SuppressionReason;
          scope?: SuppressionScope;
          email?: string;
          history?: true;
          limit: number;
        },
      ) => {
        const { json, limit, ...filter } = options;
        if (!Number.isInteger(limit) || limit < 1) {
          throw new AppError('invalid_request', '--limit must be a whole number');
        }
        await withList(async (list) => {
          const rows = await list.list(filter, { limit });
          if (json === true) printJson(rows.map(presentSuppression));
          else print(entryTable(rows));
        });
      },
    );
}

function addAdd(command: Command): void {
  command
    .command('add <address...>')
    .description('no more mail to these, at once')
    .addOption(reasonOption())
    .addOption(scopeOption())
    .option(...SCOPE_VALUE)
    .option('--note <text>', 'kept as evidence')
    .option('--expires-at <time>', 'ISO 8601; without it, until it is released')
    .option('--json', 'as JSON')
    .action(async (addresses: string[], options: Json & Omit<EntryInput, 'email'>) => {
      const { json, ...entry } = options;
      await withList(async (list) => {
        const rows = await list.add(
          addresses.map((email) => ({ ...entry, email })),
          whoIAm(),
        );
        if (json === true) printJson(rows.map(presentSuppression));
        else print(entryTable(rows));
      });
    });
}

function addRelease(command: Command): void {
  command
    .command('release <address>')
    .description('it may be sent to again; the entries stay as history')
    .addOption(scopeOption())
    .option(...SCOPE_VALUE)
    .action(async (address: string, only: Where) => {
      await withList(async (list) => {
        const released = await list.release(address, whoIAm(), only);
        if (released === null) throw new AppError('not_found', `${address} is not suppressed`);
        print(entryTable(released.suppressions));
        if (released.erasure) print('The erasure is lifted: it may be sent to again.');
      });
    });
}

function addCheck(command: Command): void {
  command
    .command('check <address...>')
    .description('whether, and why; - reads addresses from standard input, one a line')
    .option('--sender-domain <domain>', 'as that sender would send')
    .addOption(new Option('--stream <stream>', 'in that stream').choices([...STREAMS]))
    .option('--json', 'as JSON')
    .action(
      async (addresses: string[], options: Json & { senderDomain?: string; stream?: string }) => {
        const { senderDomain, stream } = options;
        if ((senderDomain === undefined) !== (stream === undefined)) {
          throw new AppError('invalid_request', '--sender-domain and --stream go together');
        }
        const context =
          senderDomain === undefined || stream === undefined ? null : { senderDomain, stream };
        await withList(async (list) => {
          for await (const emails of groups(addresses)) {
            const rows = await list.check(emails, context);
            if (options.json !== true) print(checkTable(rows));
            else {
              for (const { suppressions, ...row } of rows) {
                print(
                  JSON.stringify({ ...row, suppressions: suppressions.map(presentSuppression) }),
                );
              }
            }
          }
        });
      },
    );
}

/** A thousand at a time. */
async function* groups(addresses: readonly string[]): AsyncGenerator<string[]> {
  let group: string[] = [];
  const lines =
    addresses.length === 1 && addresses[0] === '-'
      ? createInterface({ input: process.stdin, crlfDelay: Infinity })
      : addresses;
  for await (const line of lines) {
    if (line.trim() === '') continue;
    group.push(line);
    if (group.length < MAX_ADDRESSES) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function addHistory(command: Command): void {
  command
    .command('history <address>')
    .description('everything known of an address')
    .option('--json', 'as JSON')
    .action(async (address: string, options: Json) => {
      await withList(async (list) => {
        const found = await list.history(address);
        if (found === null) throw new AppError('invalid_request', `${address} is no mail address`);
        if (options.json === true) printJson(presentHistory(found));
        else print(historyText(found));
      });
    });
}

function addImport(command: Command): void {
  command
    .command('import <file>')
    .description('a CSV file with a column `email`, or - for standard input')
    .option('--rejects <file>', 'where the rows that were refused go, as CSV')
    .option('--json', 'as JSON')
    .action(async (file: string, options: Json & { rejects?: string }) => {
      await withList(async (list) => {
        const { importId, rejects, ...counts } = await reading(file, (input) =>
          list.importCsv(input, whoIAm()),
        );
        if (options.rejects !== undefined) {
          const pieces = await list.importRejects(importId);
          if (pieces !== null) await writeFile(options.rejects, pieces);
        }
        if (options.json === true) {
          const rows = rejects.map(({ rowNumber: row, input, reason }) => ({ row, input, reason }));
          printJson({ import_id: formatId('imp', importId), ...counts, rejects: rows });
        } else {
          print(
            `${counts.rows} rows: ${counts.added} added, ${counts.extended} extended, ${counts.unchanged} known already, ${counts.rejected} refused`,
          );
          for (const { rowNumber, input, reason } of rejects.slice(0, 10)) {
            print(`  row ${rowNumber}: ${JSON.stringify(input)} ${reason}`);
          }
        }
      });
    });
}

/** The file is opened before anything is begun: a wrong name is known at once. */
async function reading<T>(
  file: string,
  work: (input: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  if (file === '-') return work(process.stdin as AsyncIterable<Uint8Array>);
  const handle = await open(file).catch((error: unknown) => {
    throw new AppError('not_found', `cannot read ${file}: ${messageOf(error)}`, { cause: error });
  });
  if ((await handle.stat()).isDirectory()) {
    await handle.close();
    throw new AppError('not_found', `cannot read ${file}: it is a folder`);
  }
  return work(handle.createReadStream() as AsyncIterable<Uint8Array>);
}

function addExport(command: Command): void {
  command
    .command('export [file]')
    .description('the live list as CSV; without a file, to standard output')
    .addOption(reasonOption())
    .addOption(scopeOption())
    .action(async (file: string | undefined, filter: { reason?: SuppressionReason } & Where) => {
      await withList(async (list) => {
        const pieces = list.exportCsv(filter);
        if (file !== undefined) await writeFile(file, pieces);
        else await pipeline(Readable.from(pieces), process.stdout, { end: false });
      });
    });
}

/** Not readable by others: it holds people's addresses. */
async function writeFile(file: string, pieces: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(pieces), createWriteStream(file, { mode: 0o600 }));
  } catch (error) {
    throw new AppError('invalid_request', `cannot write ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function addErase(command: Command): void {
  command
    .command('erase <address>')
    .description('forget a person; a keyed hash stays, so that he is not written to again')
    .option('--json', 'as JSON')
    .action(async (address: string, options: Json) => {
      await withSecrets(async ({ sql, secrets }) => {
        const result = await erase({ sql, ...secrets }, address, whoIAm());
        const waitingFor = result.waitingFor.map((id) => formatId('cmp', id));
        if (options.json === true) {
          printJson({
            erasure_id: formatId('ers', result.id),
            completed: result.completed,
            waiting_for: waitingFor,
          });
        } else if (result.completed) print('Erased. The address stays blocked by a keyed hash.');
        else {
          print(`Blocked. Erased when these have ended: ${waitingFor.join(', ')}`);
          print('A running server completes it by itself.');
        }
      });
    });
}
