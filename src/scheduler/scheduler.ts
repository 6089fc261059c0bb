/**
 * scheduler — wires the parts of the room: watch, dispatch, keep, record. One per process.
 *
 * Promises: `start` frees what earlier processes left (at once when this process is the only one
 *           that can be, else when their leases run out). `stop` begins no more messages, lets those
 *           on the wire end, records them, and gives the batches back.
 * See:      the files in the order of the data: expand/expand, dispatch, runner, record/recorder.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Classifier } from '../bounce/classify.ts';
import type { Random } from '../kernel/clock.ts';
import { CHANNELS } from '../kernel/events.ts';
import { createResourceStack, within } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Mta } from '../mta/transaction.ts';
import { watchCampaigns } from './campaigns-in-work.ts';
import { startDispatch } from './dispatch.ts';
import { freeAbandoned, startKeeper } from './keep/keeper.ts';
import type { ExpandDeps } from './expand/expand.ts';
import type { MessageSource } from './ports.ts';
import { createRecorder } from './record/recorder.ts';

export interface SchedulerOptions extends ExpandDeps {
  mta: Mta;
  source: MessageSource;
  random: Random;
  log: Logger;
  leaseSeconds: number;
  maxConnections: number;
  maxConnectionsPerDestination: number;
  maxRecipientsPerCopy: number;
  retryScheduleSeconds: readonly number[];
  /** The built-in rules when absent. */
  classify?: Classifier;
  /** No other process can hold batches: the embedded database has one Volley. */
  exclusive: boolean;
}

export interface Scheduler {
  /** Batches in memory now. */
  running(): number;
  stop(drainMs: number): Promise<void>;
}

export async function startScheduler(options: SchedulerOptions): Promise<Scheduler> {
  const { sql, clock, log, leaseSeconds } = options;
  const owner = `${hostname()}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const stack = createResourceStack();
  await freeAbandoned(
    { sql, clock, log, onWork: () => undefined },
    { expiredOnly: !options.exclusive },
  );

  const recorder = createRecorder({ sql, owner, clock, log });
  let onWork: () => void = () => undefined;
  const campaigns = await watchCampaigns(sql, log, () => onWork());
  stack.onRelease('campaign watch', () => campaigns.stop());
  const dispatcher = startDispatch(
    {
      ...options,
      recorder,
      campaigns,
      maxLanes: options.maxConnectionsPerDestination,
    },
    { owner, leaseSeconds, maxBatches: options.maxConnections },
  );
  onWork = () => dispatcher.wake();
  const onSuppression = (key: string): void => dispatcher.onSuppression(key);
  // Also when the connection for it was lost and is back: what was told meanwhile is in the table.
  const listener = await sql.listen(CHANNELS.suppressions, onSuppression, () => onSuppression('*'));
  stack.onRelease('suppression listener', () => listener.unlisten());
  const held = (): bigint[] => dispatcher.held();
  const keeper = startKeeper({ ...options, campaigns, owner, held, onWork });
  stack.onRelease('keeper', () => keeper.stop());

  return {
    running: () => dispatcher.running(),
    async stop(drainMs) {
      await within(drainMs, dispatcher.drain());
      await recorder.stop(5_000);
      await stack.release();
    },
  };
}
