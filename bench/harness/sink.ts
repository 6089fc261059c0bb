/**
 * bench/sink — the receiver of every bench that sends, and what it saw.
 *
 * Postfix's smtp-sink where it is installed (or was unpacked by `peers install`), else our own; the
 * output says which. smtp-sink counts messages; our own also keeps which recipient had how many.
 */
import { fork, spawn } from 'node:child_process';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { postfixFolder, postfixLibraries } from '../peers/installed.ts';
import { answerOf, dismiss } from './child.ts';
import type { SinkCounts } from './own-sink.ts';
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
  /** null: this sink does not keep them. */
  ledger(): Promise<SinkCounts | null>;
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
}

export function smtpSinkPath(): string | null {
  const folder = postfixFolder();
  return folder === null ? null : join(folder, 'usr/sbin/smtp-sink');
}

export async function startSink(options: SinkOptions): Promise<Sink> {
  const program = smtpSinkPath();
  const { kind, chunking = false, ledger = false, delayMs = 0 } = options;
  const own = kind === 'own' || chunking || ledger || delayMs > 0;
  return own || program === null ? startOwnSink(options) : startSmtpSink(program);
}

async function startOwnSink(options: SinkOptions): Promise<Sink> {
  const extensions = ['PIPELINING', 'SIZE 50000000', '8BITMIME'];
  if (options.chunking === true) extensions.push('CHUNKING');
  const path = join(import.meta.dirname, 'own-sink.ts');
  const child = fork(
    path,
    [
      JSON.stringify({
        extensions,
        ledger: options.ledger === true,
        delayMs: options.delayMs ?? 0,
      }),
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  heldByRun('sink', () => killed(child));
  const { port } = await answerOf<{ port: number }>(child);
  const counts = async (): Promise<SinkCounts> => {
    const answered = answerOf<SinkCounts>(child);
    child.send('counts');
    return answered;
  };
  return {
    port,
    name: 'our own sink',
    messages: async () => (await counts()).messages,
    deliveries: async () => (await counts()).recipients,
    connections: async () => (await counts()).connections,
    ledger: counts,
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
  // `sess=20 quit=20 mesg=20000` and a CR, again and again: the last one counts.
  let tail = '';
  child.stdout.on(
    'data',
    (chunk: Buffer) => (tail = (tail + chunk.toString('latin1')).slice(-200)),
  );
  await untilListening(port);
  const messages = async (): Promise<number> => {
    await sleep(20);
    return Number(/mesg=(\d+)[^=]*$/.exec(tail)?.[1] ?? 0);
  };
  return {
    port,
    name: 'Postfix smtp-sink',
    messages,
    deliveries: messages,
    connections: async () => Number(/sess=(\d+)[^s]*$/.exec(tail)?.[1] ?? 0),
    ledger: async () => null,
    cpuSeconds: () => cpuSecondsOf(child.pid ?? 0),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
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
