/**
 * cli/signals — Ctrl-C and SIGTERM.
 *
 * Promises: `interrupted` resolves at the first signal. The second one ends the process at once with
 *           the shell's code for it (128 + signal); what was on the wire is then ambiguous.
 */
import { constants } from 'node:os';

/** Ends the process; only main.ts has it to give. */
export type ExitNow = (code: number) => never;

export function interrupted(exitNow: ExitNow): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let seen = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (seen) exitNow(128 + constants.signals[signal]);
        seen = true;
        resolve(signal);
      });
    }
  });
}
