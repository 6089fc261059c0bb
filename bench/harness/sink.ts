/**
 * bench/sink — the receiver of every bench that sends, and what it saw.
 *
 * Postfix's smtp-sink where it is installed (or was unpacked by `peers install`) and starts, else our
 * own; the output says which, and why. smtp-sink counts messages; our own also recipients and bytes,
 * and with a ledger which recipient had how many.
 */
import { fork, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { postfixFolder, postfixLibraries } from '../peers/installed.ts';
import { messageOf } from '../../src/kernel/errors.ts';
import { answerOf, dismiss, endOf, failureOf } from './child.ts';
import type { LedgerAnswer, LedgerQuestion, OwnSinkOptions, SinkCounts } from './own-sink.ts';
import { freePort } from './free-port.ts';
import { heldByRun, killed } from './run-scope.ts';
import type { Settings } from './settings.ts';
import { cpuSecondsOf } from './usage.ts';

export interface Sink {
  port: number;
  /** `Postfix smtp-sink` or `our own sink`. */
  name: string;
  messages(): Promise<number>;
  /** Accepted recipients; smtp-sink counts messages only, which is the same for personalised mail. */
  deliveries(): Promise<number>;
  connections(): Promise<number>;
  /** Of all messages, without DKIM signatures; null: this sink does not count them. */
  bytes(): Promise<number | null>;
  /** null: this sink does not keep them. */
  ledger(): Promise<SinkCounts | null>;
  /** How those served differ from recipients 0 to n - 1, by name; null: this sink has no ledger. */
  differenceTo(question: LedgerQuestion): Promise<LedgerAnswer | null>;
  cpuSeconds(): number | null;
  stop(): Promise<void>;
}

export interface SinkOptions {
  kind: Settings['sink'];
  chunking?: boolean;
  /** Needs our own sink, and takes it. */
  ledger?: boolean;
  /** How long each message takes; our own sink. */
  delayMs?: number;
  /** Loses or doubles one message: does a bench find it? Our own sink. */
  errs?: 'drop' | 'double';
  /** Instead of the smtp-sink that is found; null: as if there were none. */
  program?: string | null;
}

export function smtpSinkPath(): string | null {
  const folder = postfixFolder();
  return folder === null ? null : join(folder, 'usr/sbin/smtp-sink');
}

export async function startSink(options: SinkOptions): Promise<Sink> {
  const { program = smtpSinkPath() } = options;
  const { kind, chunking = false, ledger = false, delayMs = 0, errs } = options;
  const own = kind === 'own' || chunking || ledger || delayMs > 0 || errs !== undefined;
  if (own || program === null) return startOwnSink(options);
  try {
    return await startSmtpSink(program);
  } catch (error) {
    const sink = await startOwnSink(options);
    return { ...sink, name: `${sink.name} (${messageOf(error)})` };
  }
}

async function startOwnSink(options: SinkOptions): Promise<Sink> {
  const extensions = ['PIPELINING', 'SIZE 50000000', '8BITMIME'];
  if (options.chunking === true) extensions.push('CHUNKING');
  const own: OwnSinkOptions = {
    extensions,
    ledger: options.ledger === true,
    delayMs: options.delayMs ?? 0,
    errs: options.errs ?? null,
  };
  const path = join(import.meta.dirname, 'own-sink.ts');
  const child = fork(path, [JSON.stringify(own)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  heldByRun('sink', () => killed(child));
  const { port } = await answerOf<{ port: number }>('our own sink', child);
  const ask = async <T>(question: 'counts' | LedgerQuestion): Promise<T> => {
    const answered = answerOf<T>('our own sink', child);
    if (child.connected) child.send(question);
    return await answered;
  };
  const counts = (): Promise<SinkCounts> => ask<SinkCounts>('counts');
  return {
    port,
    name: 'our own sink',
    messages: async () => (await counts()).messages,
    deliveries: async () => (await counts()).recipients,
    connections: async () => (await counts()).connections,
    bytes: async () => (await counts()).bytes,
    ledger: counts,
    differenceTo: async (question) => (own.ledger ? await ask<LedgerAnswer>(question) : null),
    cpuSeconds: () => cpuSecondsOf(child.pid ?? 0),
    stop: () => dismiss(child),
  };
}

async function startSmtpSink(program: string): Promise<Sink> {
  const port = await freePort();
  const asRoot = process.getuid?.() === 0;
  // -m: it takes 256 connections at one time by itself, and lets the others wait.
  const child = spawn(
    program,
    [...(asRoot ? ['-u', 'nobody'] : []), '-c', '-m', '4000', `127.0.0.1:${port}`, '1000'],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { LD_LIBRARY_PATH: postfixLibraries() } },
  );
  heldByRun('smtp-sink', () => killed(child));
  let tail = '';
  child.stdout.on(
    'data',
    (chunk: Buffer) => (tail = (tail + chunk.toString('latin1')).slice(-200)),
  );
  await Promise.race([untilListening(port), failureOf('smtp-sink', child)]);
  const messages = async (): Promise<number> => {
    await sleep(20);
    return parseSmtpSink(tail).messages;
  };
  return {
    port,
    name: 'Postfix smtp-sink',
    messages,
    deliveries: messages,
    connections: async () => parseSmtpSink(tail).connections,
    bytes: async () => null,
    ledger: async () => null,
    differenceTo: async () => null,
    cpuSeconds: () => cpuSecondsOf(child.pid ?? 0),
    stop: () => endOf(child),
  };
}

/**
 * `sess=20 quit=20 mesg=20000` and a CR, again and again: the last whole one counts. One cut off by
 * the end of what was read would be another number.
 */
export function parseSmtpSink(tail: string): { connections: number; messages: number } {
  const [, connections, messages] = /sess=(\d+) quit=\d+ mesg=(\d+)\r[^\r]*$/.exec(tail) ?? [];
  return { connections: Number(connections ?? 0), messages: Number(messages ?? 0) };
}

export async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await sleep(25);
  }
  throw new Error(`nothing listens on port ${port}`);
}

/** Waits until the sink has `count` deliveries more than `before`; false when no more come. */
export async function untilReceived(
  sink: Sink,
  before: number,
  count: number,
  patienceMs = 30_000,
): Promise<boolean> {
  let last = -1;
  let sinceMs = performance.now();
  for (;;) {
    const now = (await sink.deliveries()) - before;
    if (now >= count) return true;
    if (now !== last) {
      last = now;
      sinceMs = performance.now();
    }
    if (performance.now() - sinceMs > patienceMs) return false;
    await sleep(10);
  }
}
