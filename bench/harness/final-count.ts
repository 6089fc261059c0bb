/**
 * bench/final-count — the end of a time-boxed run: what is recorded against what arrived.
 *
 * Promises: says when the sink has more or fewer messages than are recorded accepted, when anything else
 *           became of one (bounced, expired, ambiguous, or tried and put off: every receiver of the
 *           bench accepts), and when a batch still holds a mark.
 * Relies on: a sink that has served this database only, from its first message on.
 */
import type { EngineProcess } from './engine.ts';
import type { BenchDatabase } from './postgres.ts';
import type { Sink } from './sink.ts';

export interface Recorded {
  accepted: number;
  /** Deliveries that ended otherwise. */
  ended: number;
  /** Deliveries that were tried and are still to be sent. */
  putOff: number;
  /** Batches. */
  marked: number;
}

/** Drains, then compares what is recorded with what the sink has. */
export async function stopAndCount(
  engine: Pick<EngineProcess, 'stop'>,
  { sql }: Pick<BenchDatabase, 'sql'>,
  sink: Pick<Sink, 'messages'>,
): Promise<string[]> {
  await engine.stop();
  const received = await sink.messages();
  const [recorded] = await sql<Recorded[]>`
    select count(*) filter (where state = 'accepted')::int as accepted,
      count(*) filter (where state not in ('accepted', 'pending'))::int as ended,
      count(*) filter (where state = 'pending' and attempts > 0)::int as put_off,
      (select count(*)::int from batches where marked <> '{}') as marked
    from deliveries`;
  if (recorded === undefined) return ['nothing can be counted'];
  return disagreements(recorded, received);
}

export function disagreements(recorded: Recorded, received: number): string[] {
  const { accepted, ended, putOff, marked } = recorded;
  const faults: string[] = [];
  if (marked !== 0) faults.push(`${marked} batches are still marked`);
  if (ended !== 0) faults.push(`${ended} were not accepted`);
  if (putOff !== 0) faults.push(`${putOff} were put off`);
  if (accepted !== received) {
    faults.push(`${accepted} recorded accepted, the sink has ${received}`);
  }
  return faults;
}
