/**
 * cli/bounce — `volley bounce`: what Volley understands of a bounce.
 *
 *   inspect    one JSON line a file: kind, recipients, status, class (needs no database)
 *   classify   one reply a line in, one JSON line out (needs no database)
 *   rules      bounce-rules.ts
 *   unmatched  bounce-rules.ts
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { inspectMessage } from '../bounce/inspect.ts';
import { classify } from '../bounce/classify.ts';
import { inspectionLine, verdictLine } from '../bounce/report-lines.ts';
import { AppError, messageOf } from '../kernel/errors.ts';
import { addRuleCommands } from './bounce-rules.ts';
import { formatTable, print } from './table.ts';

const EXAMPLES = `
Examples:
  npm run -s volley -- bounce inspect bounce.eml
  npm run -s volley -- bounce inspect --json Maildir/new
  echo '550 5.1.1 user unknown' | npm run -s volley -- bounce classify --json
  npm run -s volley -- bounce unmatched --limit 20`;

export function bounceCommand(): Command {
  const command = new Command('bounce')
    .description('inspect bounce messages and classify SMTP replies')
    .addHelpText('after', EXAMPLES);
  command
    .command('inspect <path>')
    .description('a message file, a folder of them, or - for standard input')
    .option('--json', 'one JSON line a file')
    .action(async (path: string, options: { json?: true }) => {
      for (const { name, read } of messages(path)) {
        const line = inspectionLine(name, await inspectMessage(read()));
        if (options.json === true) print(JSON.stringify(line));
        else {
          const cells = line.recipients.map((row) => [
            row.recipient,
            row.status,
            row.class,
            row.action,
          ]);
          print(`${name}: ${line.kind}`);
          if (cells.length > 0)
            print(formatTable(['RECIPIENT', 'STATUS', 'CLASS', 'ACTION'], cells));
        }
      }
    });
  command
    .command('classify')
    .description('read replies from standard input, one a line')
    .option('--json', 'one JSON line a reply')
    .action(async (options: { json?: true }) => {
      for await (const text of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
        if (text === '') continue;
        const line = verdictLine(text, classify({ code: null, enhanced: null, text, stage: null }));
        if (options.json === true) print(JSON.stringify(line));
        else print(`${line.class}\t${line.action}\t${line.scope}\t${line.rule}\t${text}`);
      }
    });
  addRuleCommands(command);
  return command;
}

function messages(path: string): { name: string; read: () => Uint8Array }[] {
  if (path === '-') return [{ name: '-', read: () => readFileSync(0) }];
  try {
    if (!statSync(path).isDirectory()) return [{ name: path, read: () => readFileSync(path) }];
    return filesBelow(path)
      .sort()
      .map((file) => ({ name: relative(path, file), read: () => readFileSync(file) }));
  } catch (error) {
    throw new AppError('not_found', `cannot read ${path}: ${messageOf(error)}`);
  }
}

/** Links are not followed: one that leads up would be read forty times over. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}
