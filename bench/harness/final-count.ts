/** bench/final-count — the end of a time-boxed run: what is recorded against what arrived. */
import type { EngineProcess } from './engine.ts';
import type { BenchDatabase } from './postgres.ts';
import type { Sink } from './sink.ts';

/** Drains, then compares what is recorded with what the sink has. */
export async function stopAndCount(
  engine: EngineProcess,
  database: BenchDatabase,
  sink: Sink,
): Promise<string[]> {
  await engine.stop();
  const received = await sink.messages();
  const [rows] = await database.sql<{ accepted: number; marked: number }[]>`
    select (select count(*)::int from deliveries where state = 'accepted') as accepted,
      (select count(*)::int from batches where marked <> '{}') as marked`;
  const faults: string[] = [];
  if (rows?.marked !== 0) faults.push(`${rows?.marked ?? '?'} batches are still marked`);
  if (rows?.accepted !== received) {
    faults.push(`${rows?.accepted ?? 0} recorded accepted, the sink has ${received}`);
  }
  return faults;
}
