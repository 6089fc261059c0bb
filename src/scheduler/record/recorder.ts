/**
 * scheduler/record/recorder — the only writer of outcomes; many small facts, few transactions.
 *
 * `mark` is the write-ahead mark: it resolves when it is durable that a final dot may be sent.
 * `record` takes decisions, `settle` ends a batch after its last decision; both are kept in order
 * and written together: as soon as there are 500, at the latest after 50 ms, and up to 2,000 when
 * they came while the transaction before was under way.
 *
 * Promises: a decision is either committed whole (state, event, rollups, suppression) or kept and
 *           tried again; when the database is away the queue fills to its bound, `ready` does not
 *           resolve, and so no further message is begun. Sending resumes by itself. A decision that
 *           the database refuses is found and written with less beside its state (refused.ts).
 * Never:    loses a decision it took, unless the process dies: then the deliveries are still pending
 *           and marked, and the reaper calls them ambiguous.
 * Fails:    `mark` rejects when the batch is no longer ours, or the database stays away for 30 s.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { countSoftBounces } from '../../bounce/soft-bounces/store.ts';
import type { SoftBounce } from '../../bounce/soft-bounces/store.ts';
import { isUnmatched } from '../../bounce/unmatched.ts';
import type { UnmatchedReply } from '../../bounce/unmatched.ts';
import { countUnmatched } from '../../bounce/unmatched/store.ts';
import { addSuppressions } from '../../bounce/suppressions/store.ts';
import type { NewSuppression } from '../../bounce/suppressions/suppression.ts';
import type { DeliveryEventKind } from '../../kernel/events.ts';
import type { Clock } from '../../kernel/clock.ts';
import { within } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Sql, Tx } from '../../kernel/postgres/connect.ts';
import { createProviderLearner } from '../../kernel/providers/store.ts';
import type { MxSighting } from '../../kernel/providers/store.ts';
import { addToRollups } from '../../kernel/rollups/store.ts';
import { describeFailure } from '../../mta/failure.ts';
import type { SiteFailure } from '../../mta/transaction.ts';
import { settleBatches } from '../queue/store.ts';
import { createMarker } from './marker.ts';
import { isRefused, plainer } from './refused.ts';
import type { Marker } from './marker.ts';
import { appendDeliveryEvents, applyAcceptances, applyStates, unmarkBatches } from './store.ts';
import type { DeliveryEvent, StateChange } from './store.ts';
import { rangesOf, runsOf, spanOf } from './span.ts';
import type { Mark, Run } from './span.ts';
import type { Decision } from './decide.ts';

export interface Entry extends Mark {
  campaignId: bigint;
  domain: string;
  addressKey: string;
  decision: Omit<Decision, 'state'> & { state: Decision['state'] | 'suppressed' };
  /** What the wire said; null for a decision of our own. */
  outcome: SiteFailure | null;
}

export interface Recorder {
  mark(marks: readonly Mark[]): Promise<void>;
  record(entry: Entry): void;
  /** Resolves when everything recorded for the batch, and its settlement, is committed. */
  settle(batchId: bigint): Promise<void>;
  /** Whether more may be recorded. Ask before beginning a message, and await `ready` when not. */
  hasRoom(): boolean;
  ready(): Promise<void>;
  /** Writes what is queued, then stops. Gives up after `timeoutMs`. */
  stop(timeoutMs: number): Promise<void>;
}

interface Settlement {
  batchId: bigint;
  done: () => void;
}
type Item = { entry: Entry } | { settlement: Settlement };

const ENOUGH = 500;
const MAX_PER_TRANSACTION = 2_000;
const GATHER_MS = 50;
const MAX_QUEUED = 5_000;
const MAX_RETRY_MS = 2_000;

export interface RecorderOptions {
  sql: Sql;
  owner: string;
  clock: Clock;
  log: Logger;
}

export function createRecorder(options: RecorderOptions): Recorder {
  return new GroupRecorder(options);
}

