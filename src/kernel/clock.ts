/**
 * kernel/clock — time and randomness as arguments, so that tests can hold them still.
 */
import { performance } from 'node:perf_hooks';

export type Clock = () => Date;
export type Random = () => number;

export const systemClock: Clock = () => new Date();

/** The same clock in milliseconds; the system's makes no Date then. */
export function millisecondsOf(clock: Clock): () => number {
  return clock === systemClock ? () => Date.now() : () => clock().getTime();
}

/**
 * For how long this thread has had nothing to do, all in all. What it waited for did not come while it
 * was idle, so the idle time of a wait is how long the others took at least; the rest may be our own.
 * Asked for with every event of every connection, so not by `eventLoopUtilization()`, which makes an
 * object (0.4 us and 175 bytes; 0.1 us and 17 so).
 */
export const idleMs = (): number => performance.nodeTiming.idleTime;
