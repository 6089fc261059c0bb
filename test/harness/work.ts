/** harness/work — a campaign's batches, made and claimed. */
import { systemClock } from '../../src/kernel/clock.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { claimBatches } from '../../src/scheduler/queue/store.ts';
import type { Batch, ClaimRequest } from '../../src/scheduler/queue/store.ts';
import { insertCampaign } from './rows.ts';

/** Of up to `batchSize` recipients each. */
export async function expandedCampaign(
  sql: Sql,
  input: Parameters<typeof insertCampaign>[1],
  batchSize = 1_000,
): Promise<bigint> {
  const id = await insertCampaign(sql, input);
  await expandCampaign({ sql, clock: systemClock, batchSize, chunkSize: 10_000 }, id);
  return id;
}

/** One batch of each domain, for `me`. */
export function claim(
  sql: Sql,
  campaignId: bigint,
  over: Partial<ClaimRequest> = {},
): Promise<Batch[]> {
  return claimBatches(sql, {
    campaignId,
    afterDomain: '',
    busyDomains: [],
    pausedProviders: [],
    maxDomains: 100,
    maxPerDomain: 1,
    owner: 'me',
    leaseSeconds: 60,
    ...over,
  });
}
