/**
 * mta/growth — whether further connections are of use: not while this process has no time for them.
 *
 * The first connection of a site is not asked about here, nor is one to a receiver that is slow to
 * answer (site.ts). The others share what a window of 50 ms allows: nothing when the process was busy
 * for more than seven tenths of it, as a sliding mean, else a quarter of the connections there are,
 * at least eight.
 *
 * Promises: who is refused is woken at the end of the window, to ask again. A process that has time
 *           goes from 50 connections to 500 in eleven windows.
 * Why:      messages that wait for this process do not go faster over more connections; each one only
 *           keeps another message, its socket and its buffers in memory. The mean slides, because a
 *           process that waits for a commit of PostgreSQL looks idle for one window.
 * See:      site.ts `grow`, pool.ts (the hard limit), kernel/clock.ts `idleMs`, DESIGN.md (measured).
 */
export interface Growth {
  /** Whether one more may be opened now. When not, `wake` is called later, once. */
  mayOpen(wake: () => void): boolean;
  /** One more is being opened. */
  opened(): void;
}

export interface GrowthOptions {
  /** Connections there are now. */
  open: () => number;
  /** Of a clock that only goes on, wherever it began. */
  elapsedMs: () => number;
  /** Of that time, how much this process has had nothing to do. */
  idleMs: () => number;
}

const WINDOW_MS = 50;
const LEAST_IDLE_SHARE = 0.3;
const STEP_SHARE = 0.25;
const LEAST_STEP = 8;

export function createGrowth({ open, elapsedMs, idleMs }: GrowthOptions): Growth {
  let startedAtMs = elapsedMs();
  let idleAtStartMs = idleMs();
  let idleShare = 0;
  let left = LEAST_STEP;
  let waiting: (() => void)[] = [];

  function beginWindow(nowMs: number): void {
    const idleNowMs = idleMs();
    const lately = (idleNowMs - idleAtStartMs) / (nowMs - startedAtMs);
    idleShare = (idleShare + lately) / 2;
    startedAtMs = nowMs;
    idleAtStartMs = idleNowMs;
    const step = Math.max(LEAST_STEP, Math.floor(open() * STEP_SHARE));
    left = idleShare < LEAST_IDLE_SHARE ? 0 : step;
  }

  function wakeAll(): void {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  }

  return {
    mayOpen(wake) {
      const nowMs = elapsedMs();
      if (nowMs - startedAtMs >= WINDOW_MS) beginWindow(nowMs);
      if (left > 0) return true;
      waiting.push(wake);
      if (waiting.length === 1) setTimeout(wakeAll, WINDOW_MS);
      return false;
    },
    opened() {
      left -= 1;
    },
  };
}
