/**
 * scheduler/runner — one claimed batch from its rows to its settlement.
 *
 * Feeds the mta one transaction at a time (`next`), turns outcomes into decisions, and settles the
 * batch when everything pulled is recorded.
 *
 * Promises: asks, immediately before each message, whether the campaign may still be sent, whether
 *           outcomes can be recorded, and whether the recipient was suppressed meanwhile. No message
 *           is begun after a "no". A recipient refused with 452 4.5.3 because the transaction was
 *           full goes into the next one at once.
 * See:      scheduler/dispatch.ts (claims), record/decide.ts, mta/transaction.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Random } from '../kernel/clock.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import type { RecipientOutcome } from '../mta/outcome.ts';
import type { Mta, SiteFailure, Transaction } from '../mta/transaction.ts';
import type { CampaignInWork, CampaignsInWork } from './campaigns-in-work.ts';
import type { CampaignMessages, MessageSource, Rendered } from './ports.ts';
import { findSuppressed } from './queue/store.ts';
import type { Batch, QueuedRecipient } from './queue/store.ts';
import type { Classifier } from '../bounce/classify.ts';
import { decide } from './record/decide.ts';
import type { Entry, Recorder } from './record/recorder.ts';
import { createRoster } from './roster.ts';
import type { Roster } from './roster.ts';

export interface RunnerDeps {
  sql: Sql;
  mta: Mta;
  source: MessageSource;
  recorder: Recorder;
  campaigns: CampaignsInWork;
  clock: Clock;
  random: Random;
  log: Logger;
  retryScheduleSeconds: readonly number[];
  /** The built-in rules when absent. */
  classify?: Classifier;
  maxRecipientsPerCopy: number;
  maxLanes: number;
}

type RenderedMessage = Extract<Rendered, { ok: true }>;

export interface BatchRun {
  readonly batchId: bigint;
  readonly domain: string;
  readonly done: Promise<void>;
  /** A suppression of this address key (or `*`: of many) was added. */
  onSuppression(addressKey: string): void;
  /** No further message is begun; what is on the wire ends. */
  drain(): void;
}

const BROKEN_OFF_MS = 5_000;

const SUPPRESSED: Entry['decision'] = {
  state: 'suppressed',
  event: 'delivery.suppressed',
  class: null,
  rule: null,
  nextAttemptAt: null,
  counted: false,
  suppression: null,
  soft: null,
};

/** It was marked, and nothing was said to the receiver that could be an outcome. */
const GIVEN_BACK: Entry['decision'] = { ...SUPPRESSED, state: 'pending', event: null };

export function runBatch(
  deps: RunnerDeps,
  batch: Batch,
  campaign: CampaignInWork,
  recipients: readonly QueuedRecipient[],
): BatchRun {
  return new RunningBatch(deps, batch, campaign, recipients);
}

class RunningBatch implements BatchRun {
  readonly batchId: bigint;
  readonly domain: string;
  readonly done: Promise<void>;
  readonly #deps: RunnerDeps;
  readonly #batch: Batch;
  readonly #campaign: CampaignInWork;
  readonly #roster: Roster;
  /** Of those on the wire: settled when the write-ahead mark is, one way or the other. */
  readonly #marks = new Map<bigint, Promise<unknown>>();
  /** Outcomes that wait for their mark. */
  readonly #held = new Set<Promise<unknown>>();
  /** Set while the suppressions are looked at again. */
  #recheck: Promise<void> | null = null;
  #drained = false;
  #siteFailed = false;
  #brokenOff = false;

  constructor(
    deps: RunnerDeps,
    batch: Batch,
    campaign: CampaignInWork,
    recipients: readonly QueuedRecipient[],
  ) {
    this.#deps = deps;
    this.#batch = batch;
    this.#campaign = campaign;
    this.batchId = batch.id;
    this.domain = batch.domain;
    this.#roster = createRoster(recipients.filter((row) => !row.suppressed));
    for (const row of recipients) if (row.suppressed) this.#write(row, SUPPRESSED, null);
    this.done = this.#run();
  }

