/**
 * campaigns/reports/period — the days a report is about, and the period before. Pure.
 *
 * Promises: `from` included, `until` not; the period before has the same length and ends where this
 *           one begins. Days are UTC.
 * Fails:    AppError `invalid_request` with the name of the parameter.
 */
import { invalidValue } from '../../kernel/errors.ts';

export interface Period {
  from: Date;
  until: Date;
}

const DAY_MS = 86_400_000;
/** A year and a day, leap years too. */
const MAX_DAYS = 367;
/** A row an hour: more would be a page that nobody reads. */
export const MAX_HOURLY_DAYS = 31;

/** `2026-03-01` to `2026-03-31`, both included. */
export function parsePeriod(from: string, to: string): Period {
  const begin = parseDay('from', from);
  const last = parseDay('to', to);
  if (begin > last) throw invalidValue('from', 'is after "to"');
  const period = { from: begin, until: new Date(last.getTime() + DAY_MS) };
  if (daysOf(period) > MAX_DAYS) {
    throw invalidValue('to', `a report covers at most ${MAX_DAYS} days`);
  }
  return period;
}

export function periodBefore({ from, until }: Period): Period {
  return { from: new Date(from.getTime() - (until.getTime() - from.getTime())), until: from };
}

export function daysOf({ from, until }: Period): number {
  return (until.getTime() - from.getTime()) / DAY_MS;
}

/** The first and the last day of a period of whole UTC days. */
export function dayNames({ from, until }: Period): { from: string; to: string } {
  return { from: dayOf(from), to: dayOf(new Date(until.getTime() - DAY_MS)) };
}

export function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}

function parseDay(name: string, text: string): Date {
  const date = /^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00:00Z`) : null;
  if (date === null || Number.isNaN(date.getTime()) || dayOf(date) !== text) {
    throw invalidValue(name, 'must be a day like 2026-03-01');
  }
  return date;
}
