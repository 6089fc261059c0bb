/**
 * bench/limits — what the machine could do at most: contenders to compare Volley with.
 */
import { execFile, fork } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sample } from '../harness/bench.ts';
import type { Contender, Sample } from '../harness/bench.ts';
import { heldByRun, killed } from '../harness/run-scope.ts';
import { smtpSinkPath, untilReceived } from '../harness/sink.ts';
import type { Sink } from '../harness/sink.ts';
import { postfixLibraries } from '../peers/installed.ts';
import type { BareLoopOptions } from './bare-loop.ts';

export const BARE_LOOP = 'bare sign-and-send loop';
export const SMTP_SOURCE = 'smtp-source';

type LoopOptions = Omit<BareLoopOptions, 'port'>;

/** Runs a script of ours as a child that tells its sample when it is done. */
export async function runChild(
  path: string,
  argument: object,
  flags: readonly string[] = [],
): Promise<Sample> {
  const child = fork(path, [JSON.stringify(argument)], { execArgv: [...flags] });
  heldByRun('child', () => killed(child));
  return await new Promise((resolve, reject) => {
    child.once('message', (message) => {
      const told = message as Partial<Sample>;
      resolve(sample(told.count ?? 0, told.seconds ?? 0, told));
    });
    child.once('exit', (code) => {
      if (code !== 0) reject(new Error(`${path} ended with ${code ?? 'a signal'}`));
    });
  });
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
export function smtpSource(sink: Sink, options: LoopOptions): Contender | null {
  const program = smtpSinkPath()?.replace('smtp-sink', 'smtp-source');
  if (program === undefined) return null;
  const messages = Math.ceil(options.n / options.recipientsEach);
  const args = ['-d', '-s', String(options.connections), '-m', String(messages)];
  args.push('-l', String(options.sizeBytes), '-f', 'a@shop.example', '-t', 'user@d1.example');
  if (options.recipientsEach > 1) args.push('-r', String(options.recipientsEach));
  args.push(`127.0.0.1:${sink.port}`);
  return {
    name: SMTP_SOURCE,
    role: 'limit',
    async run() {
      const before = await sink.deliveries();
      const beganMs = performance.now();
      const env = { LD_LIBRARY_PATH: postfixLibraries() };
      const running = promisify(execFile)(program, args, { env });
      heldByRun('smtp-source', () => killed(running.child));
      await running;
      const seconds = (performance.now() - beganMs) / 1_000;
      return counted(sink, before, options.n, sample(options.n, seconds));
    },
  };
}
