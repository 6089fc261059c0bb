/** Bytes of messages in memory: never more than there is room for, everything delivered, nobody starved. */
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createByteBudget } from '../../src/mta/byte-budget.ts';
import type { Asker, ByteBudget, Room } from '../../src/mta/byte-budget.ts';
import type { Transaction } from '../../src/mta/transaction.ts';
import { allTo, isBalanced, makeMta, makeOrder, tally } from './orders.ts';
import type { Order } from './orders.ts';
import type { Script } from './receiver.ts';
import { startSmtpHost } from './smtp-host.ts';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import { wholeMessage } from '../../src/mta/message.ts';

const message = (sizeBytes: number, recipients = 1): Transaction => ({
  envelopeSender: 'a@b.test',
  envelopeId: null,
  recipients: Array.from({ length: recipients }, (_, i) => ({
    id: BigInt(i),
    address: 'r@x.test',
  })),
  message: wholeMessage(Buffer.alloc(sizeBytes)),
  marked: Promise.resolve(),
});

/** Of a content whose messages have this size. */
function known(budget: ByteBudget, contentKey: string, sizeBytes: number): void {
  const one = message(sizeBytes);
  budget.take({ contentKey, wake: () => undefined }, false)?.fill(one);
  budget.settle(one);
}

describe('a budget', () => {
  test('of a content never seen one message is made at a time', () => {
    const budget = createByteBudget(1_000);
    const woken: string[] = [];
    const asker = (name: string): Asker => ({ contentKey: 'c', wake: () => void woken.push(name) });
    const first = budget.take(asker('first'), true);
    expect(budget.take(asker('second'), true)).toBe(null);
    expect(woken).toEqual([]);
    first?.fill(message(400));
    expect(woken).toEqual(['second']);
    expect(budget.usedBytes()).toBe(400);
  });

  test('room is given back when the last recipient has his outcome, or nothing came', () => {
    const budget = createByteBudget(1_000);
    known(budget, 'c', 600);
    const asker: Asker = { contentKey: 'c', wake: () => undefined };
    const three = message(600, 3);
    budget.take(asker, true)?.fill(three);
    budget.settle(three);
    budget.settle(three);
    expect(budget.take(asker, false)).toBe(null);
    budget.settle(three);
    expect(budget.usedBytes()).toBe(0);
    budget.settle(three);
    budget.take(asker, false)?.cancel();
    expect(budget.usedBytes()).toBe(0);
  });

  test('one that is bigger than all goes alone, in its turn', () => {
    const budget = createByteBudget(1_000);
    known(budget, 'big', 5_000);
    known(budget, 'small', 100);
    const small: Asker = { contentKey: 'small', wake: () => undefined };
    const one = message(100);
    budget.take(small, true)?.fill(one);
    let room: Room | null = null;
    const big: Asker = { contentKey: 'big', wake: () => (room = budget.take(big, true)) };
    expect(budget.take(big, true)).toBe(null);
    // Nobody passes him, however small.
    expect(budget.take(small, true)).toBe(null);
    budget.settle(one);
    expect(room).not.toBe(null);
    expect(budget.take(small, true)).toBe(null);
  });

  test('whatever is asked in whatever order: within bounds, in turn, and all are served', () => {
    const asks = fc.array(
      fc.record({ size: fc.integer({ min: 1, max: 1_500 }), ends: fc.nat(5) }),
      {
        minLength: 1,
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(asks, (all) => {
        const budget = createByteBudget(1_000);
        const inFlight: Transaction[] = [];
        const served: number[] = [];
        const order: number[] = [];
        for (const { size } of all) known(budget, String(size), size);
        const check = (): void => {
          const bytes = inFlight.reduce((sum, one) => sum + one.message.sizeBytes, 0);
          expect(budget.usedBytes()).toBe(bytes);
          if (inFlight.length > 1) expect(bytes).toBeLessThanOrEqual(1_000);
        };
        for (const [i, { size, ends }] of all.entries()) {
          const ask = (): void => {
            const room = budget.take(asker, true);
            if (room === null) return;
            served.push(i);
            const one = message(size);
            inFlight.push(one);
            room.fill(one);
          };
          const asker: Asker = { contentKey: String(size), wake: () => ask() };
          order.push(i);
          ask();
          check();
          for (let n = 0; n < ends && n < 2; n += 1) {
            const one = inFlight.shift();
            if (one !== undefined) budget.settle(one);
          }
        }
        for (let one = inFlight.shift(); one !== undefined; one = inFlight.shift()) {
          budget.settle(one);
        }
        expect(served).toEqual(order);
        expect(budget.usedBytes()).toBe(0);
      }),
    );
  });
});

/** Orders whose messages in flight, pulled and without all their outcomes, are watched together. */
function watched(
  orders: readonly Order[],
  sizeOf: (at: number) => number,
): { peakBytes(): number; peakCount(): number } {
  const sizes = new Map<bigint, number>();
  let bytes = 0;
  let [peakBytes, peakCount] = [0, 0];
  for (const [at, order] of orders.entries()) {
    const { request } = order;
    const { next, onOutcome } = request;
    Object.assign(request, {
      contentKey: `campaign ${at}`,
      async next() {
        const transaction = await next();
        if (transaction === null) return null;
        const body = Buffer.alloc(sizeOf(at), 'x'.repeat(70) + '\r\n', 'latin1');
        for (const { id } of transaction.recipients) sizes.set(id, body.length);
        bytes += body.length;
        peakBytes = Math.max(peakBytes, bytes);
        peakCount = Math.max(peakCount, sizes.size);
        return { ...transaction, message: wholeMessage(body) };
      },
      onOutcome(outcome: Parameters<typeof onOutcome>[0]) {
        bytes -= sizes.get(outcome.recipientId) ?? 0;
        sizes.delete(outcome.recipientId);
        onOutcome(outcome);
      },
    });
  }
  return { peakBytes: () => peakBytes, peakCount: () => peakCount };
}

describe('over real sockets', () => {
  test('forty connections, 300 KB each, room for 1.2 MB: all delivered, never more at one time', async () => {
    const to = await startSmtpHost({ delayMs: 5 });
    onTestFinished(() => to.close());
    const engine = makeMta({
      routes: allTo(to.route),
      maxConnectionsPerSite: 40,
      maxBytesInFlight: 1_200_000,
    });
    const orders = Array.from({ length: 4 }, (_, i) =>
      makeOrder(25, { firstId: BigInt(i * 1_000 + 1), maxLanes: 10 }),
    );
    const watch = watched(orders, () => 300_000);
    await Promise.all(orders.map(({ request }) => engine.deliver(request)));
    await engine.close();
    for (const order of orders) expect(tally(order)).toBe('accepted: 25');
    expect(to.ledger).toHaveLength(100);
    // One of each of the four contents may be made before its size is known.
    expect(watch.peakBytes()).toBeLessThanOrEqual(1_200_000 + 4 * 300_000);
    expect(watch.peakCount()).toBeGreaterThan(2);
  });

  test('small ones beside a message that is bigger than all the room', async () => {
    const to = await startSmtpHost();
    onTestFinished(() => to.close());
    const engine = makeMta({ routes: allTo(to.route), maxBytesInFlight: 100_000 });
    const orders = [makeOrder(3), makeOrder(60, { firstId: 1_000n, domain: 'y.test' })];
    const watch = watched(orders, (at) => (at === 0 ? 400_000 : 5_000));
    await Promise.all(orders.map(({ request }) => engine.deliver(request)));
    await engine.close();
    expect(orders.map(tally)).toEqual(['accepted: 3', 'accepted: 60']);
    expect(watch.peakBytes()).toBeLessThanOrEqual(500_000);
  });

  test('few connections, many sites, receivers that break off: no deadlock, the balance closes', async () => {
    let asked = 0;
    const script: Script = ({ verb }) => {
      asked += 1;
      if (verb === 'MAIL' && asked % 7 === 0) return { close: '421 4.3.2 bye\r\n' };
      return verb === 'RCPT' && asked % 11 === 0 ? { close: '' } : undefined;
    };
    const hosts = await Promise.all(Array.from({ length: 6 }, () => startSmtpHost({ script })));
    onTestFinished(async () => {
      await Promise.all(hosts.map((host) => host.close()));
    });
    const rules = Array.from({ length: 12 }, (_, i) => [`d${i}.test`, hosts[i % 6]?.route ?? '']);
    const engine = makeMta({
      routes: createRoutes(staticRules(Object.fromEntries(rules) as Record<string, string>)),
      maxConnections: 3,
      idleMs: 20,
      memory: { failureMs: 1 },
      maxBytesInFlight: 50_000,
    });
    const orders = Array.from({ length: 12 }, (_, i) =>
      makeOrder(12, { firstId: BigInt(i * 100 + 1), domain: `d${i}.test`, maxLanes: 3 }),
    );
    watched(orders, (at) => 10_000 + at * 4_000);
    await Promise.all(orders.map(({ request }) => engine.deliver(request)));
    await engine.close();
    for (const order of orders) expect(isBalanced(order)).toBe(true);
    const outcomes = orders.flatMap((order) => order.outcomes);
    expect(outcomes.filter(({ result }) => result === 'accepted').length).toBe(
      hosts.reduce((sum, { ledger }) => sum + ledger.length, 0),
    );
  });

  test('into no connection: many lanes, room for two messages', async () => {
    const engine = makeMta({
      routes: createRoutes([
        { id: 'static', pattern: '*', transport: { type: 'discard' }, pool: null },
      ]),
      maxBytesInFlight: 25_000,
    });
    const orders = [makeOrder(30), makeOrder(30, { firstId: 1_000n, domain: 'y.test' })];
    const watch = watched(orders, () => 10_000);
    await Promise.all(orders.map(({ request }) => engine.deliver(request)));
    await engine.close();
    expect(orders.map(tally)).toEqual(['accepted: 30', 'accepted: 30']);
    expect(watch.peakBytes()).toBeLessThanOrEqual(40_000);
  });
});
