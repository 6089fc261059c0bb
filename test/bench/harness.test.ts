import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ENGINE_ENVIRONMENT, ENGINE_FLAGS } from '../../bench/harness/engine.ts';
import { perSecond, ratioTo, reached, sample } from '../../bench/harness/bench.ts';
import type { Contender } from '../../bench/harness/bench.ts';
import { summariseProfile } from '../../bench/harness/cpu-profile.ts';
import { startDelayProxy } from '../../bench/harness/delay-proxy.ts';
import { createMessageMaker, recipientsOf } from '../../bench/harness/message.ts';
import { appendRow, newestRows } from '../../bench/harness/results.ts';
import type { ResultRow } from '../../bench/harness/results.ts';
import { notesOf, renderPage } from '../../bench/harness/results-page.ts';
import { quantile, runRounds, spread } from '../../bench/harness/rounds.ts';
import { parseSettings } from '../../bench/harness/settings.ts';
import { startSink } from '../../bench/harness/sink.ts';
import type { Sink } from '../../bench/harness/sink.ts';
import { BARE_LOOP, bareLoop, counted } from '../../bench/limits/limits.ts';

const quiet = (): void => undefined;

function contender(name: string, role: Contender['role'], rates: number[]): Contender {
  return {
    name,
    role,
    run: async (round) => sample(rates[round - 1] ?? 0, 1, { cpuSeconds: 0.5 }),
  };
}

describe('settings', () => {
  test('all benches run with the peers, a named one without', () => {
    expect(parseSettings([]).compare).toBe(true);
    expect(parseSettings(['verp']).compare).toBe(false);
    expect(parseSettings(['verp', '--compare']).compare).toBe(true);
  });

  test.each([
    [['--n', '0'], '--n'],
    [['--dkim', 'md5'], '--dkim'],
    [['--size', 'big'], '--size'],
  ])('a wrong value is named: %j', (args, option) => {
    expect(() => parseSettings(args)).toThrow(option);
  });
});

test('the engine is started as `npm start` starts it', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    scripts: { start: string };
  };
  const environment = Object.entries(ENGINE_ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
  const words = [...environment, 'node', ...ENGINE_FLAGS, 'src/main.ts', 'serve'];
  expect(scripts.start).toBe(words.join(' '));
});

describe('rounds', () => {
  test('medians, and the ratio of Volley to the others', async () => {
    const all = [contender('Volley', 'volley', [10, 40, 20]), contender('x', 'peer', [5, 1, 4])];
    const result = await runRounds(all, 3, perSecond('messages'), quiet);
    expect(result.contenders.map((one) => one.headline)).toEqual([
      { median: 20, min: 10, max: 40 },
      { median: 4, min: 1, max: 5 },
    ]);
    expect(ratioTo(result, 'x')).toBe(5);
    expect(ratioTo(result, 'not measured')).toBeNull();
  });

  test('a fault of any run is kept, with whose it was', async () => {
    const faulty: Contender = {
      name: 'Volley',
      role: 'volley',
      run: async (round) => sample(1, 1, { faults: round === 2 ? ['lost one'] : [] }),
    };
    const result = await runRounds([faulty], 3, perSecond('messages'), quiet);
    expect(result.faults).toEqual(['Volley, run 2: lost one']);
  });

  test('of an even number of values the median is between the two', () => {
    expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  });

  test('a share of the values, whatever their order', () => {
    const values = Array.from({ length: 40 }, (_, i) => 40 - i);
    expect([0.5, 0.95, 1].map((share) => quantile(values, share))).toEqual([21, 39, 40]);
    expect(quantile([], 0.95)).toBe(0);
  });

  test('a bar that was not measured is not reached', () => {
    expect(reached({ what: 'x', want: 1, better: 'higher', got: null })).toBe(false);
    expect(reached({ what: 'x', want: 5, better: 'lower', got: 4 })).toBe(true);
  });
});

describe('messages', () => {
  test('a prebuilt message has the size that was asked for', () => {
    const { headers, body } = createMessageMaker(10_240)(7, 'user7@d7.example');
    expect(headers.length + 2 + body.length).toBe(10_240);
  });

  test('the recipients of one copy are of one domain, and nobody is in two copies', () => {
    const all = [0, 1, 2].flatMap((n) => recipientsOf(n, 100, 50));
    expect(new Set(all).size).toBe(300);
    expect(new Set(all.slice(0, 100).map((address) => address.split('@')[1])).size).toBe(1);
  });
});

