/**
 * bounce/watch/keeper — keeps the watch: finds suspects, writes to them, gives up or clears.
 *
 * Promises: a turn is a few statements for every thousand addresses, never one for each. What is sent
 *           and what is remembered of it are one transaction. Several nodes may keep watch at one time.
 *           With the action `suppress` who crossed a limit is suppressed without being asked; with
 *           `none` nothing follows from soft bounces. Neither writes to anybody.
 * Fails:    a turn that fails is logged and tried again a minute later; nothing is lost by it.
 * See:      watch.ts (decides), store.ts, notices.ts (how mail is sent), docs/suppressions.md.
 */
import type { Clock } from '../../kernel/clock.ts';
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Sql, Tx } from '../../kernel/postgres/connect.ts';
import type { Notice, Notices } from '../notices.ts';
import { GIVEN_UP_DAYS } from '../policy.ts';
import type { SoftLimits } from '../policy.ts';
import { purgeSoftBounces } from '../soft-bounces/store.ts';
import { addSuppressions } from '../suppressions/store.ts';
import type { NewSuppression } from '../suppressions/suppression.ts';
import {
  findSuspects,
  findWriters,
  forgetSoftBounces,
  forgetWatched,
  insertSuspects,
  keepWaiting,
  takeDue,
  takeFresh,
  takeInactive,
  waitForNotice,
} from './store.ts';
import type { DueAddress, Suspect, Waiting, Writer } from './store.ts';
import { days, LOOK_MS, nextStep, outcomeOf } from './watch.ts';
import type { WatchTimes } from './watch.ts';

/** What a warning or probe has to say; `compose` puts it into words. */
export interface LetterFacts {
  kind: 'warning' | 'probe';
  address: string;
  fromName: string;
  fromAddress: string;
  /** What the receiver said last. */
  evidence: string;
  /** Of what the sender writes: for the language. */
  sample: string;
}

export interface WatchDeps {
  sql: Sql;
  clock: Clock;
  log: Logger;
  notices: Notices;
  compose: (facts: LetterFacts) => { subject: string; text: string };
  action: 'probe' | 'suppress' | 'none';
  limits: SoftLimits;
  times: WatchTimes;
}

const TURN_MS = 60_000;
/** Addresses in one transaction, and in one order of notices. */
const GROUP = 1_000;
/** How often an inactive mailbox is asked again before it is left alone. */
const MAX_REPROBES = 3;

export function startWatch(deps: WatchDeps): { stop(): Promise<void> } {
  const loop = startLoop({
    intervalMs: TURN_MS,
    step: () => takeWatchTurn(deps),
    onError: (error) => deps.log.error({ err: error }, 'keeping watch failed; again in a minute'),
  });
  return { stop: () => loop.stop() };
}

/** Does everything that is due at `clock()`. */
export async function takeWatchTurn(deps: WatchDeps): Promise<void> {
  const { sql } = deps;
  const steps = [lookAtFresh, askInactive, lookAtDue];
  for (const step of steps) {
    let count = GROUP;
    while (count === GROUP) count = await sql.begin((tx) => step(deps, tx));
  }
  const longest = Math.max(...Object.values(deps.limits).map((limit) => limit.windowDays));
  await purgeSoftBounces(sql, days(deps.clock(), -longest));
}

async function lookAtFresh(deps: WatchDeps, tx: Tx): Promise<number> {
  const { action, limits, times, clock } = deps;
  const keys = await takeFresh(tx, GROUP);
  if (keys.length === 0 || action === 'none') return keys.length;
  const now = clock();
  const suspects = await findSuspects(tx, [...new Set(keys)], limits, now);
  if (suspects.length === 0) return keys.length;
  if (action === 'suppress') {
    await giveUp(tx, suspects, now);
  } else {
    await insertSuspects(tx, suspects, { since: now, dueAt: days(now, times.warnAfterDays) });
  }
  return keys.length;
}

async function giveUp(tx: Tx, suspects: readonly Suspect[], now: Date): Promise<void> {
  const rows = suspects.map((each): NewSuppression => ({
    ...each,
    reason: 'soft_bounce_limit',
    origin: 'system',
    deliveryId: null,
    expiresAt: days(now, GIVEN_UP_DAYS),
  }));
  const keys = suspects.map((each) => each.addressKey);
  await addSuppressions(tx, rows);
  await forgetSoftBounces(tx, keys);
  await forgetWatched(tx, keys);
}

