/**
 * campaigns/daily-report/schedule — which days a report is due for. Pure.
 *
 * Promises: the report of a UTC day is due at the first HH:MM of the zone after the day has ended, in
 *           summer and winter time. A day that was missed is due until a week has passed; when none was
 *           made in it, only yesterday is. A clock that was once in the next year stops nothing.
 */
import { CronExpressionParser } from 'cron-parser';
import { dayOf } from '../reports/period.ts';

export interface Schedule {
  /** `07:30`. */
  at: string;
  /** IANA name. */
  zone: string;
}

const DAY_MS = 86_400_000;
const MAX_LATE_DAYS = 7;

/** Oldest first. `made`: those of the last days that were made. */
export function dueDays(schedule: Schedule, made: ReadonlySet<string>, now: Date): string[] {
  const today = Date.parse(`${dayOf(now)}T00:00:00Z`);
  const days = Array.from({ length: MAX_LATE_DAYS }, (_, n) =>
    dayOf(new Date(today - (n + 1) * DAY_MS)),
  ).reverse();
  const first = days.findIndex((day) => made.has(day));
  const wanted = first < 0 ? days.slice(-1) : days.slice(first);
  return wanted.filter((day) => !made.has(day) && dueAt(schedule, day) <= now);
}

export function dueAt({ at, zone }: Schedule, day: string): Date {
  const end = Date.parse(`${day}T00:00:00Z`) + DAY_MS;
  const [hour = '0', minute = '0'] = at.split(':');
  const times = CronExpressionParser.parse(`${Number(minute)} ${Number(hour)} * * *`, {
    tz: zone,
    // What falls on the end of the day itself counts.
    currentDate: new Date(end - 1_000),
  });
  return times.next().toDate();
}
