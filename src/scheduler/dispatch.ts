/**
 * scheduler/dispatch — claims ready batches and runs them, as many as there is room for.
 *
 * Promises: at most `maxBatches` in memory, two of a domain, and about 64 MB of variables; claims walk
 *           the domains of each campaign round and round, so that a large domain cannot hide the small
 *           ones. Claims nothing while outcomes cannot be recorded.
 * Fails:    a claim whose recipients could not be read is in nobody's memory: its lease runs out.
 * See:      scheduler/fairness.ts (whose turn), queue/store.ts `claimBatches`, runner.ts.
 */
import { startLoop } from '../kernel/lifecycle.ts';
import type { Loop } from '../kernel/lifecycle.ts';
import { isSendable } from './campaigns-in-work.ts';
import type { CampaignInWork } from './campaigns-in-work.ts';
import { lanes, share } from './fairness.ts';
import { claimBatches, readRecipients, settleBatches } from './queue/store.ts';
import type { Batch, QueuedRecipient } from './queue/store.ts';
import { runBatch } from './runner.ts';
import type { BatchRun, RunnerDeps } from './runner.ts';

export interface DispatchOptions {
  owner: string;
  leaseSeconds: number;
  /** Batches in memory at one time. */
  maxBatches: number;
}

export interface Dispatcher {
  /** There may be new work. */
  wake(): void;
  onSuppression(addressKey: string): void;
  /** Batches in memory now. */
  running(): number;
  held(): bigint[];
  /** Claims no more, begins no more messages, resolves when what is on the wire has ended. */
  drain(): Promise<void>;
}

/** One running, one ready behind it: the lanes of a large domain never wait for a claim. */
const MAX_PER_DOMAIN = 2;
const MAX_PER_CLAIM = 100;
const IDLE_MS = 500;
/** 500 batches of 100 rows of 60 KB would be 3 GB. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
/** What one read brings, as far as the last rows of the campaign tell. */
const READ_BYTES = 16 * 1024 * 1024;
const MAX_PER_READ = 25;
const FIRST_READ = 4;

export function startDispatch(deps: RunnerDeps, options: DispatchOptions): Dispatcher {
  return new ClaimingDispatcher(deps, options);
}

class ClaimingDispatcher implements Dispatcher {
  readonly #deps: RunnerDeps;
  readonly #options: DispatchOptions;
  readonly #loop: Loop;
  readonly #runs = new Set<BatchRun>();
  readonly #perDomain = new Map<string, number>();
  /** Where each campaign's walk over its domains stands. */
  readonly #cursors = new Map<bigint, string>();
  /** Bytes of a batch of each campaign, as last seen. */
  readonly #batchBytes = new Map<bigint, number>();
  #heldBytes = 0;
  #turn = 0;
  #draining = false;

