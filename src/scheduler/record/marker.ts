/**
 * scheduler/record/marker — the write-ahead mark, group-committed.
 *
 * While one commit is under way the next marks gather, so a mark costs one to two commits of delay
 * and the database sees few transactions whatever the number of connections.
 *
 * Promises: resolves only after the commit. Rejects when the batch of a delivery of the call is not
 *           ours any more, or when the database did not answer for 30 s.
 * Expects:  deliveries that are pending: whoever runs the batch knows (runner.ts), and the row is not
 *           asked.
 * See:      DESIGN.md "Duplicates"; mta/transaction.ts `marked`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../kernel/log.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { rangesOf } from './span.ts';
import { markBatches } from './store.ts';
import type { Mark } from './span.ts';

export interface Marker {
  mark(marks: readonly Mark[]): Promise<void>;
}

interface Waiting {
  marks: readonly Mark[];
  since: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

const MAX_PER_COMMIT = 1_000;
const GIVE_UP_MS = 30_000;

export function createMarker(options: { sql: Sql; owner: string; log: Logger }): Marker {
  let waiting: Waiting[] = [];
  let committing = false;

  async function commitAll(): Promise<void> {
    committing = true;
    while (waiting.length > 0) {
      const group = takeGroup();
      try {
        const ranges = rangesOf(group.flatMap((call) => call.marks));
        const took = await markBatches(options.sql, options.owner, ranges);
        for (const call of group) {
          if (call.marks.every(({ batchId }) => took.has(batchId))) call.resolve();
          else call.reject(new Error('the batch is no longer ours'));
        }
      } catch (error) {
        await putBack(group, error);
      }
    }
    committing = false;
  }

  function takeGroup(): Waiting[] {
    let size = 0;
    let count = 0;
    for (const call of waiting) {
      if (count > 0 && size + call.marks.length > MAX_PER_COMMIT) break;
      size += call.marks.length;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  async function putBack(group: Waiting[], error: unknown): Promise<void> {
    options.log.error({ err: error }, 'cannot write the mark; the dots wait');
    const now = Date.now();
    const [late, young] = [
      group.filter((call) => now - call.since > GIVE_UP_MS),
      group.filter((call) => now - call.since <= GIVE_UP_MS),
    ];
    for (const call of late) call.reject(new Error('the database is away'));
    waiting = [...young, ...waiting];
    await sleep(200);
  }

  return {
    mark(marks) {
      return new Promise((resolve, reject) => {
        waiting.push({ marks, since: Date.now(), resolve, reject });
        if (!committing) void commitAll();
      });
    },
  };
}
