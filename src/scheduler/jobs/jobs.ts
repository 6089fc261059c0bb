/**
 * scheduler/jobs — the coarse jobs, on pg-boss: expand a campaign, cancel a campaign.
 *
 * Promises: a job is enqueued in the caller's transaction, so it exists exactly when the campaign's
 *           new state does. Handlers are restartable and may run twice at one time (each chunk locks
 *           the campaign row). `recover` enqueues again what a killed process left.
 * Why:      pg-boss for a few jobs per campaign, never one per mail (DESIGN.md "Decisions").
 */
import { PgBoss } from 'pg-boss';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../kernel/log.ts';
import type { Db, Sql, Tx } from '../../kernel/postgres/connect.ts';
import { expandCampaign } from '../expand/expand.ts';
import type { ExpandDeps } from '../expand/expand.ts';
import { concludeCancellation, endAll } from '../keep/keeper.ts';
import { campaignState } from '../keep/store.ts';
import { listCampaignsInWork } from '../queue/store.ts';

const EXPAND = 'campaign.expand';
const CANCEL = 'campaign.cancel';
const QUEUE = {
  notify: true,
  retryLimit: 50,
  retryDelay: 1,
  heartbeatSeconds: 30,
  expireInSeconds: 3_600,
};
const WORK = { pollingIntervalSeconds: 1, localConcurrency: 2 };

interface CampaignJob {
  campaignId: string;
}

export interface Jobs {
  enqueueExpansion(tx: Tx, campaignId: bigint): Promise<void>;
  enqueueCancellation(tx: Tx, campaignId: bigint): Promise<void>;
  /** Starts the handlers. Without it jobs are only enqueued (a node with the role `api` alone). */
  work(deps: ExpandDeps): Promise<void>;
  stop(): Promise<void>;
}

export async function startJobs(databaseUrl: string, log: Logger): Promise<Jobs> {
  const boss = new PgBoss({ connectionString: databaseUrl, max: 4, useListenNotify: true });
  boss.on('error', (error) => log.error({ err: error }, 'job queue'));
  await boss.start();
  await boss.createQueue(EXPAND, QUEUE);
  await boss.createQueue(CANCEL, QUEUE);
  const stopping = new AbortController();

  async function enqueue(db: Db, name: string, campaignId: bigint): Promise<void> {
    const job: CampaignJob = { campaignId: String(campaignId) };
    await boss.send(name, job, { db: inTransaction(db) });
  }

  async function recover(sql: Sql): Promise<void> {
    for (const campaign of await listCampaignsInWork(sql)) {
      if (campaign.state === 'expanding') await enqueue(sql, EXPAND, campaign.id);
      if (campaign.state === 'cancelling') await enqueue(sql, CANCEL, campaign.id);
    }
  }

  return {
    enqueueExpansion: (tx, campaignId) => enqueue(tx, EXPAND, campaignId),
    enqueueCancellation: (tx, campaignId) => enqueue(tx, CANCEL, campaignId),
    async work(deps) {
      await boss.work<CampaignJob, undefined>(EXPAND, WORK, async ([job]) => {
        if (job !== undefined)
          await expandCampaign(deps, BigInt(job.data.campaignId), stopping.signal);
        return undefined;
      });
      await boss.work<CampaignJob, undefined>(CANCEL, WORK, async ([job]) => {
        if (job !== undefined)
          await cancelCampaign(deps, BigInt(job.data.campaignId), stopping.signal);
        return undefined;
      });
      await recover(deps.sql);
    },
    async stop() {
      stopping.abort();
      await boss.stop({ graceful: true, timeout: 10_000, close: true });
    },
  };
}

/** What is not expanded becomes cancelled deliveries, what is open is ended, what is on the wire ends itself. */
async function cancelCampaign(
  deps: ExpandDeps,
  campaignId: bigint,
  signal: AbortSignal,
): Promise<void> {
  await expandCampaign(deps, campaignId, signal);
  while (!signal.aborted) {
    await endAll(deps, campaignId, 'cancelled');
    if (await concludeCancellation(deps, campaignId)) return;
    if ((await campaignState(deps.sql, campaignId)) !== 'cancelling') return;
    await sleep(200);
  }
}

/** pg-boss's port for a foreign connection, over ours: its job row commits with our rows. */
function inTransaction(db: Db): {
  executeSql(text: string, values?: unknown[]): Promise<{ rows: object[] }>;
} {
  return {
    async executeSql(text, values) {
      const rows = await db.unsafe(text, values as Parameters<Db['unsafe']>[1]);
      return { rows: [...rows] };
    },
  };
}
