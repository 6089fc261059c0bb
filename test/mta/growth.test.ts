/** Further connections: as many as this process has time for, and to slow receivers always. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createGrowth } from '../../src/mta/growth.ts';
import type { Growth } from '../../src/mta/growth.ts';
import { allTo, isBalanced, makeMta, makeOrder } from './orders.ts';
import { startSmtpHost } from './smtp-host.ts';

describe('what a window of 50 ms allows', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function growthOf(connections: { open: number }): {
    growth: Growth;
    pass: (idle: number) => void;
  } {
    let [elapsedMs, idleMs] = [1_000, 400];
    const growth = createGrowth({
      open: () => connections.open,
      elapsedMs: () => elapsedMs,
      idleMs: () => idleMs,
    });
    /** One window, of which `idle` ms were idle. */
    function pass(idle: number): void {
      elapsedMs += 50;
      idleMs += idle;
      vi.advanceTimersByTime(50);
    }
    return { growth, pass };
  }

  function openAll(growth: Growth, connections: { open: number }): number {
    let opened = 0;
    while (growth.mayOpen(() => undefined)) {
      growth.opened();
      connections.open += 1;
      opened += 1;
    }
    return opened;
  }

  test.each([
    ['idle for more than three tenths: a quarter more', 100, 15.1, 25],
    ['a little less: none', 100, 14.9, 0],
    ['idle all the time', 100, 50, 25],
    ['few connections: eight more', 3, 50, 8],
  ])('%s', (_, open, idle, expected) => {
    const { growth, pass } = growthOf({ open });
    expect(openAll(growth, { open: 0 })).toBe(8);
    for (let window = 0; window < 20; window += 1) {
      pass(idle);
      growth.mayOpen(() => undefined);
    }
    expect(openAll(growth, { open: 0 })).toBe(expected);
    expect(openAll(growth, { open: 0 })).toBe(0);
  });

  test('the mean slides: a window that is idle for two fifths is not enough, two are', () => {
    const { growth, pass } = growthOf({ open: 100 });
    openAll(growth, { open: 0 });
    const allowed = [0, 20, 20, 0, 0, 50].map((idle) => {
      pass(idle);
      return openAll(growth, { open: 0 });
    });
    expect(allowed).toEqual([0, 0, 25, 0, 0, 25]);
  });

  test('from 50 to 500 in eleven windows', () => {
    const connections = { open: 50 };
    const { growth, pass } = growthOf(connections);
    openAll(growth, { open: 0 });
    let windows = 0;
    for (; connections.open < 500; windows += 1) {
      pass(50);
      openAll(growth, connections);
    }
    expect(windows).toBe(11);
  });

  test('who was refused is woken once, at the end of the window, also after a busy one', () => {
    const { growth, pass } = growthOf({ open: 1 });
    openAll(growth, { open: 0 });
    const woken: string[] = [];
    growth.mayOpen(() => woken.push('a'));
    growth.mayOpen(() => {
      woken.push('b');
      growth.mayOpen(() => woken.push('b again'));
    });
    vi.advanceTimersByTime(49);
    expect(woken).toEqual([]);
    pass(0);
    expect(woken).toEqual(['a', 'b']);
    pass(0);
    expect(woken).toEqual(['a', 'b', 'b again']);
    pass(0);
    expect(woken).toHaveLength(3);
  });
});

describe('connections to a site', () => {
  /** Eight are free at the start of a process. */
  async function peakOf(delayMs: number, processIdleMs: () => number): Promise<number> {
    const to = await startSmtpHost({ delayMs });
    const engine = makeMta({ routes: allTo(to.route), processIdleMs, maxMessagesPerRoundTrip: 1 });
    await sleep(60);
    const order = makeOrder(30);
    await engine.deliver(order.request);
    await engine.close();
    await to.close();
    expect(isBalanced(order)).toBe(true);
    expect(to.ledger).toHaveLength(30);
    return to.peak();
  }

  const busy = (): number => 0;
  const idle = (): number => performance.now();

  test('a process with time opens more', async () => {
    expect(await peakOf(20, idle)).toBeGreaterThan(5);
  });

  test('a busy one stays with the first', async () => {
    expect(await peakOf(20, busy)).toBe(1);
  });

  test('a busy one opens more to a receiver that is slow to answer', async () => {
    expect(await peakOf(210, busy)).toBeGreaterThan(5);
  });
});
