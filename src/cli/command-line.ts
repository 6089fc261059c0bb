/**
 * cli/command-line — `volley VERB …`: which verbs there are, and how a mistake is told.
 *
 * Promises: every verb has --help with an example; tables have --json. Answers the exit code, never
 *           exits itself. An AppError is one line (or one line a mistake) on stderr, code 1;
 *           anything else is a bug: its stack, code 70 (EX_SOFTWARE).
 * See:      one file a verb in this folder; README "Command line".
 */
import { Command, CommanderError } from 'commander';
import { AppError } from '../kernel/errors.ts';
import { alarmCommand } from './alarm.ts';
import { bounceCommand } from './bounce.ts';
import { campaignCommand } from './campaign.ts';
import { configCommand } from './config.ts';
import { demoCommand } from './demo.ts';
import { keyCommand } from './key.ts';
import { migrateCommand } from './migrate.ts';
import { rangeCommand } from './range.ts';
import { reportCommand } from './report-command.ts';
import { routeCommand } from './route.ts';
import { serveCommand } from './serve.ts';
import { sourceCommand } from './source.ts';
import { suppressionCommand } from './suppression.ts';
import { tlsReportCommand } from './tls-report.ts';
import { webhookCommand } from './webhook.ts';
import type { ExitNow } from './signals.ts';

const EX_SOFTWARE = 70;

export function program(exitNow: ExitNow): Command {
  const root = new Command('volley')
    .description('Self-hosted bulk-mail delivery: who got it, who did not, and why.')
    .showHelpAfterError('(--help shows how)')
    .exitOverride();
  for (const command of [
    serveCommand(exitNow),
    demoCommand(exitNow),
    rangeCommand(exitNow),
    campaignCommand(),
    reportCommand(),
    suppressionCommand(),
    routeCommand(),
    sourceCommand(),
    tlsReportCommand(),
    alarmCommand(),
    webhookCommand(),
    keyCommand(),
    configCommand(),
    migrateCommand(),
    bounceCommand(),
  ]) {
    root.addCommand(command.copyInheritedSettings(root));
  }
  return root;
}

export async function runCommandLine(args: readonly string[], exitNow: ExitNow): Promise<number> {
  try {
    await program(exitNow).parseAsync([...args], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    // Commander has printed its own message (a usage mistake, or the help that was asked for).
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof AppError) {
      process.stderr.write(`volley: ${sentenceOf(error)}\n`);
      return 1;
    }
    process.stderr.write(
      `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return EX_SOFTWARE;
  }
}

/** One line: what happened, and which fields were wrong. */
function sentenceOf({ message, errors }: AppError): string {
  const fields = errors
    .map(({ pointer, detail }) => `${pointer.slice(1)}: ${detail}`)
    .filter((field) => !message.includes(field));
  return fields.length === 0 ? message : `${message}: ${fields.join('; ')}`;
}
