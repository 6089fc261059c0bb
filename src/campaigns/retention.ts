/**
 * campaigns/retention — what grows with every message is kept for a while, and then no longer.
 *
 * Purges: returned messages as they came, the attempts of deliveries, Volley's own notices whole, and
 *         the rejected rows of uploads and imports. Each has its days (docs/retention.md, README).
 * Never:  touches what a balance or a report rests on: campaigns, recipients, deliveries, rollups; the
 *         facts that count once (late bounces, complaints, unsubscribes); suppressions, their history
 *         and the audit of both. Notices are in no report. A notice that the watch still waits for stays.
 * Bound:  chunk by chunk, each a transaction of its own, so that nothing waits long; `isStopping` is
 *         asked between two. Several nodes may purge at one time.
 * See:    retention/store.ts; other tables are purged where they are kept (idempotency keys, unknown
 *         replies, soft bounces, TLS reports, webhook deliveries).
 */
import type { Clock } from '../kernel/clock.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { purgeAttempts, purgeInbound, purgeNotices, purgeRejects } from './retention/store.ts';

export interface RetentionDays {
  inboundDays: number;
  attemptDays: number;
  noticeDays: number;
  rejectDays: number;
}

const DAY_MS = 86_400_000;
export const ATTEMPTS_A_CHUNK = 10_000;
/** A returned message is up to 64 KiB, a notice a dozen rows. */
const CHUNKS = { inbound: 500, notices: 200, rejects: 5_000 };

type Purge = (sql: Sql, before: Date, limit: number) => Promise<number>;

/** By what each takes away; none needs another. */
export function retentionPurges(
  { sql, clock }: { sql: Sql; clock: Clock },
  days: RetentionDays,
  isStopping: () => boolean,
): Record<string, () => Promise<void>> {
  const all = (purge: Purge, count: number, limit: number) => async (): Promise<void> => {
    const before = new Date(clock().getTime() - count * DAY_MS);
    let taken = limit;
    while (taken >= limit && !isStopping()) taken = await purge(sql, before, limit);
  };
  return {
    'returned messages': all(purgeInbound, days.inboundDays, CHUNKS.inbound),
    attempts: all(purgeAttempts, days.attemptDays, ATTEMPTS_A_CHUNK),
    notices: all(purgeNotices, days.noticeDays, CHUNKS.notices),
    'rejected rows': all(purgeRejects, days.rejectDays, CHUNKS.rejects),
  };
}
