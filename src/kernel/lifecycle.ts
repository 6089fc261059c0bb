/**
 * kernel/lifecycle — what is acquired is released, backwards, once.
 *
 * Promises: `release` runs every releaser last-in-first-out even when one fails, and throws the
 *           first error afterwards; calling it again waits for the same release.
 * Why:      boot acquires a database, sockets, timers and child processes in order; a failure in
 *           the middle must leave nothing running (models.md, graphile `withReleasers`).
 */
export interface ResourceStack {
  /** Registers how to give `name` back. */
  onRelease(name: string, release: () => Promise<void> | void): void;
  release(): Promise<void>;
}

export function createResourceStack(): ResourceStack {
  const releasers: { name: string; release: () => Promise<void> | void }[] = [];
  let releasing: Promise<void> | null = null;

  async function releaseAll(): Promise<void> {
    const errors: unknown[] = [];
    for (let entry = releasers.pop(); entry !== undefined; entry = releasers.pop()) {
      try {
        await entry.release();
      } catch (error) {
        errors.push(new Error(`releasing ${entry.name} failed`, { cause: error }));
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  return {
    onRelease(name, release) {
      releasers.push({ name, release });
    },
    release() {
      releasing ??= releaseAll();
      return releasing;
    },
  };
}

/** Waits for `work`, but no longer than `timeoutMs`; answers whether it ended in time. */
export async function within(timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([work.then(() => true), patience]);
  } finally {
    clearTimeout(timer);
  }
}

/** A loop that runs `step` until stopped; `wake` cuts the pause short. Errors go to `onError`. */
export interface Loop {
  wake(): void;
  /** Resolves when the step under way has ended. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  intervalMs: number;
  step: () => Promise<void>;
  onError: (error: unknown) => void;
}

export function startLoop(options: LoopOptions): Loop {
  let stopped = false;
  let awake = false;
  let wakeUp: (() => void) | null = null;

  async function pause(): Promise<void> {
    if (awake || stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, options.intervalMs);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    wakeUp = null;
  }

  const isStopped = (): boolean => stopped;
  async function run(): Promise<void> {
    while (!isStopped()) {
      awake = false;
      try {
        await options.step();
      } catch (error) {
        options.onError(error);
      }
      await pause();
    }
  }

  const running = run();
  return {
    wake() {
      awake = true;
      wakeUp?.();
    },
    async stop() {
      stopped = true;
      wakeUp?.();
      await running;
    },
  };
}
