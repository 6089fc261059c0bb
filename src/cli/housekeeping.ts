/**
 * cli/housekeeping — what is looked after once an hour: rows that nobody asks for any more go, and
 * policies that may have changed are asked for again. And erasures that wait, once a minute.
 *
 * Promises: each chore is one of its own: when one fails, the log says which and why, and the others
 *           are done all the same. Stopping waits for the piece that is being purged, not for the rest.
 */
import { purgeIdempotencyKeys } from '../api/idempotency.ts';
import { completeErasures } from '../bounce/erasure/erasure.ts';
import { purgeUnmatched } from '../bounce/unmatched/store.ts';
import { retentionPurges } from '../campaigns/retention.ts';
import type { RetentionDays } from '../campaigns/retention.ts';
import { purgeWebhooks } from '../campaigns/webhooks/sender.ts';
import type { Clock } from '../kernel/clock.ts';
import { startLoop } from '../kernel/lifecycle.ts';
import type { Loop } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { purgeStsPolicies } from '../scheduler/tls-policies/store.ts';

export interface HousekeepingDeps {
  sql: Sql;
  clock: Clock;
  log: Pick<Logger, 'error'>;
  days: RetentionDays;
  refreshPolicies: () => void;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

export function startHousekeeping(deps: HousekeepingDeps): Pick<Loop, 'stop'> {
  const { sql, log } = deps;
  let stopping = false;
  const purge = startLoop({
    intervalMs: HOUR_MS,
    step: () => keepHouse(deps, () => stopping),
    onError: (error) => log.error({ err: error }, 'housekeeping broke off'),
  });
  const erasures = startLoop({
    intervalMs: MINUTE_MS,
    step: () => completeErasures(sql),
    onError: (error) => log.error({ err: error }, 'cannot complete erasures; again in a minute'),
  });
  return {
    async stop() {
      stopping = true;
      await purge.stop();
      await erasures.stop();
    },
  };
}

/** Every chore once. */
export async function keepHouse(deps: HousekeepingDeps, isStopping: () => boolean): Promise<void> {
  const { sql, clock, log, days, refreshPolicies } = deps;
  const chores: Record<string, () => unknown> = {
    // First: it needs no database.
    'policies of TLS': refreshPolicies,
    'idempotency keys': () => purgeIdempotencyKeys(sql),
    'unknown replies': () => purgeUnmatched(sql),
    webhooks: () => purgeWebhooks({ sql, clock }),
    'MTA-STS policies': () => purgeStsPolicies(sql, clock()),
    ...retentionPurges({ sql, clock }, days, isStopping),
  };
  for (const [chore, work] of Object.entries(chores)) {
    if (isStopping()) return;
    try {
      await work();
    } catch (error) {
      log.error({ err: error, chore }, 'a chore of the housekeeping failed; again in an hour');
    }
  }
}
