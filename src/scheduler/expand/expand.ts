/**
 * scheduler/expand — a campaign's recipients become deliveries and per-domain batches.
 *
 * Runs as the job `campaign.expand`, chunk by chunk; each chunk is one transaction that locks the
 * campaign row and moves its restart point. kill -9 at any moment leaves whole chunks; the next run
 * continues behind the last one: no gap, no double.
 *
 * Promises: delivery ids of a campaign are one range in domain order. Suppressed recipients are
 *           marked and never queued. Sending may begin after the first chunk.
 * Stops:    when the campaign is paused, finished or gone; resume enqueues the job again. What is past
 *           its ttl is expanded in any state, as `expired`: the balance counts everybody.
 * Measured: see DESIGN.md "Decisions" (expansion of 1 M recipients).
 */
import type { Clock } from '../../kernel/clock.ts';
import { CHANNELS } from '../../kernel/events.ts';
import type { Sql, Tx } from '../../kernel/postgres/connect.ts';
import { addToRollups } from '../../kernel/rollups/store.ts';
import {
  appendCampaignEvent,
  expandChunk,
  finishExpansion,
  lockExpansionPoint,
  notify,
  reserveDeliveryIds,
  saveExpansionPoint,
} from './store.ts';
import type { ChunkGroup, ExpansionPoint } from './store.ts';

export interface ExpandDeps {
  sql: Sql;
  clock: Clock;
  batchSize: number;
  /** Recipients per transaction, at most. */
  chunkSize: number;
}

/** 50,000: a transaction of about half a second; smaller chunks cost more commits, larger more WAL at once. */
export const CHUNK_SIZE = 50_000;
/** Nobody can be sent to before the first chunk; each is as large as all before it, up to CHUNK_SIZE. */
export const FIRST_CHUNK_SIZE = 5_000;

/** Expands until nothing is left or the campaign may not go on. */
export async function expandCampaign(
  deps: ExpandDeps,
  campaignId: bigint,
  signal?: AbortSignal,
): Promise<void> {
  while (signal?.aborted !== true) {
    const more = await deps.sql.begin((tx) => expandNext(deps, tx, campaignId));
    if (!more) return;
  }
}

/** One chunk; answers whether there may be another. */
async function expandNext(deps: ExpandDeps, tx: Tx, campaignId: bigint): Promise<boolean> {
  const point = await lockExpansionPoint(tx, campaignId);
  if (point === undefined || !mayExpand(point)) return false;
  if (point.expandedCount >= point.recipientCount) {
    await finishExpansion(tx, campaignId);
    await appendCampaignEvent(tx, 'campaign.expanded', campaignId, {
      recipients: String(point.recipientCount),
    });
    await notify(tx, CHANNELS.campaigns, String(campaignId));
    return false;
  }
  const base = point.firstDeliveryId ?? (await reserveDeliveryIds(tx, point.recipientCount));
  const groups = await expandChunk(tx, {
    campaignId,
    after: { domain: point.expandedDomain ?? '', recipientId: point.expandedRecipientId ?? 0n },
    firstId: base + point.expandedCount,
    limit: chunkLimit(deps, point),
    batchSize: deps.batchSize,
    senderDomain: point.senderDomain,
    stream: point.stream,
    ended: point.state === 'cancelling' ? 'cancelled' : point.expired ? 'expired' : null,
  });
  const last = groups.at(-1);
  if (last === undefined) throw new Error('campaign counts more recipients than it has');
  const lastId = groups
    .filter((group) => group.domain === last.domain)
    .reduce((max, group) => (group.lastRecipientId > max ? group.lastRecipientId : max), 0n);
  await saveExpansionPoint(tx, campaignId, {
    firstDeliveryId: base,
    count: groups.reduce((sum, group) => sum + group.count, 0n),
    domain: last.domain,
    recipientId: lastId,
  });
  await rollUp(deps, tx, campaignId, groups);
  await notify(tx, CHANNELS.campaigns, String(campaignId));
  return true;
}

function chunkLimit({ chunkSize }: ExpandDeps, { expandedCount }: ExpansionPoint): number {
  return Math.min(chunkSize, Math.max(FIRST_CHUNK_SIZE, Number(expandedCount)));
}

function mayExpand(point: ExpansionPoint): boolean {
  if (point.state === 'paused') return point.expired;
  return point.state === 'expanding' || point.state === 'cancelling';
}

async function rollUp(
  deps: ExpandDeps,
  tx: Tx,
  campaignId: bigint,
  groups: readonly ChunkGroup[],
): Promise<void> {
  const at = deps.clock();
  const rows = groups.flatMap(({ domain, state, count }) =>
    state === 'pending'
      ? []
      : [
          {
            campaignId,
            at,
            domain,
            kind: `delivery.${state}` as const,
            class: '',
            count: Number(count),
          },
        ],
  );
  if (rows.length > 0) await addToRollups(tx, rows);
}
