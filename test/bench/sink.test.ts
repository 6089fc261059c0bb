/** What the sink of the benches has seen, and how children of the harness begin and end. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { answerOf, dismiss, endOf, failureOf, isGone } from '../../bench/harness/child.ts';
import { sample } from '../../bench/harness/bench.ts';
import type { Contender } from '../../bench/harness/bench.ts';
import { DOMAINS } from '../../bench/harness/message.ts';
import { comparingBytes } from '../../bench/harness/same-bytes.ts';
import { parseSmtpSink, startSink } from '../../bench/harness/sink.ts';
import type { Sink } from '../../bench/harness/sink.ts';
import { bareLoop, runChild } from '../../bench/limits/limits.ts';

let sink: Sink | null = null;
afterEach(async () => {
  await sink?.stop();
  sink = null;
});

const LOOP = { recipientsEach: 1, connections: 2, sizeBytes: 4_096, dkim: 'none' } as const;

describe('smtp-sink tells', () => {
  test.each([
    ['sess=1 quit=0 mesg=9\rsess=20 quit=20 mesg=20000\r', 20, 20_000],
    // The end of what was read stands in the middle of a number.
    ['sess=19 quit=3 mesg=1999\rsess=20 quit=20 mesg=20', 19, 1_999],
    ['sess=19 quit=3 mesg=1999\rse', 19, 1_999],
    ['', 0, 0],
  ])('%j', (tail, connections, messages) => {
    expect(parseSmtpSink(tail)).toEqual({ connections, messages });
  });
});

describe('the ledger', () => {
  test('names who is missing, who was served twice, and who was not expected', async () => {
    sink = await startSink({ kind: 'own', ledger: true });
    await bareLoop(sink, sink.port, { ...LOOP, n: 10 }).run(1);
    expect(await sink.differenceTo({ n: 10, domains: DOMAINS })).toMatchObject({
      missing: 0,
      doubled: 0,
      strangers: 0,
    });
    expect(await sink.differenceTo({ n: 11, domains: DOMAINS })).toMatchObject({
      missing: 1,
      examples: ['user10@d10.example is missing'],
    });
    expect(await sink.differenceTo({ n: 9, domains: DOMAINS })).toMatchObject({ strangers: 1 });
    await bareLoop(sink, sink.port, { ...LOOP, n: 1 }).run(2);
    expect(await sink.differenceTo({ n: 10, domains: DOMAINS })).toMatchObject({
      doubled: 1,
      examples: ['user0@d0.example was served 2 times'],
    });
  });

  test('one lost and one doubled do not cancel out', async () => {
    sink = await startSink({ kind: 'own', ledger: true, errs: 'drop' });
    await bareLoop(sink, sink.port, { ...LOOP, n: 10 }).run(1);
    await bareLoop(sink, sink.port, { ...LOOP, n: 1 }).run(2);
    expect(await sink.deliveries()).toBe(10);
    const found = await sink.differenceTo({ n: 10, domains: DOMAINS });
    expect(found).toMatchObject({ missing: 1, doubled: 1, strangers: 0 });
  });

  test('a sink without one says so', async () => {
    sink = await startSink({ kind: 'own' });
    expect(await sink.differenceTo({ n: 1, domains: 1 })).toBeNull();
  });
});

describe('the bytes of a message', () => {
  test('are counted without the DKIM signature', async () => {
    sink = await startSink({ kind: 'own' });
    await bareLoop(sink, sink.port, { ...LOOP, n: 6 }).run(1);
    const unsigned = await sink.bytes();
    await bareLoop(sink, sink.port, { ...LOOP, n: 6, dkim: 'ed25519' }).run(2);
    expect(unsigned).toBe(6 * 4_096);
    expect(await sink.bytes()).toBe(12 * 4_096);
  });

  test('of a contender that sends less than Volley make its run a fault', async () => {
    sink = await startSink({ kind: 'own' });
    const port = sink.port;
    const of = (receiver: Sink, role: Contender['role'], sizeBytes: number): Contender => ({
      ...bareLoop(receiver, port, { ...LOOP, n: 4, sizeBytes }),
      role,
    });
    const all = [of(sink, 'volley', 10_240), of(sink, 'peer', 10_000), of(sink, 'peer', 9_000)];
    const faults: string[][] = [];
    for (const one of comparingBytes(sink, all)) faults.push((await one.run(1)).faults);
    expect(faults).toEqual([[], [], ['9000 bytes a message, Volley 10240']]);
  });
});

describe('a child', () => {
  const node = (script: string) =>
    spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });

  test('that cannot be started is an error with its name', async () => {
    const child = spawn('/no/such/program');
    await expect(failureOf('it', child)).rejects.toThrow('it fails');
    await endOf(child);
  });

  test('that ends before it answers is an error, also when it has ended already', async () => {
    const child = node('process.exit(0)');
    await expect(answerOf('it', child)).rejects.toThrow('it ended with 0');
    await expect(answerOf('it', child)).rejects.toThrow('it ended with 0');
    await dismiss(child);
  });

  test('that never answers is waited for so long and no longer', async () => {
    const child = node('setInterval(() => {}, 1000)');
    await expect(answerOf('it', child, 50)).rejects.toThrow('it did not answer');
    await endOf(child);
    expect(isGone(child)).toBe(true);
  });

  test('that does not leave is killed', async () => {
    const child = node(
      "process.on('SIGTERM', () => {}); process.send('up'); setInterval(() => {}, 1000)",
    );
    await answerOf('it', child);
    await endOf(child, undefined, 50);
    expect(child.signalCode).toBe('SIGKILL');
  });

  test('its clock runs from when it was told, not from its start', async () => {
    sink = await startSink({ kind: 'own' });
    let told = false;
    const path = 'bench/limits/bare-loop.ts';
    const receiver = sink;
    const before: number[] = [];
    const onReady = (): void => {
      told = true;
      void receiver.messages().then((count) => before.push(count));
    };
    const taken = await runChild(path, { ...LOOP, n: 4, port: receiver.port }, { onReady });
    expect(told).toBe(true);
    expect(taken).toEqual(sample(4, taken.seconds, taken));
    expect(before).toEqual([0]);
  });
});

test('a smtp-sink that does not start is replaced by our own, which says why', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'volley-no-sink-'));
  const program = join(folder, 'smtp-sink');
  // As a program whose libraries are missing ends.
  writeFileSync(program, '#!/bin/sh\nexit 127\n', { mode: 0o755 });
  sink = await startSink({ kind: 'postfix', program });
  rmSync(folder, { recursive: true });
  expect(sink.name).toBe('our own sink (smtp-sink ended with 127)');
});
