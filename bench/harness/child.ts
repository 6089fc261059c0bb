/** bench/child — a process of the harness beside the one that measures. */
import type { ChildProcess } from 'node:child_process';

/** What it tells next. */
export function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => child.once('message', (message) => resolve(message as T)));
}

/** It ends when nobody is connected to it. */
export async function dismiss(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.disconnect();
  await ended;
}
