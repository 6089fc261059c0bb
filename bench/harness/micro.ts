/** bench/micro — contenders that are a function in this process, called again and again. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Contender, Role, Sample } from './bench.ts';
import { sample } from './bench.ts';
import { measureShared } from './usage.ts';

/** Of asynchronous work, as the lanes of the sender are. */
export const LANES = 20;

/** Runs `work(i)` for i in 0..n-1; a first tenth warms up and is not counted. */
export function micro(
  name: string,
  role: Role,
  n: number,
  work: (i: number) => unknown,
): Contender {
  return {
    name,
    role,
    async run(): Promise<Sample> {
      await inSlices(Math.ceil(n / 10), work);
      const taken = await measureShared(() => inSlices(n, work));
      return sample(taken.count, taken.seconds, taken);
    },
  };
}

/** A signal is heard between two of them. */
const SLICE = 10_000;

async function inSlices(n: number, work: (i: number) => unknown): Promise<number> {
  for (let begin = 0; begin < n; begin += SLICE) {
    for (let i = begin; i < Math.min(n, begin + SLICE); i += 1) work(i);
    await turn();
  }
  return n;
}

/** The same for work that waits: LANES at one time. */
export function microAsync(
  name: string,
  role: Role,
  n: number,
  work: (i: number) => Promise<unknown>,
): Contender {
  const inLanes = async (count: number): Promise<number> => {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) await work(next++);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return count;
  };
  return {
    name,
    role,
    async run(): Promise<Sample> {
      await inLanes(Math.ceil(n / 10));
      const taken = await measureShared(() => inLanes(n));
      return sample(taken.count, taken.seconds, taken);
    },
  };
}

export const nothingToClose = async (): Promise<void> => undefined;
