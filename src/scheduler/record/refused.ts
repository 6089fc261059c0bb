/**
 * scheduler/record/refused — what the recorder does when the database refuses what it writes. Pure.
 *
 * Promises: one entry that the database will not have (a text it cannot hold, a number out of range)
 *           is found among its neighbours and written with less beside its state, so that it can not
 *           stop the outcomes of everybody else. Its state is never given up.
 * See:      recorder.ts.
 */
import postgres from 'postgres';
import type { Entry } from './recorder.ts';

/** SQLSTATE classes that say "not these values", now or ever: data, integrity, limits. */
const REFUSALS = /^(?:22|23|54)/;

export function isRefused(error: unknown): boolean {
  return error instanceof postgres.PostgresError && REFUSALS.test(error.code);
}

/** The same decision with less beside it; null when there is nothing left to leave out. */
export function plainer(entry: Entry): Entry | null {
  // First what the receiver said: it is the only text from outside.
  if (entry.outcome !== null) return { ...entry, outcome: null };
  const { decision } = entry;
  if (decision.suppression === null && decision.soft === null && decision.rule === null) {
    return null;
  }
  return { ...entry, decision: { ...decision, suppression: null, soft: null, rule: null } };
}
