/**
 * campaigns/webhooks/sender — posts what the outbox holds, until it is received or given up.
 *
 * Promises: every fact at least once (the process may die between the answer and its record), several
 *           processes share the work. After a failure the next try waits longer each time: ten tries
 *           in about a day and a half, then `failed`. The log of deliveries is kept for 30 days.
 * Why not pg-boss: a row per delivery is the log that operators look at anyway.
 */
import type { Clock } from '../../kernel/clock.ts';
import { formatId } from '../../kernel/ids.ts';
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Loop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { unsealWithAny } from '../../kernel/secrets.ts';
import { postWebhook } from './post.ts';
import type { PostResult } from './post.ts';
import { claimDeliveries, purgeDeliveries, settleDelivery } from './store.ts';
import type { DueDelivery } from './store.ts';

export interface WebhookDeps {
  sql: Sql;
  clock: Clock;
  log: Logger;
  secret: string;
  previousSecrets: readonly string[];
}

/** After the first failure, the second, ...; then it is given up. */
export const RETRY_SECONDS = [5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200, 43_200] as const;
const AT_ONCE = 20;
/** Longer than an attempt can take. */
const LEASE_SECONDS = 60;
const INTERVAL_MS = 1_000;
const KEPT_MS = 30 * 86_400_000;

export function startWebhooks(deps: WebhookDeps): Pick<Loop, 'stop'> {
  const { log } = deps;
  const stopping = new AbortController();
  const loop = startLoop({
    intervalMs: INTERVAL_MS,
    step: async () => {
      while ((await postDue(deps, stopping.signal)) === AT_ONCE && !stopping.signal.aborted);
    },
    onError: (error) => log.error({ err: error }, 'cannot post webhooks; again in a second'),
  });
  return {
    async stop() {
      stopping.abort();
      await loop.stop();
    },
  };
}

/** Answers how many were due. */
export async function postDue(deps: WebhookDeps, signal?: AbortSignal): Promise<number> {
  const { sql, clock } = deps;
  const claim = { now: clock(), limit: AT_ONCE, leaseSeconds: LEASE_SECONDS };
  const due = await claimDeliveries(sql, claim);
  await Promise.all(due.map((delivery) => attempt(deps, delivery, signal)));
  return due.length;
}

/** Hourly: what nobody looks at any more. */
export async function purgeWebhooks({ sql, clock }: Pick<WebhookDeps, 'sql' | 'clock'>) {
  await purgeDeliveries(sql, new Date(clock().getTime() - KEPT_MS));
}

async function attempt(
  { sql, clock, secret, previousSecrets }: WebhookDeps,
  { id, url, payload, attempts, secretSealed }: DueDelivery,
  signal: AbortSignal | undefined,
): Promise<void> {
  const secrets = [secret, ...previousSecrets];
  const own = unsealWithAny(secrets, 'webhooks-at-rest', secretSealed);
  const result: PostResult =
    own === null
      ? { ok: false, status: null, reason: 'no VOLLEY_SECRET opens its secret' }
      : await postWebhook({
          url,
          secret: own,
          id: formatId('whd', id),
          body: payload,
          now: clock(),
          ...(signal === undefined ? {} : { signal }),
        });
  // Broken off by the end of this process: the lease runs out, and it is posted again.
  if (!result.ok && signal?.aborted === true) return;
  const now = clock();
  const wait = RETRY_SECONDS[attempts - 1];
  const state = result.ok ? 'delivered' : wait === undefined ? 'failed' : 'pending';
  await settleDelivery(sql, id, {
    state,
    status: result.status,
    reason: result.ok ? null : result.reason,
    dueAt: new Date(now.getTime() + (wait ?? 0) * 1_000),
    finishedAt: state === 'pending' ? null : now,
  });
}
