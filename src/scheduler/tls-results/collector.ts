/**
 * scheduler/tls-results/collector — takes what the mta tells of TLS, and writes it down every 5 seconds.
 *
 * Promises: `report` neither waits nor throws. One statement for up to 5,000 counts; several processes
 *           add to the same rows. `stop` writes the rest.
 * Fails:    while the database is away what was taken is held and tried again, and the tally's bounds
 *           hold. A process that is killed loses at most 5 seconds of counts: they are statistics, and
 *           no session waits for them. A statement whose commit is in doubt is sent again, so then, and
 *           only then, sessions are counted twice.
 */
import type { Clock } from '../../kernel/clock.ts';
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import type { TlsReporter } from '../../mta/tls/report.ts';
import { addTlsResults } from './store.ts';
import { createTally } from './tally.ts';
import type { Counted } from './tally.ts';

export interface CollectorOptions {
  sql: Sql;
  clock: Clock;
  log: Logger;
}

export interface TlsCollector {
  report: TlsReporter;
  stop(): Promise<void>;
}

const INTERVAL_MS = 5_000;
const CHUNK = 5_000;
/** More than this is not waited with. */
const MANY = 10_000;

export function startTlsCollector({ sql, clock, log }: CollectorOptions): TlsCollector {
  const tally = createTally();
  let held: Counted | null = null;

  async function flush(): Promise<void> {
    held ??= take();
    while (held.counts.length > 0) {
      const chunk = held.counts.slice(0, CHUNK);
      const wanted = new Set(chunk.map((row) => row.policy));
      const policies = held.policies.filter((row) => wanted.has(row.id));
      await addTlsResults(sql, policies, chunk);
      held.counts.splice(0, chunk.length);
    }
    held = null;
  }

  function take(): Counted {
    const taken = tally.take();
    if (taken.lost > 0) {
      log.warn({ sessions: taken.lost }, 'TLS results were lost: there was no room for them');
    }
    return taken;
  }

  const onError = (error: unknown): void =>
    log.error({ err: error }, 'TLS results are not written down; again in a few seconds');
  const loop = startLoop({ intervalMs: INTERVAL_MS, step: flush, onError });
  return {
    report(result) {
      tally.add(result, clock());
      if (tally.size() === MANY) loop.wake();
    },
    async stop() {
      await loop.stop();
      try {
        await flush();
        await flush();
      } catch (error) {
        onError(error);
      }
    },
  };
}
