/**
 * bounce/record — what came back becomes durable: message, events, suppressions, rollups.
 *
 * Promises: `record` resolves after the commit; the listener says 250 then, and not before. One
 *           transaction writes everything that follows from a message. The same message to the same
 *           destination twice is recorded once, and resolves both times. `bounce.late`, a complaint
 *           and an unsubscribe count once a delivery (events_once), so the rollups do too. A late
 *           bounce counts when its delivery is accepted, and waits until then (early-bounces/store.ts).
 *           Messages that arrive while a transaction runs share the next one, up to GROUP_SIZE.
 * Fails:    rejects when the database is away (451; the sender comes back). When a group fails for
 *           what one of its messages holds, each is tried alone, so that one cannot keep the others out.
 * Bound:    what waits is bounded by the listener's connections.
 * Measured: 1,600 reports/s end to end with 20 connections, the 250 after 9 ms in the median (2 cores,
 *           fsync on, senders in the same process; `npm run bench -- bounce-listener`).
 * See:      attribution.ts (who), findings.ts (what), store.ts, suppressions/store.ts.
 */
import { setImmediate } from 'node:timers/promises';
import { formatId } from '../kernel/ids.ts';
import type { Sql, Tx } from '../kernel/postgres/connect.ts';
import { addToRollups } from '../kernel/rollups/store.ts';
import type { KeyRing } from '../verp/keyring.ts';
import { recipientKey } from './arrival.ts';
import type { Arrival, Knowledge, KnownDelivery } from './arrival.ts';
import { attribute, cluesOf } from './attribution.ts';
import type { Attributed } from './attribution.ts';
import { subjectOf } from './destination.ts';
import { isErased } from './erasure/erased.ts';
import { findingsOf, impersonal } from './findings.ts';
import type { Finding } from './findings.ts';
import {
  appendReturnEvents,
  findBatches,
  findBatchRecipients,
  findDeliveries,
  insertInboundMessages,
} from './store.ts';
import type { InboundRow } from './store.ts';
import { insertEarlyBounces } from './early-bounces/store.ts';
import { countSoftBounces } from './soft-bounces/store.ts';
import type { SoftBounce } from './soft-bounces/store.ts';
import { isUnmatched } from './unmatched.ts';
import type { UnmatchedReply } from './unmatched.ts';
import { countUnmatched } from './unmatched/store.ts';
import { addSuppressions } from './suppressions/store.ts';

export interface RecordDeps {
  sql: Sql;
  keyRing: KeyRing;
  /** Writes the mail that new arrivals ask for, in their transaction (answers.ts). */
  answer?: (tx: Tx, arrivals: readonly Arrival[]) => Promise<void>;
}

export interface Recorded {
  /** null: the same message to the same destination had been recorded before. */
  inboundId: bigint | null;
}

export interface ReturnRecorder {
  /** Resolves once the arrival, and what follows from it, is committed. */
  record(arrival: Arrival): Promise<Recorded>;
}

const GROUP_SIZE = 200;

interface Waiting {
  arrival: Arrival;
  resolve: (recorded: Recorded) => void;
  reject: (error: unknown) => void;
}

export function createReturnRecorder(deps: RecordDeps): ReturnRecorder {
  const waiting: Waiting[] = [];
  let running = false;

  async function run(): Promise<void> {
    running = true;
    // Whatever else arrives in this turn of the event loop goes along.
    await setImmediate();
    while (waiting.length > 0) await settle(deps, waiting.splice(0, GROUP_SIZE));
    running = false;
  }

  return {
    record(arrival) {
      return new Promise<Recorded>((resolve, reject) => {
        waiting.push({ arrival, resolve, reject });
        if (!running) void run();
      });
    },
  };
}

