/**
 * scheduler/record/span — deliveries that follow one another, written as one.
 *
 * A single copy has up to a batch of recipients, whose ids are one range, and one reply to its dot
 * accepts most of them. Then the mark, the state and the event are each written for the range and not
 * for the recipient.
 *
 * Pure. Promises: a span is never wider than its deliveries: its ids are consecutive, of one batch,
 *           and each of them is in it. Order is kept.
 * See:      store.ts; DESIGN.md "Speed" for what it saves.
 */
import type { Entry } from './recorder.ts';

export interface Mark {
  deliveryId: bigint;
  batchId: bigint;
}

export interface Span {
  firstDeliveryId: bigint;
  lastDeliveryId: bigint;
  batchId: bigint;
}

/** Runs of consecutive deliveries in which each `belongs` to the one before it. */
export function runsOf<T extends Mark>(
  items: readonly T[],
  belongs: (before: T, item: T) => boolean = () => true,
): T[][] {
  const runs: T[][] = [];
  let run: T[] = [];
  for (const item of items) {
    const before = run.at(-1);
    const follows =
      before !== undefined &&
      before.batchId === item.batchId &&
      before.deliveryId + 1n === item.deliveryId &&
      belongs(before, item);
    if (follows) {
      run.push(item);
    } else {
      run = [item];
      runs.push(run);
    }
  }
  return runs;
}

/** Of a run, which has at least one. */
export function spanOf(run: readonly Mark[]): Span {
  const [first] = run;
  const last = run.at(-1);
  if (first === undefined || last === undefined) throw new Error('a run is not empty');
  return {
    firstDeliveryId: first.deliveryId,
    lastDeliveryId: last.deliveryId,
    batchId: first.batchId,
  };
}

/** Both were accepted by one and the same reply: one event can tell both. */
export function sameAcceptance(one: Entry, other: Entry): boolean {
  const reply = one.outcome?.reply ?? null;
  return (
    one.decision.state === 'accepted' &&
    other.decision.state === 'accepted' &&
    one.decision.event === other.decision.event &&
    reply !== null &&
    other.outcome?.reply === reply
  );
}
