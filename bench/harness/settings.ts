/**
 * bench/settings — what a benchmark run was asked to do.
 *
 * Fails: with one sentence that names the option.
 */
import { closeSync, openSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/kernel/errors.ts';

export type Dkim = 'rsa' | 'ed25519' | 'none';
export type Mode = 'parallel' | 'single_copy';

export interface Settings {
  /** Options that were given, by name. */
  given: string[];
  help: boolean;
  /** Names of benches; empty: all of them. */
  names: string[];
  /** Units of work; null: the bench's own number. */
  n: number | null;
  sizeBytes: number;
  /** null: the variants the bench has by itself. */
  dkim: Dkim | null;
  mode: Mode | null;
  /** Delay added to both directions together. */
  rttMs: number;
  rounds: number;
  /** With the other systems. */
  compare: boolean;
  /** Of the other systems also those that must be started: mail servers. */
  mailServers: boolean;
  sink: 'postfix' | 'own';
  /** Length of a time-boxed bench. */
  seconds: number | null;
  /** Where to append results; null: bench/results/. */
  jsonFile: string | null;
  /** Append to bench/results/ and write RESULTS.md; false: print only. */
  keep: boolean;
}

export const USAGE = `npm run bench -- [NAME...] [options]

  NAME             one or more benches; without one: all, smaller, with all peers
  --n N            units of work (messages, rows) instead of the bench's own number
  --size BYTES     message size from 2048 up, default 10240
  --dkim WHICH     rsa, ed25519 or none
  --mode WHICH     parallel or single_copy: which of the two end-to-end benches
  --rtt MS         round trip time added between sender and sink
  --rounds N       measured runs of each contender, default 3
  --compare        also the other systems (see: npm run bench -- peers)
  --sink WHICH     postfix (smtp-sink, the default where it is installed) or own
  --seconds S      length of soak and of sessions
  --json FILE      append the result as a JSON line to FILE instead of bench/results/
  --no-keep        print only
  peers            which other systems are here; peers install fetches the absent ones
  list             what can be measured
  page             write bench/RESULTS.md anew from bench/results/
  --help           this text

An option that no bench of the run heeds is refused. Exit code: 0 when every message of every run was
accounted for, 1 when not, 2 for a mistake in the command.`;

const OPTIONS = {
  n: { type: 'string' },
  size: { type: 'string', default: '10240' },
  dkim: { type: 'string' },
  mode: { type: 'string' },
  rtt: { type: 'string', default: '0' },
  rounds: { type: 'string', default: '3' },
  compare: { type: 'boolean' },
  sink: { type: 'string', default: 'postfix' },
  seconds: { type: 'string' },
  json: { type: 'string' },
  keep: { type: 'boolean', default: true },
  help: { type: 'boolean', default: false },
} as const;

export class UsageError extends Error {}

/** What somebody who gave the command can mend: ours, and what parseArgs says of a flag it does not know. */
export function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('ERR_PARSE_ARGS');
}

/** Days of work for whatever is measured. */
const MAX_N = 1_000_000_000;
const MAX_OTHER = 1_000_000;

/** Below it the parts of a message that campaigns and prebuilt ones have are larger than the size. */
export const MIN_SIZE_BYTES = 2_048;

export function parseSettings(args: readonly string[]): Settings {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
    allowNegative: true,
    tokens: true,
  });
  return {
    given: tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : [])),
    help: values.help,
    names: positionals,
    n: values.n === undefined ? null : whole('--n', values.n, 1, MAX_N),
    sizeBytes: whole('--size', values.size, MIN_SIZE_BYTES),
    dkim: values.dkim === undefined ? null : oneOf('--dkim', values.dkim, DKIMS),
    mode: values.mode === undefined ? null : oneOf('--mode', values.mode, MODES),
    rttMs: whole('--rtt', values.rtt, 0),
    rounds: whole('--rounds', values.rounds, 1),
    compare: values.compare ?? positionals.length === 0,
    mailServers: true,
    sink: oneOf('--sink', values.sink, SINKS),
    seconds: values.seconds === undefined ? null : whole('--seconds', values.seconds, 1),
    jsonFile: values.json === undefined ? null : writable(values.json),
    keep: values.keep,
  };
}

const DKIMS = ['rsa', 'ed25519', 'none'] as const;
const MODES = ['parallel', 'single_copy'] as const;
const SINKS = ['postfix', 'own'] as const;

function whole(option: string, text: string, min: number, max = MAX_OTHER): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new UsageError(`${option} must be a whole number from ${min} to ${max}`);
  }
  return value;
}

/** Said before the run, not after it. */
function writable(file: string): string {
  try {
    closeSync(openSync(file, 'a'));
    return file;
  } catch (error) {
    throw new UsageError(`--json: ${messageOf(error)}`);
  }
}

function oneOf<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((item) => item === text);
  if (found === undefined) throw new UsageError(`${option} must be ${allowed.join(', ')}`);
  return found;
}