async function settle(deps: RecordDeps, group: readonly Waiting[]): Promise<void> {
  try {
    const recorded = await recordArrivals(
      deps,
      group.map(({ arrival }) => arrival),
    );
    for (const { arrival, resolve } of group) {
      const fingerprint = hex(arrival.fingerprint);
      resolve({ inboundId: recorded.get(fingerprint) ?? null });
      // Of two equal messages in one group the second is the same again.
      recorded.delete(fingerprint);
    }
  } catch (error) {
    if (group.length > 1 && isAboutData(error)) {
      for (const each of group) await settle(deps, [each]);
    } else {
      for (const { reject } of group) reject(error);
    }
  }
}

/** SQLSTATE classes 22 (data) and 23 (constraint): it is what one message holds. */
function isAboutData(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' && /^2[23]\w{3}$/.test(code);
}

/** One transaction for all of `arrivals`. Answers the ids of the new ones by fingerprint (hex). */
export async function recordArrivals(
  deps: RecordDeps,
  arrivals: readonly Arrival[],
): Promise<Map<string, bigint>> {
  const distinct = new Map(arrivals.map((each) => [hex(each.fingerprint), each]));
  return await deps.sql.begin(async (tx) => {
    const known = await learn(tx, deps.keyRing, [...distinct.values()]);
    const read = [...distinct].map(([fingerprint, arrival]) => {
      const attributed = attribute(deps.keyRing, arrival, known);
      return { fingerprint, arrival, attributed, findings: findingsOf(arrival, attributed) };
    });
    const rows = read.map(({ arrival, attributed }) => inboundRow(arrival, attributed, known));
    const inserted = await insertInboundMessages(tx, rows);
    const fresh = read.filter(({ fingerprint }) => inserted.has(fingerprint));
    await deps.answer?.(
      tx,
      fresh.map(({ arrival }) => arrival),
    );
    const facts = fresh.flatMap(({ fingerprint, arrival, findings }) => {
      const inboundId = inserted.get(fingerprint) ?? null;
      const campaignId = campaignOf(arrival, known);
      return findings.map((finding) => ({
        finding,
        inboundId,
        campaignId,
        at: arrival.receivedAt,
      }));
    });
    await recordFacts(tx, facts);
    return inserted;
  });
}

export interface Fact {
  finding: Finding;
  /** The message it came from; null when it came by the API. */
  inboundId: bigint | null;
  campaignId: bigint | null;
  at: Date;
}

/** Events, suppressions, soft bounces and rollups of what was found, in the caller's transaction. */
export async function recordFacts(tx: Tx, found: readonly Fact[]): Promise<void> {
  if (found.length === 0) return;
  const facts = found.map((fact) => ({ ...fact, finding: impersonal(fact.finding) }));
  const events = facts.map(({ finding, inboundId, campaignId, at }) => ({
    at,
    kind: finding.kind,
    campaignId: finding.delivery?.campaignId ?? campaignId,
    deliveryId: finding.delivery?.deliveryId ?? null,
    class: finding.class,
    rule: finding.rule,
    enhancedCode: finding.enhancedCode,
    replyText: finding.text,
    data:
      inboundId === null ? finding.data : { ...finding.data, inbound: formatId('inb', inboundId) },
  }));
  const appended = await appendReturnEvents(tx, events);
  await addSuppressions(
    tx,
    facts.flatMap(({ finding }) => (finding.suppression === null ? [] : [finding.suppression])),
  );
  const counted = outcomesOf(facts, appended);
  await countSoftBounces(
    tx,
    counted.flatMap(({ finding, delivery, at }): SoftBounce[] => {
      const { soft: kind, class: name, text: evidence } = finding;
      if (kind === null || name === null) return [];
      const { addressKey, campaignId } = delivery;
      return [{ addressKey, kind, class: name, evidence, campaignId, at }];
    }),
  );
  await countUnmatched(
    tx,
    facts.flatMap(({ finding, at }) => unmatchedOf(finding, at)),
  );
  const rows = counted.map(({ finding, delivery, at }) => {
    const { kind, rule } = finding;
    return { ...delivery, at, kind, class: finding.class ?? '', rule, count: 1 };
  });
  await insertEarlyBounces(tx, rows.filter(isEarly));
  await addToRollups(
    tx,
    rows.filter((row) => !isEarly(row)),
  );
}