/** Inactive mailboxes whose time is over are asked at once: they are warned enough. */
async function askInactive(deps: WatchDeps, tx: Tx): Promise<number> {
  if (deps.action !== 'probe') return 0;
  const now = deps.clock();
  const rows = await takeInactive(tx, now, MAX_REPROBES, GROUP);
  const asked = rows.filter((row) => (row.campaignId as bigint | null) !== null);
  if (asked.length > 0) {
    await insertSuspects(tx, asked, { since: now, dueAt: now });
    await write(
      deps,
      tx,
      'probe',
      asked.map((each) => ({ ...each, address: null })),
    );
  }
  return rows.length;
}

async function lookAtDue(deps: WatchDeps, tx: Tx): Promise<number> {
  const now = deps.clock();
  const due = await takeDue(tx, now, GROUP);
  if (due.length === 0) return 0;
  const plan = planOf(deps, due, now);
  await write(deps, tx, 'warning', plan.warnings);
  await write(deps, tx, 'probe', plan.probes);
  if (plan.lost.length > 0) await giveUp(tx, plan.lost, now);
  if (plan.waiting.length > 0) await keepWaiting(tx, plan.waiting);
  await forgetSoftBounces(tx, plan.cleared);
  await forgetWatched(tx, [...plan.cleared, ...plan.dropped]);
  return due.length;
}

interface Plan {
  warnings: DueAddress[];
  probes: DueAddress[];
  lost: Suspect[];
  waiting: Waiting[];
  cleared: string[];
  dropped: string[];
}

function planOf(deps: WatchDeps, due: readonly DueAddress[], now: Date): Plan {
  const plan: Plan = { warnings: [], probes: [], lost: [], waiting: [], cleared: [], dropped: [] };
  for (const row of due) {
    const { addressKey } = row;
    // Without probing nobody is written to; who was under watch before is cleared.
    const step =
      deps.action === 'probe'
        ? nextStep({ ...row, outcome: outcomeOf(row) }, deps.times, now)
        : { do: 'clear' as const };
    switch (step.do) {
      case 'send':
        (step.kind === 'warning' ? plan.warnings : plan.probes).push(row);
        break;
      case 'suppress':
        plan.lost.push({ ...row, evidence: row.noticeEvidence ?? row.evidence });
        break;
      case 'wait':
        plan.waiting.push({ addressKey, until: step.until, bounced: step.bounced });
        break;
      case 'clear':
        plan.cleared.push(addressKey);
        break;
      case 'drop':
        plan.dropped.push(addressKey);
        break;
    }
  }
  return plan;
}

type Addressee = Pick<DueAddress, 'addressKey' | 'address' | 'campaignId' | 'evidence'>;

/** One order of notices per sender. */
async function write(
  deps: WatchDeps,
  tx: Tx,
  kind: 'warning' | 'probe',
  to: readonly Addressee[],
): Promise<void> {
  if (to.length === 0) return;
  const now = deps.clock();
  const writers = await findWriters(
    tx,
    to.map((each) => each.campaignId),
  );
  const byCampaign = new Map(writers.map((writer) => [writer.campaignId, writer]));
  const bySender = Map.groupBy(to, (each) => byCampaign.get(each.campaignId)?.senderId);
  for (const [senderId, group] of bySender) {
    if (senderId === undefined) {
      // Nobody is left to write to them; nobody will write to them then.
      await forgetWatched(
        tx,
        group.map((each) => each.addressKey),
      );
      continue;
    }
    const notices = group.flatMap((each) => {
      const writer = byCampaign.get(each.campaignId);
      return writer === undefined ? [] : [noticeOf(deps, kind, each, writer)];
    });
    await deps.notices.send(tx, { kind, senderId, notices, perAddressADay: null, perHour: null });
  }
  await waitForNotice(
    tx,
    to.map((each) => each.addressKey),
    {
      kind,
      state: kind === 'warning' ? 'warned' : 'probed',
      at: now,
      dueAt: new Date(now.getTime() + LOOK_MS),
    },
  );
}

function noticeOf(
  deps: WatchDeps,
  kind: 'warning' | 'probe',
  to: Addressee,
  writer: Writer,
): Notice {
  const address = to.address ?? to.addressKey;
  const { displayName: fromName, fromAddress, sample } = writer;
  const evidence = to.evidence ?? '';
  const letter = deps.compose({ kind, address, fromName, fromAddress, evidence, sample });
  return { to: address, ...letter, replyTo: null };
}
