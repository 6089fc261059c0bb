import { describe, expect, test } from 'vitest';
import { untilMore } from '../../bench/benches/restart.ts';
import { driftFigures, driftPercent, faultsOfWindows, soak } from '../../bench/benches/soak.ts';
import { emptyLists } from '../../bench/harness/requests.ts';
import { parseSettings } from '../../bench/harness/settings.ts';
import { cpuFigure, usedBetween } from '../../bench/harness/usage.ts';

const steady = Array.from({ length: 10 }, () => 100);

describe('drift', () => {
  test('the first window is warm-up', () => {
    expect(driftPercent([5, ...steady.slice(1)])).toBe(0);
  });

  test.each([
    ['falls', [100, 100, 100, 100, 95, 95, 95, 90, 90, 90], -10],
    ['rises', [100, 100, 100, 100, 105, 105, 105, 110, 110, 110], 10],
  ])('a rate that %s keeps its sign, and misses the bar', (_, rates, drift) => {
    const figures = driftFigures(rates, steady);
    expect(figures.rateDriftPercent).toBeCloseTo(drift);
    const headline = { median: 1, min: 1, max: 1 };
    const ours = {
      name: 'Volley',
      role: 'volley',
      headline,
      cpuUs: null,
      peakRssMb: null,
    } as const;
    const measured = { contenders: [{ ...ours, figures }], faults: [] };
    const [rate, memory] = soak.bars(measured, parseSettings([]));
    expect(rate?.got).toBeCloseTo(10);
    expect(memory?.got).toBe(0);
  });

  test('memory that is not known has none', () => {
    expect(driftFigures(steady, [...steady.slice(1), null])).toEqual({ rateDriftPercent: 0 });
  });

  test('a window in which nothing was sent is a fault', () => {
    expect(faultsOfWindows(steady)).toEqual([]);
    expect(faultsOfWindows([0, 5, 0])).toEqual(['nothing was sent in window 1, 3']);
  });
});

describe('the first message after a restart', () => {
  const nothing = { messages: async () => 7 };
  const never = new Promise<never>(() => undefined);

  test('is waited for', async () => {
    let messages = 6;
    await untilMore({ messages: async () => (messages += 1) }, 8, never);
    expect(messages).toBe(9);
  });

  test('is not waited for without end', async () => {
    await expect(untilMore(nothing, 7, never, 20)).rejects.toThrow('nothing was received');
  });

  test('is not waited for when the engine did not start', async () => {
    const starting = Promise.reject(new Error('the engine ended with 1'));
    await expect(untilMore(nothing, 7, starting)).rejects.toThrow('the engine ended');
  });
});

test('an answer with nothing in its list is seen', () => {
  expect(emptyLists('{"data":[],"held_providers":[]}')).toEqual(['data']);
  expect(emptyLists('{"data":[1],"by_class":[]}')).toEqual(['by_class']);
  expect(emptyLists('{"state":"sending"}')).toEqual([]);
});

test('what is not known of a process is no figure', () => {
  expect(usedBetween(1, 3)).toBe(2);
  expect([usedBetween(null, 3), usedBetween(1, null)]).toEqual([null, null]);
  expect(cpuFigure('databaseCpuUs', 0.5, 1_000)).toEqual({ databaseCpuUs: 500 });
  expect(cpuFigure('databaseCpuUs', null, 1_000)).toEqual({});
});