class GroupRecorder implements Recorder {
  readonly #options: RecorderOptions;
  readonly #marker: Marker;
  readonly #providers = createProviderLearner();
  readonly #queue: Item[] = [];
  readonly #running: Promise<void>;
  /** Calls of `ready` that wait for room. */
  #waiting: (() => void)[] = [];
  /** Ends the gathering pause early. */
  #wake: (() => void) | null = null;
  #stopping = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#marker = createMarker(options);
    this.#running = this.#run();
  }

  mark(marks: readonly Mark[]): Promise<void> {
    return this.#marker.mark(marks);
  }

  record(entry: Entry): void {
    this.#add({ entry });
  }

  settle(batchId: bigint): Promise<void> {
    return new Promise((resolve) => this.#add({ settlement: { batchId, done: resolve } }));
  }

  hasRoom(): boolean {
    return this.#queue.length < MAX_QUEUED || this.#stopping;
  }

  async ready(): Promise<void> {
    while (!this.hasRoom()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    this.#makeRoom();
    await within(timeoutMs, this.#running);
  }

  #add(item: Item): void {
    this.#queue.push(item);
    if (this.#queue.length >= ENOUGH) this.#wake?.();
  }

  async #gather(): Promise<void> {
    if (this.#stopping || this.#queue.length >= ENOUGH) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GATHER_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  async #flush(limit: number): Promise<void> {
    const { sql, owner, clock } = this.#options;
    const at = clock();
    const items = this.#queue.slice(0, limit);
    const entries = items.flatMap((item) => ('entry' in item ? [item.entry] : []));
    const settlements = items.flatMap((item) => ('settlement' in item ? [item.settlement] : []));
    const learned = await sql.begin(async (tx) => {
      const applied = entries.length > 0 ? await writeEntries(this.#options, tx, entries) : [];
      const unmatched = applied.flatMap((entry) => unmatchedOf(entry, at));
      const counted = applied.flatMap((entry) => rollupOf(entry, at));
      // In this order, but none waits to hear of the one before it. The rows of batches are locked
      // until the commit, and marks wait for them: after the events. The rows of the running minute
      // are hot: last.
      const [, , remember] = await Promise.all([
        settle(tx, owner, applied, settlements),
        countUnmatched(tx, unmatched),
        this.#providers.learn(tx, applied.flatMap(sightingOf)),
        addToRollups(tx, counted),
      ]);
      return { remember };
    });
    learned.remember();
    this.#queue.splice(0, items.length);
    for (const settlement of settlements) settlement.done();
    if (this.#queue.length < MAX_QUEUED) this.#makeRoom();
  }

  #makeRoom(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }

  async #run(): Promise<void> {
    let retryMs = 50;
    let limit = MAX_PER_TRANSACTION;
    while (!this.#stopping || this.#queue.length > 0) {
      await this.#gather();
      if (this.#queue.length === 0) continue;
      try {
        await this.#flush(limit);
        retryMs = 50;
        limit = Math.min(limit * 2, MAX_PER_TRANSACTION);
      } catch (error) {
        const queued = this.#queue.length;
        this.#options.log.error({ err: error, queued }, 'cannot record outcomes; trying again');
        if (isRefused(error) && limit > 1) limit = Math.ceil(limit / 8);
        else if (isRefused(error) && this.#simplifyFirst()) continue;
        else {
          await sleep(retryMs);
          retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
        }
      }
    }
  }

  /** The first item alone was refused. */
  #simplifyFirst(): boolean {
    const [first] = this.#queue;
    const entry = first !== undefined && 'entry' in first ? plainer(first.entry) : null;
    if (entry === null) return false;
    const deliveryId = String(entry.deliveryId);
    this.#options.log.error({ deliveryId }, 'an outcome is recorded without its details');
    this.#queue[0] = { entry };
    return true;
  }
}

async function settle(
  tx: Tx,
  owner: string,
  applied: readonly Entry[],
  settlements: readonly Settlement[],
): Promise<void> {
  const mayGoAgain = applied.filter(({ decision }) => isOpen(decision.state));
  const batchIds = settlements.map(({ batchId }) => batchId);
  await Promise.all([
    mayGoAgain.length > 0 ? unmarkBatches(tx, owner, rangesOf(mayGoAgain)) : null,
    batchIds.length > 0 ? settleBatches(tx, owner, batchIds) : null,
  ]);
}

/** Returns the entries that took effect. */
async function writeEntries(
  options: RecorderOptions,
  tx: Tx,
  entries: readonly Entry[],
): Promise<Entry[]> {
  const attempts = await applyDecisions(tx, options.owner, entries);
  const applied = entries.filter((entry) => attempts.has(entry.deliveryId));
  if (applied.length < entries.length) {
    options.log.warn(
      { refused: entries.length - applied.length },
      'outcomes came after the lease was lost; the deliveries are ambiguous',
    );
  }
  const at = options.clock();
  const attemptOf = ({ deliveryId }: Entry): number => attempts.get(deliveryId) ?? 0;
  const told = runsOf(
    applied,
    (one, other) => isSameAcceptance(one, other) && attemptOf(one) === attemptOf(other),
  ).flatMap((run) => eventOf(run, attemptOf(run[0]), at));
  if (told.length > 0) await appendDeliveryEvents(tx, told);
  await holdAgainst(tx, applied, at);
  return applied;
}

/** Acceptances, nearly all there is, take one cheap statement; everything else another. */
async function applyDecisions(
  tx: Tx,
  owner: string,
  entries: readonly Entry[],
): Promise<Map<bigint, number>> {
  const plain = entries.filter(({ decision }) => isPlain(decision));
  const others = entries.filter(({ decision }) => !isPlain(decision));
  const attempts =
    plain.length > 0
      ? await applyAcceptances(tx, owner, runsOf(plain).map(spanOf))
      : new Map<bigint, number>();
  const changed = others.length > 0 ? await applyStates(tx, owner, others.map(changeOf)) : [];
  for (const [deliveryId, count] of changed) attempts.set(deliveryId, count);
  return attempts;
}

/** It may be sent again, by itself or when a person says so: then a mark of now must not be in the way. */
function isOpen(state: Entry['decision']['state']): boolean {
  return state === 'pending' || state === 'ambiguous';
}

function isPlain({ state, counted }: Entry['decision']): boolean {
  return state === 'accepted' && counted;
}

function changeOf({ deliveryId, batchId, decision }: Entry): StateChange {
  const { state, class: name, nextAttemptAt, counted } = decision;
  return { deliveryId, batchId, state, class: name, nextAttemptAt, counted };
}

/** Both were accepted by one and the same reply: one event can tell both. */
function isSameAcceptance(one: Entry, other: Entry): boolean {
  const reply = one.outcome?.reply ?? null;
  return (
    one.decision.state === 'accepted' &&
    other.decision.state === 'accepted' &&
    one.decision.event === other.decision.event &&
    reply !== null &&
    other.outcome?.reply === reply
  );
}

/** One event for a run: its deliveries have everything in common. */
function eventOf(run: Run<Entry>, attempt: number, at: Date): DeliveryEvent[] {
  const [entry] = run;
  if (entry.decision.event === null) return [];
  const { decision, outcome } = entry;
  const said = whatWasSaid(outcome);
  const { lastDeliveryId } = spanOf(run);
  const event: DeliveryEvent = {
    at: outcome?.startedAt ?? at,
    kind: entry.decision.event,
    campaignId: entry.campaignId,
    deliveryId: entry.deliveryId,
    lastDeliveryId: lastDeliveryId === entry.deliveryId ? null : lastDeliveryId,
    class: decision.class,
    rule: decision.rule,
    attempt,
    stage: outcome?.stage ?? null,
    mxHost: outcome?.mxHost ?? null,
    mxAddress: outcome?.mxAddress ?? null,
    sourceAddress: outcome?.sourceAddress ?? null,
    replyCode: said.code,
    enhancedCode: said.enhanced,
    replyText: said.text,
    tls: outcome?.tls ?? null,
    tlsVerified: outcome?.tlsVerified ?? null,
    tlsPolicy: outcome?.tlsPolicy ?? null,
    durationMs: outcome === null ? null : Math.round(outcome.durationMs),
  };
  return [event];
}

/** The receiver's reply, or our own words where it gave none. */
function whatWasSaid(outcome: SiteFailure | null): {
  code: number | null;
  enhanced: string | null;
  text: string | null;
} {
  if (outcome === null) return { code: null, enhanced: null, text: null };
  if (outcome.reply !== null) return outcome.reply;
  if (outcome.failure === null) return { code: null, enhanced: null, text: null };
  const { enhanced, text } = describeFailure(outcome.failure);
  const { tlsProblem: problem } = outcome;
  const why = problem === undefined ? '' : `: ${problem.type} (${problem.detail})`;
  return { code: null, enhanced, text: text + why };
}

/** A reply of a receiver that only its codes could judge. */
function unmatchedOf({ decision, outcome, domain }: Entry, at: Date): UnmatchedReply[] {
  const { rule, class: name } = decision;
  if (outcome?.reply == null || rule === null || name === null || !isUnmatched(rule)) return [];
  const { code, enhanced, text } = outcome.reply;
  return [{ code, enhanced, text, stage: outcome.stage, class: name, domain, at }];
}

function sightingOf({ domain, outcome }: Entry): MxSighting[] {
  return outcome?.mxHost == null ? [] : [{ domain, mxHost: outcome.mxHost }];
}

/** Rollups count states (the balance reads them) and deferrals, whatever the event was called. */
function rollupOf(entry: Entry, at: Date): Parameters<typeof addToRollups>[1] {
  const { decision, campaignId, domain } = entry;
  if (decision.event === null) return [];
  const kind: DeliveryEventKind =
    decision.state === 'pending' ? 'delivery.deferred' : `delivery.${decision.state}`;
  return [
    { campaignId, at, domain, kind, class: decision.class ?? '', rule: decision.rule, count: 1 },
  ];
}

/** What the failures say of their recipients: suppressed, or one soft bounce more. */
async function holdAgainst(tx: Tx, entries: readonly Entry[], at: Date): Promise<void> {
  const suppressions: NewSuppression[] = [];
  const softBounces: SoftBounce[] = [];
  for (const entry of entries) {
    const { suppression, soft, class: name } = entry.decision;
    if ((suppression === null && soft === null) || name === null) continue;
    const { addressKey, campaignId, deliveryId } = entry;
    const { code, enhanced, text } = whatWasSaid(entry.outcome);
    const evidence = [code, enhanced, text].filter((part) => part !== null).join(' ');
    const facts = { addressKey, class: name, evidence, campaignId };
    if (soft !== null) softBounces.push({ ...facts, kind: soft, at });
    if (suppression === null) continue;
    suppressions.push({ ...facts, ...suppression, origin: 'system', deliveryId });
  }
  await addSuppressions(tx, suppressions);
  await countSoftBounces(tx, softBounces);
}