  onSuppression(addressKey: string): void {
    if (!concerns(this.#roster, addressKey)) return;
    const check = this.#dropSuppressed().finally(() => {
      if (this.#recheck === check) this.#recheck = null;
    });
    this.#recheck = check;
  }

  drain(): void {
    this.#drained = true;
  }

  async #run(): Promise<void> {
    try {
      const messages = await this.#deps.source.open(this.#batch.campaignId);
      const request = {
        domain: this.domain,
        contentKey: this.#batch.campaignId,
        pool: this.#campaign.pool,
        protection: messages.protection,
        maxLanes: messages.mode === 'parallel' ? this.#deps.maxLanes : 1,
        next: () => this.#next(messages),
        onOutcome: (outcome: RecipientOutcome) => this.#onOutcome(outcome),
        onSiteFailure: (failure: SiteFailure) => this.#onSiteFailure(failure),
      };
      // A full transaction puts recipients back after the lanes have ended: deliver once more.
      while (this.#roster.hasWaiting() && this.#mayBegin() && !this.#siteFailed) {
        await this.#deps.mta.deliver(request);
      }
    } catch (error) {
      this.#breakOff(error);
    }
    // Given back at once it would be claimed at once, and fail at once.
    if (this.#brokenOff) await sleep(BROKEN_OFF_MS);
    this.#giveBack();
    await Promise.all(this.#held);
    await this.#deps.recorder.settle(this.#batch.id);
  }

  /** A fault that is nobody's outcome: what is on the wire ends, the rest is given back. */
  #breakOff(error: unknown): null {
    this.#brokenOff = true;
    const batchId = String(this.#batch.id);
    this.#deps.log.error({ batchId, err: error }, 'a batch broke off');
    return null;
  }

  #mayBegin(): boolean {
    const { campaigns, clock } = this.#deps;
    const { campaignId, provider } = this.#batch;
    if (this.#drained || this.#brokenOff) return false;
    return campaigns.maySend(campaignId, provider, clock());
  }

  async #next(messages: CampaignMessages): Promise<Transaction | null> {
    const { recorder, maxRecipientsPerCopy } = this.#deps;
    const isCopy = messages.mode === 'single_copy';
    try {
      for (;;) {
        if (!recorder.hasRoom()) await recorder.ready();
        if (this.#recheck !== null) await this.#recheck;
        if (!this.#mayBegin()) return null;
        const group = this.#roster.take(isCopy ? maxRecipientsPerCopy : 1);
        const [first] = group;
        if (first === undefined) return null;
        const rendered = await (isCopy
          ? messages.renderCopy(this.#batch.id)
          : messages.render(first));
        if (!rendered.ok) {
          this.#failRendering(group, rendered.reason);
        } else if (this.#recheck !== null || !this.#mayBegin()) {
          // Rendering took time: a pause, a drain or an unsubscribe came meanwhile.
          this.#roster.putBack(group);
        } else {
          return this.#transaction(group, rendered, isCopy);
        }
      }
    } catch (error) {
      return this.#breakOff(error);
    }
  }

  #transaction(
    group: readonly QueuedRecipient[],
    rendered: RenderedMessage,
    xverp: boolean,
  ): Transaction {
    const batchId = this.#batch.id;
    const marked = this.#deps.recorder.mark(
      group.map(({ deliveryId }) => ({ deliveryId, batchId })),
    );
    const settled = marked.catch(() => undefined);
    for (const { deliveryId } of group) this.#marks.set(deliveryId, settled);
    return {
      envelopeSender: rendered.envelopeSender,
      envelopeId: rendered.envelopeId,
      xverp,
      recipients: group.map((row) => ({ id: row.deliveryId, address: row.address })),
      message: rendered.message,
      marked,
    };
  }

  #failRendering(group: readonly QueuedRecipient[], reason: string): void {
    this.#deps.log.error({ batchId: String(this.#batch.id), reason }, 'cannot render');
    const failure = renderFailure(this.#deps.clock());
    for (const row of this.#roster.close(group)) this.#settleRow(row, failure);
  }

  #onOutcome(outcome: RecipientOutcome): void {
    if (isTransactionFull(outcome) && this.#roster.splitAfter(outcome.recipientId)) return;
    for (const row of this.#roster.closeIds([outcome.recipientId])) {
      this.#afterMark(row, () => this.#settleRow(row, outcome));
    }
  }

  /**
   * A refusal at RCPT can be faster than the mark that was asked for at MAIL. Recorded before it, the
   * mark would come last, and a delivery that was put off would be in doubt.
   */
  #afterMark(row: QueuedRecipient, record: () => void): void {
    const mark = this.#marks.get(row.deliveryId) ?? Promise.resolve();
    this.#marks.delete(row.deliveryId);
    const held = mark.then(() => {
      record();
      this.#held.delete(held);
    });
    this.#held.add(held);
  }

  /** Those that a full transaction put back and no other one took: their marks say that they may be out. */
  #giveBack(): void {
    for (const row of this.#roster.remove([...this.#marks.keys()])) {
      this.#afterMark(row, () => this.#write(row, GIVEN_BACK, null));
    }
  }

  #onSiteFailure(failure: SiteFailure): void {
    this.#siteFailed = true;
    const left = this.#roster.remove(this.#roster.waitingIds());
    for (const row of left) this.#afterMark(row, () => this.#settleRow(row, failure));
  }

