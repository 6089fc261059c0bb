/**
 * kernel/clock — time and randomness as arguments, so that tests can hold them still.
 */
import { performance } from 'node:perf_hooks';

export type Clock = () => Date;
export type Random = () => number;

export const systemClock: Clock = () => new Date();

/**
 * For how long this thread has had nothing to do, all in all. What it waited for did not come while it
 * was idle, so the idle time of a wait is how long the others took at least; the rest may be our own.
 */
export const idleMs = (): number => performance.eventLoopUtilization().idle;