describe('the sink', () => {
  let sink: Sink | null = null;
  afterEach(async () => {
    await sink?.stop();
    sink = null;
  });

  const loop = { recipientsEach: 2, connections: 3, sizeBytes: 2_048, dkim: 'none' } as const;

  test('its ledger has every recipient of the bare loop once', async () => {
    sink = await startSink({ kind: 'own', ledger: true });
    const taken = await bareLoop(sink, sink.port, { ...loop, n: 40 }).run(1);
    expect(taken.faults).toEqual([]);
    expect(await sink.ledger()).toMatchObject({ messages: 20, recipients: 40, distinct: 40 });
  });

  test('a recipient served twice is not different', async () => {
    sink = await startSink({ kind: 'own', ledger: true });
    for (let i = 0; i < 2; i += 1) await bareLoop(sink, sink.port, { ...loop, n: 4 }).run(1);
    expect(await sink.ledger()).toMatchObject({ recipients: 8, distinct: 4 });
  });

  test('a recipient too many or too few is a fault', async () => {
    sink = await startSink({ kind: 'own' });
    await bareLoop(sink, sink.port, { ...loop, n: 4 }).run(1);
    expect((await counted(sink, 0, 4, sample(4, 1))).faults).toEqual([]);
    expect((await counted(sink, 0, 3, sample(3, 1))).faults).toHaveLength(1);
    expect((await counted(sink, 0, 5, sample(5, 1))).faults).toHaveLength(1);
  });

  test('a delay proxy holds back both directions', async () => {
    sink = await startSink({ kind: 'own' });
    const proxy = await startDelayProxy(sink.port, 200);
    const beganMs = performance.now();
    const socket = connect({ port: proxy.port, host: '127.0.0.1' });
    await new Promise((resolve) => socket.once('data', resolve));
    // The greeting comes half a round trip late; the answer to a command a whole one.
    const greetedMs = performance.now() - beganMs;
    socket.write('NOOP\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    const answeredMs = performance.now() - beganMs - greetedMs;
    socket.destroy();
    proxy.stop();
    expect(greetedMs).toBeGreaterThan(95);
    expect(answeredMs).toBeGreaterThan(195);
  });
});

describe('results', () => {
  const row = (at: string, faults: string[] = []): ResultRow => ({
    at,
    bench: 'verp',
    variant: { dkim: 'none' },
    unit: 'tokens/s',
    machine: { cpu: 'x', cores: 2, memoryGib: 24, system: 'linux', node: 'v24' },
    commit: { hash: 'abc', changed: false },
    load: 0.1,
    rounds: 3,
    result: {
      contenders: [
        {
          name: 'Volley',
          role: 'volley',
          headline: { median: 30, min: 20, max: 40 },
          cpuUs: 3,
          peakRssMb: 90,
          figures: { sends: 2 },
        },
        {
          name: BARE_LOOP,
          role: 'limit',
          headline: { median: 60, min: 50, max: 70 },
          cpuUs: null,
          peakRssMb: null,
          figures: {},
        },
      ],
      faults,
    },
    bars: [{ what: 'to the limit', want: 0.4, better: 'higher', got: 0.5 }],
    notes: ['receiver: x'],
  });

  test('the newest good row of a bench counts, and a failed run never does', () => {
    const folder = mkdtempSync(join(tmpdir(), 'volley-results-'));
    try {
      const file = join(folder, 'verp.jsonl');
      for (const one of [row('2026-01-02'), row('2026-01-01'), row('2026-01-03', ['lost'])]) {
        appendRow(one, file);
      }
      expect(newestRows(['verp'], folder).map(({ at }) => at)).toEqual(['2026-01-02']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('the page shows the ratio, and keeps what people wrote', () => {
    const first = renderPage([row('2026-01-02T00:00:00')], new Map([['verp', 'It is HMAC.']]));
    expect(first).toContain('| Volley | volley | 30 (20-40) |  | 3 | 90 |');
    expect(first).toContain('| 60 (50-70) | 0.5 x |');
    expect(first).toContain('| reached |');
    expect(renderPage([], notesOf(first))).not.toContain('It is HMAC.');
    expect(renderPage([row('2026-01-02T00:00:00')], notesOf(first))).toContain('It is HMAC.');
  });
});

test('a profile is summed by function, recursion counted once', () => {
  const frame = (functionName: string) => ({ functionName, url: '/x/src/a.ts', lineNumber: 4 });
  const { functions, busyMs, idleMs } = summariseProfile({
    nodes: [
      { id: 1, callFrame: frame('(root)'), children: [2, 5] },
      { id: 2, callFrame: frame('outer'), children: [3] },
      { id: 3, callFrame: frame('inner'), children: [4] },
      { id: 4, callFrame: frame('outer') },
      { id: 5, callFrame: frame('(idle)') },
    ],
    samples: [2, 3, 4, 5],
    timeDeltas: [1_000, 2_000, 4_000, 8_000],
  });
  expect(functions.map(({ name, selfMs, totalMs }) => [name, selfMs, totalMs])).toEqual([
    ['outer', 5, 7],
    ['inner', 2, 6],
  ]);
  expect([busyMs, idleMs]).toEqual([7, 8]);
  expect(functions[0]?.where).toBe('src/a.ts:5');
});
