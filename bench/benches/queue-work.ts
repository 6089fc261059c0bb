/**
 * bench/queue-work — the scheduler's SQL as the engine uses it: claim, read, mark, record, settle.
 */
import { systemClock } from '../../src/kernel/clock.ts';
import { createLogger } from '../../src/kernel/log.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import {
  claimBatches,
  listCampaignsInWork,
  readRecipients,
} from '../../src/scheduler/queue/store.ts';
import type { QueuedRecipient } from '../../src/scheduler/queue/store.ts';
import { decide } from '../../src/scheduler/record/decide.ts';
import { createRecorder } from '../../src/scheduler/record/recorder.ts';
import type { SiteFailure } from '../../src/mta/transaction.ts';

const OWNER = 'bench';

export interface ClaimPlan {
  /** Claims of `perClaim` batches each. */
  claims: number;
  perClaim: number;
  /** One, as dispatch.ts asks for; more to have many of the first domain at once. */
  perDomain?: number;
  /** Where the first claim walks from; absent: from the first domain of all. */
  startAfter?: string;
  /** Where the second one does; absent: from where the first one has ended. */
  jumpTo?: string;
}

/**
 * Claims and reads batches in the walk over domains that dispatch.ts makes, which starts again at the
 * first one where it ends. Ends early when nothing is left.
 */
export async function claim(
  sql: Sql,
  campaignId: bigint,
  plan: ClaimPlan,
): Promise<QueuedRecipient[]> {
  const [campaign] = await listCampaignsInWork(sql);
  if (campaign === undefined) throw new Error('no campaign in work');
  const rows: QueuedRecipient[] = [];
  let afterDomain = plan.startAfter ?? '';
  for (let done = 0; done < plan.claims;) {
    const batches = await claimBatches(sql, {
      campaignId,
      afterDomain,
      busyDomains: [],
      pausedProviders: [],
      maxDomains: plan.perClaim,
      maxPerDomain: plan.perDomain ?? 1,
      owner: OWNER,
      leaseSeconds: 600,
    });
    if (batches.length === 0 && afterDomain === '') break;
    const last = batches.reduce((max, { domain }) => (domain > max ? domain : max), '');
    if (batches.length < plan.perClaim) afterDomain = '';
    else if (done === 0) afterDomain = plan.jumpTo ?? last;
    else afterDomain = last;
    if (batches.length === 0) continue;
    const ids = batches.map(({ id }) => id);
    rows.push(...(await readRecipients(sql, ids, campaign)));
    done += 1;
  }
  return rows;
}

export async function countClaimed(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from batches where state = 'claimed' and owner = ${OWNER}`;
  return row?.count ?? 0;
}

/** Gives back what `claim` holds, and leaves the table as it was found: without dead rows. */
export async function giveBack(sql: Sql): Promise<void> {
  await sql`
    update batches set state = 'ready', owner = null, lease_until = null where owner = ${OWNER}`;
  await sql`vacuum (index_cleanup on) batches`;
}

const SAID: SiteFailure = {
  result: 'accepted',
  stage: 'dot',
  reply: { code: 250, enhanced: '2.0.0', text: 'Ok: queued as 4D1E2F' },
  failure: null,
  mxHost: 'mx.big.example',
  mxAddress: '127.0.0.1:25',
  sourceAddress: null,
  tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
  startedAt: new Date(),
  durationMs: 12,
};

/** Marks, records and settles every row, as many at a time as connections would. */
export async function record(sql: Sql, campaignId: bigint, rows: QueuedRecipient[]): Promise<void> {
  const recorder = createRecorder({
    sql,
    owner: OWNER,
    clock: systemClock,
    log: createLogger('warn'),
  });
  const decision = decide(SAID, {
    attempts: 0,
    expiresAt: new Date(Date.now() + 86_400_000),
    ambiguityPolicy: 'hold',
    retryScheduleSeconds: [300],
    now: new Date(),
    random: Math.random,
  });
  const byBatch = Map.groupBy(rows, ({ batchId }) => batchId);
  let next = 0;
  const all = [...byBatch];
  const lane = async (): Promise<void> => {
    while (next < all.length) {
      const [batchId, group] = all[next++] ?? [0n, []];
      for (const { deliveryId, address } of group) {
        await recorder.ready();
        const domain = address.slice(address.lastIndexOf('@') + 1);
        await recorder.mark([{ deliveryId, batchId }]);
        recorder.record({
          deliveryId,
          batchId,
          campaignId,
          domain,
          addressKey: address,
          decision,
          // A reply of its own, as each message has: what one reply says of many is one event.
          outcome: { ...SAID, reply: SAID.reply === null ? null : { ...SAID.reply } },
        });
      }
      await recorder.settle(batchId);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await recorder.stop(10_000);
}

/** Connections of an engine at full speed. */
const LANES = 100;
