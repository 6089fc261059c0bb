/**
 * bench/child — a process of the harness beside the one that measures: what it tells, and its end.
 *
 * Promises: every wait has an end. A program that cannot be started (`error`), ends before it has
 *           answered, or does not answer in time is an error with its name in it; one that does not
 *           leave when it is told to is killed.
 * Why:      a `spawn` without a listener for `error` ends the whole harness, and a promise on a child
 *           that is dead never resolves.
 */
import type { ChildProcess } from 'node:child_process';

const ANSWERS_WITHIN_MS = 60_000;
const LEAVES_WITHIN_MS = 10_000;

/** Rejects when it cannot be started or when it ends; never resolves. */
export function failureOf(name: string, child: ChildProcess): Promise<never> {
  const failure = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(new Error(`${name} fails`, { cause: error })));
    child.once('exit', (code, signal) =>
      reject(new Error(`${name} ended with ${code ?? signal ?? 'nothing'}`)),
    );
  });
  // Whoever waits hears of it; when nobody waits it is no crash.
  failure.catch(() => undefined);
  return failure;
}

/** What it tells next. */
export async function answerOf<T>(
  name: string,
  child: ChildProcess,
  withinMs = ANSWERS_WITHIN_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let hear: (message: unknown) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const onExit = (code: number | null): void =>
    fail(new Error(`${name} ended with ${code ?? 'a signal'} before it answered`));
  const onError = (error: Error): void => fail(new Error(`${name} fails`, { cause: error }));
  try {
    return await new Promise<T>((resolve, reject) => {
      hear = (message) => resolve(message as T);
      fail = reject;
      timer = setTimeout(
        () => reject(new Error(`${name} did not answer in ${withinMs / 1_000} s`)),
        withinMs,
      );
      child.once('message', hear);
      child.once('exit', onExit);
      child.once('error', onError);
      if (isGone(child)) onExit(child.exitCode);
    });
  } finally {
    clearTimeout(timer);
    child.off('message', hear);
    child.off('exit', onExit);
    child.off('error', onError);
  }
}

/** It was never there, or it is no more. */
export function isGone(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** Asks it to end, kills it when it does not; resolves when it is gone. */
export async function endOf(
  child: ChildProcess,
  ask: () => void = () => void child.kill('SIGTERM'),
  withinMs = LEAVES_WITHIN_MS,
): Promise<void> {
  if (isGone(child)) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
  ask();
  await gone;
  clearTimeout(timer);
}

/** For our own: they end when nobody is connected to them. */
export function dismiss(child: ChildProcess): Promise<void> {
  return endOf(child, () => {
    if (child.connected) child.disconnect();
  });
}

/** In a child: all is made that is made once; resolves when the clock runs. */
export async function untilTold(): Promise<void> {
  const told = new Promise((resolve) => process.once('message', resolve));
  process.send?.('ready');
  await told;
}
