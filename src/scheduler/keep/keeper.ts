/**
 * scheduler/keep/keeper — the clockwork beside the dispatcher.
 *
 * Every half second: batches that fall due become ready, campaigns past their end expire, campaigns
 * with nothing open complete, late bounces that came too early are counted. Every third of a lease: our leases are extended, and batches of dead
 * processes are freed.
 *
 * Promises: each turn does a bounded amount of work per transaction and goes on until nothing is
 *           left. A campaign past its ttl expires in whatever state it is, paused too.
 */
import { takeEarlyBounces } from '../../bounce/early-bounces/store.ts';
import { CHANNELS } from '../../kernel/events.ts';
import type { EventKind } from '../../kernel/events.ts';
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Tx } from '../../kernel/postgres/connect.ts';
import { addToRollups } from '../../kernel/rollups/store.ts';
import type { CampaignsInWork } from '../campaigns-in-work.ts';
import { expandCampaign } from '../expand/expand.ts';
import type { ExpandDeps } from '../expand/expand.ts';
import { appendCampaignEvent, notify } from '../expand/store.ts';
import { extendLeases, wakeDueBatches } from '../queue/store.ts';
import { completeCampaigns, endPending, finishCancellation, reapBatches } from './store.ts';

export interface KeeperDeps extends ExpandDeps {
  log: Logger;
  campaigns: CampaignsInWork;
  owner: string;
  leaseSeconds: number;
  /** Batches in memory. A claim that is in nobody's memory runs out and is freed like a dead worker's. */
  held: () => bigint[];
  /** New batches may be ready. */
  onWork: () => void;
}

const TURN_MS = 500;
const WAKE_LIMIT = 2_000;
const END_LIMIT = 500;
const LATE_LIMIT = 500;
const REAP_LIMIT = 200;

export function startKeeper(deps: KeeperDeps): { stop(): Promise<void> } {
  const onError = (error: unknown): void => deps.log.error({ err: error }, 'housekeeping failed');
  const turns = startLoop({ intervalMs: TURN_MS, step: () => takeTurn(deps), onError });
  const leases = startLoop({
    intervalMs: (deps.leaseSeconds * 1_000) / 3,
    step: async () => {
      await extendLeases(deps.sql, deps.owner, deps.held(), deps.leaseSeconds);
      await freeAbandoned(deps, { expiredOnly: true });
    },
    onError,
  });
  return {
    async stop() {
      await turns.stop();
      await leases.stop();
    },
  };
}

async function takeTurn(deps: KeeperDeps): Promise<void> {
  let woken = 0;
  do {
    woken = await wakeDueBatches(deps.sql, WAKE_LIMIT);
    if (woken > 0) deps.onWork();
  } while (woken === WAKE_LIMIT);
  const now = deps.clock();
  for (const campaign of deps.campaigns.all()) {
    if (campaign.state === 'cancelling' || campaign.expiresAt > now) continue;
    if (campaign.state !== 'sending') await expandCampaign(deps, campaign.id);
    await endAll(deps, campaign.id, 'expired');
  }
  await deps.sql.begin(async (tx) => {
    for (const id of await completeCampaigns(tx)) await announceEnd(tx, 'campaign.completed', id);
    await countLateBounces(tx, now);
  });
}

/** Those that came before the acceptance they are about was recorded, which it is now. */
export async function countLateBounces(tx: Tx, at: Date): Promise<void> {
  const late = await takeEarlyBounces(tx, LATE_LIMIT);
  await addToRollups(
    tx,
    late.map((row) => ({ ...row, at, kind: 'bounce.late' as const, count: Number(row.count) })),
  );
}

/** Ends what is open and unclaimed, chunk by chunk. */
export async function endAll(
  deps: Pick<KeeperDeps, 'sql' | 'clock'>,
  campaignId: bigint,
  state: 'expired' | 'cancelled',
): Promise<void> {
  for (;;) {
    const batches = await deps.sql.begin(async (tx) => {
      const at = deps.clock();
      const result = await endPending(tx, campaignId, state, END_LIMIT, at);
      const rows = result.ended.map((row) => ({
        ...row,
        at,
        kind: `delivery.${state}` as const,
        count: Number(row.count),
      }));
      if (rows.length > 0) await addToRollups(tx, rows);
      return result.batches;
    });
    if (batches < END_LIMIT) return;
  }
}

/** Frees batches of processes that are gone; `expiredOnly: false` when no other process can be. */
export async function freeAbandoned(
  deps: Pick<KeeperDeps, 'sql' | 'clock' | 'log' | 'onWork'>,
  which: { expiredOnly: boolean },
): Promise<void> {
  for (;;) {
    const result = await deps.sql.begin(async (tx) => {
      const reaped = await reapBatches(tx, which, REAP_LIMIT);
      const rows = reaped.doubtful.flatMap((row) =>
        row.policy === 'retry'
          ? []
          : [
              {
                campaignId: row.campaignId,
                at: deps.clock(),
                domain: row.domain,
                kind:
                  row.policy === 'hold'
                    ? ('delivery.ambiguous' as const)
                    : ('delivery.accepted' as const),
                class: '',
                count: Number(row.count),
              },
            ],
      );
      if (rows.length > 0) await addToRollups(tx, rows);
      return reaped;
    });
    if (result.batches > 0) {
      const doubtful = result.doubtful.reduce((sum, row) => sum + Number(row.count), 0);
      deps.log.warn(
        { batches: result.batches, doubtful },
        'took over batches of a process that ended',
      );
      deps.onWork();
    }
    if (result.batches < REAP_LIMIT) return;
  }
}

/** cancelling -> cancelled when nothing is open; answers whether it is over. */
export async function concludeCancellation(
  deps: Pick<KeeperDeps, 'sql'>,
  campaignId: bigint,
): Promise<boolean> {
  return await deps.sql.begin(async (tx) => {
    const over = await finishCancellation(tx, campaignId);
    if (over) await announceEnd(tx, 'campaign.cancelled', campaignId);
    return over;
  });
}

async function announceEnd(tx: Tx, kind: EventKind, campaignId: bigint): Promise<void> {
  await appendCampaignEvent(tx, kind, campaignId, {});
  await notify(tx, CHANNELS.campaigns, String(campaignId));
}
