/**
 * scheduler/retry — when a deferred delivery is tried again.
 *
 * Pure. The schedule is a list of waits, one per failed attempt; the last one repeats. Each wait is
 * spread by +-10 %, so that recipients deferred together do not come back together.
 *
 * Promises: never a time at or past `expiresAt`: then null, and the delivery has lived its life.
 * See:      scheduler/record/decide.ts (asks), VOLLEY_RETRY_SCHEDULE_SECONDS.
 */
import type { Random } from '../kernel/clock.ts';

const SPREAD = 0.1;

/** `failedAttempts` counts the one that just failed: 1 for the first. */
export function nextAttemptAt(
  scheduleSeconds: readonly number[],
  failedAttempts: number,
  now: Date,
  expiresAt: Date,
  random: Random,
): Date | null {
  const index = Math.min(failedAttempts, scheduleSeconds.length) - 1;
  const waitSeconds = scheduleSeconds[Math.max(index, 0)] ?? 300;
  const spread = 1 + SPREAD * (2 * random() - 1);
  const next = new Date(now.getTime() + waitSeconds * 1000 * spread);
  return next >= expiresAt ? null : next;
}
