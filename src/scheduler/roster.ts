/**
 * scheduler/roster — who of a batch waits, who is on the wire, in memory.
 *
 * Pure bookkeeping. A recipient is waiting or taken, and leaves when it is closed.
 * `splitAfter` implements the receiver's limit on recipients of a transaction: the refused one
 * waits again, and no later transaction is as large as the one that was refused.
 */
import type { QueuedRecipient } from './queue/store.ts';

export interface Roster {
  /** Takes up to `limit` waiting rows (and no more than the learned limit). */
  take(limit: number): QueuedRecipient[];
  putBack(rows: readonly QueuedRecipient[]): void;
  /** Ends rows that were taken. */
  close(rows: readonly QueuedRecipient[]): QueuedRecipient[];
  closeIds(ids: readonly bigint[]): QueuedRecipient[];
  /** Removes waiting rows; returns those that were waiting. */
  remove(ids: readonly bigint[]): QueuedRecipient[];
  /** Puts a row back after "too many recipients"; false when it was alone in its transaction. */
  splitAfter(id: bigint): boolean;
  waitingIds(): bigint[];
  hasWaiting(): boolean;
  some(test: (row: QueuedRecipient) => boolean): boolean;
}

export function createRoster(rows: readonly QueuedRecipient[]): Roster {
  let waiting = [...rows];
  const taken = new Map<
    bigint,
    { row: QueuedRecipient; group: { size: number; refused: number } }
  >();
  let learnedLimit = Infinity;

  function closeIds(ids: readonly bigint[]): QueuedRecipient[] {
    return ids.flatMap((id) => {
      const entry = taken.get(id);
      taken.delete(id);
      return entry === undefined ? [] : [entry.row];
    });
  }

  return {
    take(limit) {
      const group = waiting.splice(0, Math.min(limit, learnedLimit, waiting.length));
      const shared = { size: group.length, refused: 0 };
      for (const row of group) taken.set(row.deliveryId, { row, group: shared });
      return group;
    },
    putBack(group) {
      waiting = [...closeIds(group.map((row) => row.deliveryId)), ...waiting];
    },
    close: (group) => closeIds(group.map((row) => row.deliveryId)),
    closeIds,
    remove(ids) {
      const gone = new Set(ids);
      const removed = waiting.filter((row) => gone.has(row.deliveryId));
      waiting = waiting.filter((row) => !gone.has(row.deliveryId));
      return removed;
    },
    splitAfter(id) {
      const entry = taken.get(id);
      if (entry === undefined || entry.group.size <= 1) return false;
      entry.group.refused += 1;
      learnedLimit = Math.max(1, entry.group.size - entry.group.refused);
      taken.delete(id);
      waiting.push(entry.row);
      return true;
    },
    waitingIds: () => waiting.map((row) => row.deliveryId),
    hasWaiting: () => waiting.length > 0,
    some: (test) => waiting.some(test),
  };
}
