/**
 * bounce/storage — whether there is room to keep what comes in.
 *
 * Promises: `isShort` looks at the disk at most once a second. A disk that cannot be asked is not
 *           short: the database itself says when it is full (SQLSTATE 53100, `isDiskFull`).
 * Why:      PostgreSQL on a full disk stops for everybody; mail hosts keep bounces for days and come
 *           back after a 452. So returning mail is refused while there is room for the rest.
 */
import { statfs } from 'node:fs/promises';
import type { Clock } from '../kernel/clock.ts';

export interface Storage {
  isShort(): Promise<boolean>;
}

const FRESH_MS = 1_000;
const DISK_FULL = '53100';

/** `path`: a folder on the disk in question. */
export function createStorage(path: string, minFreeBytes: number, clock: Clock): Storage {
  let askedAt = Number.NEGATIVE_INFINITY;
  let answer: Promise<boolean> = Promise.resolve(false);

  async function ask(): Promise<boolean> {
    try {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize < minFreeBytes;
    } catch {
      return false;
    }
  }

  return {
    isShort() {
      const now = clock().getTime();
      // Both ways: a clock that was set back must not keep an old answer alive.
      if (Math.abs(now - askedAt) >= FRESH_MS) {
        askedAt = now;
        answer = ask();
      }
      return answer;
    },
  };
}

export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === DISK_FULL;
}