  async #dropSuppressed(): Promise<void> {
    try {
      const ids = await findSuppressed(this.#deps.sql, this.#roster.waitingIds(), this.#campaign);
      for (const row of this.#roster.remove(ids)) this.#write(row, SUPPRESSED, null);
    } catch (error) {
      // Not known is not allowed: the rows stay pending and the next claim looks again.
      this.#drained = true;
      this.#deps.log.error({ err: error }, 'cannot check a suppression; the batch is given back');
    }
  }

  #settleRow(row: QueuedRecipient, outcome: SiteFailure): void {
    const { clock, random, retryScheduleSeconds, classify } = this.#deps;
    const { expiresAt, ambiguityPolicy } = this.#campaign;
    const decision = decide(outcome, {
      attempts: row.attempts,
      expiresAt,
      ambiguityPolicy,
      retryScheduleSeconds,
      classify,
      now: clock(),
      random,
    });
    this.#write(row, decision, outcome);
  }

  #write(row: QueuedRecipient, decision: Entry['decision'], outcome: SiteFailure | null): void {
    this.#deps.recorder.record({
      deliveryId: row.deliveryId,
      batchId: this.#batch.id,
      campaignId: this.#batch.campaignId,
      domain: this.domain,
      addressKey: row.addressKey,
      decision,
      outcome,
    });
  }
}

function concerns(roster: Roster, addressKey: string): boolean {
  if (addressKey === '*') return roster.hasWaiting();
  return roster.some((row) => row.addressKey === addressKey);
}

/** RFC 5321 4.5.3.1.10: 452 after too many recipients; 4.5.3 is its enhanced code. */
function isTransactionFull(outcome: RecipientOutcome): boolean {
  const { reply, stage, result } = outcome;
  if (result !== 'deferred' || stage !== 'rcpt' || reply === null) return false;
  return (
    reply.enhanced === '4.5.3' || (reply.code === 452 && /too many recipients/i.test(reply.text))
  );
}

function renderFailure(now: Date): SiteFailure {
  return {
    result: 'rejected',
    stage: 'address',
    reply: null,
    failure: 'render_failed',
    mxHost: null,
    mxAddress: null,
    sourceAddress: null,
    tls: null,
    startedAt: now,
    durationMs: 0,
  };
}
