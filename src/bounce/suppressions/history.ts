/**
 * bounce/suppressions/history — everything that Volley knows of an address: the entries that ever were,
 * the soft bounces that count now, the watch over it, and what it was written about that.
 */
import type { Db } from '../../kernel/postgres/connect.ts';
import { findSoftBounces } from '../soft-bounces/store.ts';
import type { SoftBounceDay } from '../soft-bounces/store.ts';
import { findWatch, findWatchNotices } from '../watch/store.ts';
import type { WatchNotice, WatchRow } from '../watch/store.ts';
import { listSuppressions } from './store.ts';
import type { Suppression } from './suppression.ts';

export interface AddressHistory {
  /** Newest first, at most 200. */
  suppressions: Suppression[];
  watch: WatchRow | null;
  /** Newest first. */
  softBounces: SoftBounceDay[];
  /** Warnings and probes, newest first, at most 50. */
  notices: WatchNotice[];
}

const MAX_ENTRIES = 200;

export async function readHistory(db: Db, addressKey: string): Promise<AddressHistory> {
  const filter = { addressKey, history: true };
  const [suppressions, watch, softBounces, notices] = await Promise.all([
    listSuppressions(db, filter, { limit: MAX_ENTRIES }),
    findWatch(db, addressKey),
    findSoftBounces(db, addressKey),
    findWatchNotices(db, addressKey),
  ]);
  return { suppressions, watch, softBounces, notices };
}
