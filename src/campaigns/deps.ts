/**
 * campaigns/deps — what every use case of this room is given.
 *
 * `CampaignJobs` is a port: declared here by its consumer, implemented by the scheduler over pg-boss,
 * wired in main.ts. Both calls join the transaction of the state change, so that a job exists exactly
 * when the state that needs it was committed.
 */
import type { Clock } from '../kernel/clock.ts';
import type { Sql, Tx } from '../kernel/postgres/connect.ts';
import type { Convert } from './templates/converter.ts';

export interface CampaignJobs {
  /** Recipients into deliveries and batches; asked for at start, and at resume when unfinished. */
  enqueueExpansion(tx: Tx, campaignId: bigint): Promise<void>;
  /** Everything that is not final yet becomes `cancelled`, then the campaign does. */
  enqueueCancellation(tx: Tx, campaignId: bigint): Promise<void>;
}

/** What the DNS says now, for checks a person waits for. `unknown`: it did not answer. */
export type TxtAnswer =
  | { status: 'answer'; texts: readonly string[] }
  | { status: 'none' }
  | { status: 'unknown'; reason: string };

export interface CampaignDeps {
  sql: Sql;
  clock: Clock;
  /** VOLLEY_SECRET: signs addresses and links, seals DKIM keys. */
  secret: string;
  /** Former secrets, newest first: keys they sealed can still be opened. */
  previousSecrets: readonly string[];
  jobs: CampaignJobs;
  /** Shared by all who store content: it does one at a time. */
  convert: Convert;
  /** Absent: nothing can be seen from here. */
  lookupTxt?: (name: string) => Promise<TxtAnswer>;
}
