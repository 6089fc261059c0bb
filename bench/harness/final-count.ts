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
  const [rows] = await database.sql<{ accepted: number; sending: number }[]>`
    select count(*) filter (where state = 'accepted')::int as accepted,
      count(*) filter (where state = 'sending')::int as sending
    from deliveries`;
  const faults: string[] = [];
  if (rows?.sending !== 0) faults.push(`${rows?.sending ?? '?'} deliveries are still sending`);
  if (rows?.accepted !== received) {
    faults.push(`${rows?.accepted ?? 0} recorded accepted, the sink has ${received}`);
  }
  return faults;
}