/** The facts that are outcomes of a delivery, and new: notices are none. */
function outcomesOf(
  facts: readonly Fact[],
  appended: readonly { kind: string; deliveryId: bigint | null }[],
): (Fact & { delivery: KnownDelivery })[] {
  const fresh = new Set(appended.map(({ kind, deliveryId }) => `${kind} ${deliveryId}`));
  return facts.flatMap((fact) => {
    const { delivery, kind } = fact.finding;
    if (delivery === null || kind === 'bounce.notice') return [];
    // `delete` lets only the first of two equal facts count.
    return fresh.delete(`${kind} ${delivery.deliveryId}`) ? [{ ...fact, delivery }] : [];
  });
}

/** A reason in a report that only its codes could judge. */
function unmatchedOf(finding: Finding, at: Date): UnmatchedReply[] {
  const { rule, class: name, text, enhancedCode: enhanced, delivery } = finding;
  if (rule === null || name === null || text === null || !isUnmatched(rule)) return [];
  return [
    { code: null, enhanced, text, stage: null, class: name, domain: delivery?.domain ?? '', at },
  ];
}

/** Its delivery is not accepted, as far as is known: the keeper counts it later, or never. */
function isEarly({ kind, state }: { kind: string; state: string }): boolean {
  return kind === 'bounce.late' && state !== 'accepted';
}

/** Looks up everything that the arrivals may be about: three statements, however many they are. */
async function learn(tx: Tx, ring: KeyRing, arrivals: readonly Arrival[]): Promise<Knowledge> {
  const deliveryIds = new Set<bigint>();
  const batchIds = new Set<bigint>();
  const pairs: { batchId: bigint; addressKey: string }[] = [];
  for (const arrival of arrivals) {
    const clues = cluesOf(ring, arrival);
    for (const id of clues.deliveryIds) deliveryIds.add(id);
    for (const batchId of clues.batchIds) {
      batchIds.add(batchId);
      for (const addressKey of clues.addressKeys) pairs.push({ batchId, addressKey });
    }
  }
  const deliveries = deliveryIds.size === 0 ? [] : await findDeliveries(tx, [...deliveryIds]);
  const batches = batchIds.size === 0 ? [] : await findBatches(tx, [...batchIds]);
  const recipients = pairs.length === 0 ? [] : await findBatchRecipients(tx, pairs);
  return {
    deliveries: new Map(deliveries.map((row) => [row.deliveryId, row])),
    batches: new Map(batches.map((row) => [row.batchId, row])),
    recipients: new Map(recipients.map((row) => [recipientKey(row.batchId, row.addressKey), row])),
  };
}

function campaignOf(arrival: Arrival, known: Knowledge): bigint | null {
  const { token } = arrival.destination;
  if (token === null) return null;
  const { kind, id } = subjectOf(token);
  const about = kind === 'batch' ? known.batches.get(id) : known.deliveries.get(id);
  return about?.campaignId ?? null;
}

function inboundRow(
  arrival: Arrival,
  attributed: readonly Attributed[],
  known: Knowledge,
): InboundRow {
  const { destination, fingerprint, receivedAt, envelopeSender, raw, inspection } = arrival;
  const { purpose } = destination;
  const only = attributed.length === 1 ? attributed[0]?.delivery.deliveryId : undefined;
  // What comes back about somebody who was erased names him.
  const erased = attributed.some(({ delivery }) => isErased(delivery.addressKey));
  return {
    fingerprint,
    receivedAt,
    envelopeSender: erased ? '' : envelopeSender,
    envelopeRecipient: destination.address,
    kind: purpose === 'bounce' || purpose === 'feedback' ? inspection.kind : purpose,
    campaignId: campaignOf(arrival, known),
    deliveryId: only ?? null,
    raw: erased ? new Uint8Array() : raw,
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
