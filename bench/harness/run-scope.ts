/**
 * bench/run-scope — what a run of the harness has started, so that all of it ends with the run.
 *
 * Promises: whatever is handed to `heldByRun` inside `inScope` is ended when that work is over, however
 *           it ends: a throw in the middle, or a signal (entry.ts). Scopes stand in each other: the
 *           whole run, a bench, one run of a contender; the inner one ends first.
 * Never:    waits for a program to finish its work: what is left at the end of a scope is killed.
 * Why:      ambient (AsyncLocalStorage), because engines and sinks are started deep inside benches; a
 *           stack handed down would be forgotten in the one place where it matters.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ChildProcess } from 'node:child_process';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';
import { endOf } from './child.ts';

export interface RunScope {
  stack: ResourceStack;
  /** Where processes that are measured write their CPU profile; null: nowhere. */
  profileFolder: string | null;
  /** A signal came: nothing may be started any more. Of the whole run. */
  signal: AbortSignal;
}

const scopes = new AsyncLocalStorage<RunScope>();

/** A scope of its own inside the current one, whose folder and signal it has. */
export async function inScope<T>(work: () => Promise<T>, outer = scopes.getStore()): Promise<T> {
  const stack = createResourceStack();
  outer?.stack.onRelease('an inner scope', () => stack.release());
  const { profileFolder = null, signal = new AbortController().signal } = outer ?? {};
  try {
    return await scopes.run({ stack, profileFolder, signal }, work);
  } finally {
    await stack.release();
  }
}

/** `end` must be harmless when what it ends is over already. */
export function heldByRun(name: string, end: () => Promise<void> | void): void {
  const scope = scopes.getStore();
  if (scope === undefined) return;
  scope.stack.onRelease(name, end);
  if (scope.signal.aborted) void end();
}

/** Ends a child at once, whatever it does; resolves when it is gone. */
export async function killed(child: ChildProcess): Promise<void> {
  await endOf(child, () => void child.kill('SIGKILL'));
}

/** After a signal nobody goes on: the process ends as soon as all is released. */
export async function unlessInterrupted(): Promise<void> {
  if (scopes.getStore()?.signal.aborted === true) await new Promise(() => undefined);
}

/** Flags of node for a process that is measured. */
export function profilingFlags(): string[] {
  const folder = scopes.getStore()?.profileFolder ?? null;
  return folder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}
