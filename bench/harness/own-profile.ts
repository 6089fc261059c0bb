/**
 * bench/own-profile — a CPU profile of this process, for the benches whose work is done in it.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

/** Runs `work`, then writes what this process did meanwhile to `file`. */
export async function profiledHere<T>(file: string, work: () => Promise<T>): Promise<T> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    const answer = await work();
    const { profile } = await session.post('Profiler.stop');
    writeFileSync(file, JSON.stringify(profile));
    return answer;
  } finally {
    session.disconnect();
  }
}
