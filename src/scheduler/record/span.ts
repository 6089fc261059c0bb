/**
 * scheduler/record/span — deliveries that follow one another, written as one.
 *
 * A single copy has up to a batch of recipients, whose ids are one range, and one reply to its dot
 * accepts most of them. Then the state and the event are each written for the range and not for the
 * recipient. The mark is always ranges: a batch has one row for it.
 *
 * Pure. Promises: a span is never wider than its deliveries: its ids are consecutive, of one batch,
 *           and each of them is in it. Order is kept.
 * See:      store.ts; DESIGN.md "Speed" for what it saves.
 */
export interface Mark {
  deliveryId: bigint;
  batchId: bigint;
}

export interface Span {
  firstDeliveryId: bigint;
  lastDeliveryId: bigint;
  batchId: bigint;
}

/** What is marked of a batch. */
export interface BatchRanges {
  batchId: bigint;
  /** As PostgreSQL reads an int8multirange: `{[1,5],[7,7]}`. */
  ranges: string;
}

/** Never empty. */
export type Run<T> = [T, ...T[]];

/** Runs of consecutive deliveries in which each `belongs` to the one before it. */
export function runsOf<T extends Mark>(
  items: readonly T[],
  belongs: (before: T, item: T) => boolean = () => true,
): Run<T>[] {
  const runs: Run<T>[] = [];
  for (const item of items) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    const follows =
      before !== undefined &&
      before.batchId === item.batchId &&
      before.deliveryId + 1n === item.deliveryId &&
      belongs(before, item);
    if (follows) run?.push(item);
    else runs.push([item]);
  }
  return runs;
}

export function spanOf([first, ...others]: Run<Mark>): Span {
  const { deliveryId, batchId } = first;
  return {
    firstDeliveryId: deliveryId,
    lastDeliveryId: (others.at(-1) ?? first).deliveryId,
    batchId,
  };
}

/** By batch, in the order of their ids. */
export function rangesOf(marks: readonly Mark[]): BatchRanges[] {
  const byBatch = Map.groupBy(runsOf(marks).map(spanOf), ({ batchId }) => batchId);
  return [...byBatch]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([batchId, spans]) => {
      const each = spans.map((span) => `[${span.firstDeliveryId},${span.lastDeliveryId}]`);
      return { batchId, ranges: `{${each.join(',')}}` };
    });
}
