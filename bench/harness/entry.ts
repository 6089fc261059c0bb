/**
 * bench/entry — how a program of bench/ begins and ends: signals, mistakes, its exit code.
 *
 * Promises: at Ctrl-C or SIGTERM everything that the run has started is ended (no PostgreSQL, sink,
 *           engine, peer or temporary folder stays), then the process exits with 128 + signal; a
 *           second signal ends it at once. A closed stdout (`| head`) ends it so, too. A mistake is a sentence on stderr and exit code 2, anything
 *           else that fails one and exit code 1: no stack.
 */
import { constants } from 'node:os';
import { interrupted } from '../../src/cli/signals.ts';
import type { ExitNow } from '../../src/cli/signals.ts';
import { messageOf } from '../../src/kernel/errors.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { inScope } from './run-scope.ts';
import { isUsage } from './settings.ts';

export interface Entry {
  exitNow: ExitNow;
  profileFolder?: string;
  /** Answers the exit code. */
  main: () => Promise<number>;
}

/** Answers the exit code of a run that no signal ended. */
export async function runEntry({ exitNow, profileFolder, main }: Entry): Promise<number> {
  const stack = createResourceStack();
  const abort = new AbortController();
  const outer = { stack, profileFolder: profileFolder ?? null, signal: abort.signal };
  const stopped = Promise.race([interrupted(exitNow), closedOutput()]);
  const ended = inScope(main, outer).catch(tell);
  const first = await Promise.race([ended, stopped]);
  if (typeof first === 'number') return first;
  console.error(`\n${first}: ending what this run has started; once more to end at once`);
  abort.abort();
  try {
    await stack.release();
  } catch (error) {
    console.error(sentenceOf(error));
  }
  return exitNow(128 + constants.signals[first]);
}

/** Whoever read it has gone: nobody is left to work for. */
function closedOutput(): Promise<'SIGPIPE'> {
  return new Promise((resolve) => process.stdout.on('error', () => resolve('SIGPIPE')));
}

function tell(error: unknown): number {
  console.error(isUsage(error) ? error.message : `FAILED: ${sentenceOf(error)}`);
  return isUsage(error) ? 2 : 1;
}

/** What was wrong and what was behind it, on one line. */
export function sentenceOf(error: unknown): string {
  const words: string[] = [];
  for (let at = error; at !== undefined && words.length < 4; at = causeOf(at)) {
    words.push(messageOf(at).replaceAll(/\s+/g, ' ').slice(0, 300));
  }
  return words.join(': ');
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