  constructor(deps: RunnerDeps, options: DispatchOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#loop = startLoop({
      intervalMs: IDLE_MS,
      step: () => this.#step(),
      onError: (error) => deps.log.error({ err: error }, 'cannot claim; sending pauses'),
    });
  }

  wake(): void {
    this.#loop.wake();
  }

  onSuppression(addressKey: string): void {
    for (const run of this.#runs) run.onSuppression(addressKey);
  }

  running(): number {
    return this.#runs.size;
  }

  held(): bigint[] {
    return [...this.#runs].map((run) => run.batchId);
  }

  async drain(): Promise<void> {
    this.#draining = true;
    for (const run of this.#runs) run.drain();
    await this.#loop.stop();
    // A claim that was under way may have started some after the first call.
    for (const run of this.#runs) run.drain();
    await Promise.all([...this.#runs].map((run) => run.done));
  }

  async #step(): Promise<void> {
    await this.#deps.recorder.ready();
    const now = this.#deps.clock();
    const live = this.#deps.campaigns.all().filter((campaign) => isSendable(campaign, now));
    forget(this.#cursors, live);
    forget(this.#batchBytes, live);
    this.#turn += 1;
    let claimed = 0;
    for (const lane of lanes(live, this.#turn)) {
      for (const [index, campaign] of lane.entries()) {
        const room = this.#options.maxBatches - this.#runs.size;
        if (room <= 0 || this.#heldBytes >= MAX_HELD_BYTES || this.#draining) return;
        claimed += await this.#claim(campaign, share(room, lane.length - index));
      }
    }
    if (claimed > 0) this.#loop.wake();
  }

  /** Claims up to `room` batches behind the cursor; starts again at the first domain at the end. */
  async #claim(campaign: CampaignInWork, room: number): Promise<number> {
    const limit = Math.min(room, MAX_PER_CLAIM);
    const afterDomain = this.#cursors.get(campaign.id) ?? '';
    const busy = [...this.#perDomain].filter(([, count]) => count >= MAX_PER_DOMAIN);
    const batches = await claimBatches(this.#deps.sql, {
      campaignId: campaign.id,
      afterDomain,
      busyDomains: busy.map(([domain]) => domain),
      pausedProviders: campaign.pausedProviders,
      heldBatches: [...this.#runs].map((run) => run.batchId),
      maxDomains: limit,
      maxPerDomain: 1,
      owner: this.#options.owner,
      leaseSeconds: this.#options.leaseSeconds,
    });
    if (batches.length === 0) {
      this.#cursors.delete(campaign.id);
      return afterDomain === '' ? 0 : await this.#claim(campaign, room);
    }
    batches.sort((a, b) => (a.domain < b.domain ? -1 : 1));
    const begun = await this.#load(campaign, batches);
    // Behind the last that was begun: what was given back comes next, not after the whole walk.
    const isEnd = begun === batches.length && batches.length < limit;
    this.#cursors.set(campaign.id, isEnd ? '' : (batches[begun - 1]?.domain ?? afterDomain));
    return begun;
  }

  /** Reads their recipients, some batches at a time, and starts them; gives back what has no room. */
  async #load(campaign: CampaignInWork, batches: readonly Batch[]): Promise<number> {
    const { sql } = this.#deps;
    let begun = 0;
    while (begun < batches.length && this.#heldBytes < MAX_HELD_BYTES) {
      const known = this.#batchBytes.get(campaign.id);
      const fitting = known === undefined ? FIRST_READ : Math.floor(READ_BYTES / (known + 1));
      const size = Math.max(1, Math.min(fitting, MAX_PER_READ));
      const group = batches.slice(begun, begun + size);
      const rows = await readRecipients(
        sql,
        group.map((batch) => batch.id),
        campaign,
      );
      const byBatch = Map.groupBy(rows, (row) => row.batchId);
      for (const batch of group) this.#start(batch, campaign, byBatch.get(batch.id) ?? []);
      begun += group.length;
    }
    const left = batches.slice(begun).map((batch) => batch.id);
    if (left.length > 0) await settleBatches(sql, this.#options.owner, left);
    return begun;
  }

  #start(batch: Batch, campaign: CampaignInWork, rows: QueuedRecipient[]): void {
    const sizeBytes = rows.reduce((sum, row) => sum + sizeOf(row), 0);
    const before = this.#batchBytes.get(campaign.id) ?? 0;
    this.#batchBytes.set(campaign.id, Math.max(sizeBytes, before / 2));
    this.#heldBytes += sizeBytes;
    const run = runBatch(this.#deps, batch, campaign, rows);
    this.#runs.add(run);
    this.#perDomain.set(batch.domain, (this.#perDomain.get(batch.domain) ?? 0) + 1);
    void run.done.then(() => {
      this.#runs.delete(run);
      this.#heldBytes -= sizeBytes;
      const left = (this.#perDomain.get(batch.domain) ?? 1) - 1;
      if (left > 0) this.#perDomain.set(batch.domain, left);
      else this.#perDomain.delete(batch.domain);
      this.#loop.wake();
    });
  }
}

/** Of its variables. */
function sizeOf({ variablesJson }: QueuedRecipient): number {
  return variablesJson === null ? 0 : Buffer.byteLength(variablesJson);
}

function forget(cursors: Map<bigint, unknown>, live: readonly CampaignInWork[]): void {
  const ids = new Set(live.map((campaign) => campaign.id));
  for (const id of cursors.keys()) if (!ids.has(id)) cursors.delete(id);
}
