import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rangesOf, runsOf, spanOf } from '../../src/scheduler/record/span.ts';

const marks = fc.array(fc.record({ deliveryId: fc.bigInt(1n, 12n), batchId: fc.bigInt(1n, 2n) }), {
  maxLength: 30,
});

test('runs hold every delivery once, in order, and no id that was not there', () => {
  fc.assert(
    fc.property(marks, (items) => {
      const runs = runsOf(items);
      expect(runs.flat()).toEqual(items);
      for (const run of runs) {
        const span = spanOf(run);
        expect(span.lastDeliveryId - span.firstDeliveryId + 1n).toBe(BigInt(run.length));
        const ids = run.map((_, step) => span.firstDeliveryId + BigInt(step));
        expect(run.map(({ deliveryId }) => deliveryId)).toEqual(ids);
        expect(new Set(run.map(({ batchId }) => batchId))).toEqual(new Set([span.batchId]));
      }
    }),
  );
});

test('neighbours that do not belong together stay apart', () => {
  const items = [1n, 2n, 3n].map((deliveryId) => ({ deliveryId, batchId: 1n }));
  expect(runsOf(items)).toHaveLength(1);
  expect(runsOf(items, (before, item) => before.deliveryId + item.deliveryId === 3n)).toEqual([
    items.slice(0, 2),
    items.slice(2),
  ]);
});

test('the ranges of a batch hold its deliveries and no other; batches stand in order', () => {
  fc.assert(
    fc.property(marks, (items) => {
      const found = rangesOf(items);
      const batchIds = [...new Set(items.map(({ batchId }) => batchId))];
      expect(found.map(({ batchId }) => batchId)).toEqual(batchIds.sort((a, b) => Number(a - b)));
      for (const { batchId, ranges } of found) {
        const spans = [...ranges.matchAll(/\[(\d+),(\d+)\]/g)];
        expect(ranges).toBe(`{${spans.map(([span]) => span).join(',')}}`);
        const held = spans.flatMap(([, first = '', last = '']) => {
          const length = Number(BigInt(last) - BigInt(first)) + 1;
          return Array.from({ length }, (_, step) => BigInt(first) + BigInt(step));
        });
        const own = items.filter((item) => item.batchId === batchId);
        expect(new Set(held)).toEqual(new Set(own.map(({ deliveryId }) => deliveryId)));
      }
    }),
  );
});
