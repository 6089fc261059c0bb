/**
 * bench/limits — what the machine could do at most: contenders to compare Volley with.
 *
 * Promises: the clock of a child runs from when all is made that is made once (key, contents, modules)
 *           until its last message is answered, as Volley's runs from an engine that is up. smtp-source
 *           is started inside its time: a C program, some milliseconds.
 */
import { execFile, fork } from 'node:child_process';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { sample } from '../harness/bench.ts';
import type { Contender, Sample } from '../harness/bench.ts';
import { heldByRun, killed } from '../harness/run-scope.ts';
import { smtpSinkPath, untilReceived } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';
import { answerOf } from '../harness/child.ts';
import type { SenderOptions } from '../harness/prebuilt.ts';
import { postfixLibraries } from '../peers/installed.ts';

export const BARE_LOOP = 'bare sign-and-send loop';
export const SMTP_SOURCE = 'smtp-source';

type LoopOptions = Omit<SenderOptions, 'port'>;

/** Nothing that is measured sends for so long. */
const SENDS_WITHIN_MS = 600_000;

/**
 * Runs a script of ours as a child that says when it is ready (child.ts, untilTold), is told to begin,
 * and tells its sample. `onReady` is called right before it is told.
 */
export async function runChild(
  path: string,
  argument: object,
  { flags = [], onReady }: { flags?: readonly string[]; onReady?: () => void } = {},
): Promise<Sample> {
  const name = basename(path);
  const child = fork(path, [JSON.stringify(argument)], { execArgv: [...flags] });
  heldByRun('child', () => killed(child));
  await answerOf(name, child);
  const answered = answerOf<Partial<Sample>>(name, child, SENDS_WITHIN_MS);
  onReady?.();
  child.send('go');
  const told = await answered;
  return sample(told.count ?? 0, told.seconds ?? 0, told);
}

export function bareLoop(sink: Sink, port: number, options: LoopOptions): Contender {
  return {
    name: BARE_LOOP,
    role: 'limit',
    async run() {
      const before = await sink.deliveries();
      const path = join(import.meta.dirname, 'bare-loop.ts');
      const taken = await runChild(path, { ...options, port });
      return counted(sink, before, options.n, taken);
    },
  };
}

/** A sample whose deliveries the sink must have, no fewer and no more. */
export async function counted(
  sink: Sink,
  before: number,
  deliveries: number,
  taken: Sample,
): Promise<Sample> {
  await untilReceived(sink, before, deliveries, 2_000);
  const seen = (await sink.deliveries()) - before;
  if (seen === deliveries) return taken;
  return { ...taken, faults: [...taken.faults, `the sink has ${seen} of ${deliveries}`] };
}

/** null where Postfix is not installed. */
export function smtpSource(sink: Sink, port: number, options: LoopOptions): Contender | null {
  const program = smtpSinkPath()?.replace('smtp-sink', 'smtp-source');
  if (program === undefined) return null;
  const messages = Math.ceil(options.n / options.recipientsEach);
  const args = ['-d', '-s', String(options.connections), '-m', String(messages)];
  args.push('-l', String(options.sizeBytes), '-f', 'a@shop.example', '-t', 'user@d1.example');
  if (options.recipientsEach > 1) args.push('-r', String(options.recipientsEach));
  args.push(`127.0.0.1:${port}`);
  return {
    name: SMTP_SOURCE,
    role: 'limit',
    async run() {
      const before = await sink.deliveries();
      const beganMs = performance.now();
      const env = { LD_LIBRARY_PATH: postfixLibraries() };
      const running = promisify(execFile)(program, args, { env, timeout: SENDS_WITHIN_MS });
      heldByRun('smtp-source', () => killed(running.child));
      await running;
      const seconds = (performance.now() - beganMs) / 1_000;
      return counted(sink, before, options.n, sample(options.n, seconds));
    },
  };
}
