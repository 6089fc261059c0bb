/**
 * scheduler/resolve — a person decides what the ambiguous deliveries of a campaign are.
 *
 * With the policy `hold`, a delivery whose final dot was sent and whose reply was never recorded stays
 * `ambiguous` until somebody says: `accepted` (they have it, ask no more) or `retry` (send it again;
 * some may get it twice).
 *
 * Promises: decides for those that are ambiguous now, chunk by chunk; each has its event. The balance
 *           moves in the same transaction. A completed campaign is reopened for a retry.
 * Fails:    `not_found`; `conflict` for a retry when the campaign's ttl is over, or it was cancelled.
 */
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { CHANNELS } from '../../kernel/events.ts';
import type { Sql, Tx } from '../../kernel/postgres/connect.ts';
import { addToRollups } from '../../kernel/rollups/store.ts';
import { notify } from '../expand/store.ts';
import { lockForResolution, reopenCampaign, resolveChunk } from './store.ts';
import type { Resolution, Resolved } from './store.ts';

export type { Resolution };

const CHUNK = 5_000;

/** Answers how many were ambiguous. */
export async function resolveAmbiguous(
  deps: { sql: Sql; clock: Clock },
  campaignId: bigint,
  as: Resolution,
): Promise<number> {
  let total = 0;
  for (;;) {
    const count = await deps.sql.begin((tx) => resolveNext(deps.clock, tx, campaignId, as));
    total += count;
    if (count < CHUNK) return total;
  }
}

async function resolveNext(
  clock: Clock,
  tx: Tx,
  campaignId: bigint,
  as: Resolution,
): Promise<number> {
  const campaign = await lockForResolution(tx, campaignId);
  if (campaign === undefined) throw new AppError('not_found', 'no such campaign');
  const cancelled = campaign.state === 'cancelled' || campaign.state === 'cancelling';
  if (as === 'retry' && (!campaign.live || cancelled)) {
    throw new AppError('conflict', 'the campaign is over: nothing of it may be sent any more');
  }
  const resolved = await resolveChunk(tx, campaignId, as, CHUNK);
  if (resolved.length === 0) return 0;
  if (as === 'retry') await reopenCampaign(tx, campaignId);
  await notify(tx, CHANNELS.campaigns, String(campaignId));
  await addToRollups(tx, rollups(resolved, campaignId, as, clock()));
  return resolved.reduce((sum, row) => sum + Number(row.count), 0);
}

function rollups(
  resolved: readonly Resolved[],
  campaignId: bigint,
  as: Resolution,
  at: Date,
): Parameters<typeof addToRollups>[1] {
  return resolved.flatMap(({ domain, count }) => {
    const row = { campaignId, at, domain, class: '' };
    const left = { ...row, kind: 'delivery.ambiguous' as const, count: -Number(count) };
    const joined = { ...row, kind: 'delivery.accepted' as const, count: Number(count) };
    return as === 'retry' ? [left] : [left, joined];
  });
}
