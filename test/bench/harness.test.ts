import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { BENCHES } from '../../bench/benches/benches.ts';
import { asOneOfAll, FACTS, refuseUnheeded } from '../../bench/benches/facts.ts';
import { ENGINE_ENVIRONMENT, ENGINE_FLAGS } from '../../bench/harness/engine.ts';
import { perSecond, ratioTo, reached, sample } from '../../bench/harness/bench.ts';
import type { Contender } from '../../bench/harness/bench.ts';
import { summariseProfile } from '../../bench/harness/cpu-profile.ts';
import { startDelayProxy } from '../../bench/harness/delay-proxy.ts';
import { createMessageMaker, recipientsOf } from '../../bench/harness/message.ts';
import { heldByRun, inScope } from '../../bench/harness/run-scope.ts';
import { quantile, runRounds, spread } from '../../bench/harness/rounds.ts';
import { parseSettings } from '../../bench/harness/settings.ts';
import { startSink } from '../../bench/harness/sink.ts';
import type { Sink } from '../../bench/harness/sink.ts';
import { bareLoop, counted } from '../../bench/limits/limits.ts';

const quiet = (): void => undefined;

function contender(name: string, role: Contender['role'], rates: number[]): Contender {
  return {
    name,
    role,
    run: async (round) => sample(rates[round - 1] ?? 0, 1, { cpuSeconds: 0.5 }),
  };
}

describe('the facts of the benches', () => {
  test('every bench has them, and nothing else', () => {
    expect(Object.keys(FACTS).sort()).toEqual(BENCHES.map(({ name }) => name).sort());
  });

  test('what was asked for counts more than the size in a run of all', () => {
    expect(asOneOfAll('soak', parseSettings([]))).toMatchObject({ seconds: 20, n: null });
    expect(asOneOfAll('soak', parseSettings(['--seconds', '7']))).toMatchObject({ seconds: 7 });
  });

  test('an option that some bench of the run heeds is taken', () => {
    const settings = parseSettings(['--rtt', '5']);
    expect(() => refuseUnheeded(['verp', 'end-to-end'], settings)).not.toThrow();
    expect(() => refuseUnheeded(['verp', 'scale'], settings)).toThrow('--rtt changes nothing');
  });
});

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

  test('a contender that throws is a fault, and the others go on', async () => {
    const broken: Contender = {
      name: 'x',
      role: 'peer',
      run: async () => {
        throw new Error('did not start', { cause: new Error('no such file') });
      },
    };
    const said: string[] = [];
    const all = [broken, contender('Volley', 'volley', [1, 2])];
    const result = await runRounds(all, 2, perSecond('messages'), (line) => said.push(line));
    expect(result.faults).toEqual(['x, run 1: did not start: no such file']);
    expect(said).toEqual([
      '  1/2 x: FAILED: did not start: no such file',
      '  1/2 Volley: 1 messages/s',
      '  2/2 Volley: 2 messages/s',
    ]);
  });

  test('what a run has started is ended with it, though it throws', async () => {
    const ended: string[] = [];
    const careless: Contender = {
      name: 'x',
      role: 'volley',
      run: async () => {
        heldByRun('engine', () => void ended.push('engine'));
        throw new Error('in the middle');
      },
    };
    await inScope(async () => {
      heldByRun('sink', () => void ended.push('sink'));
      await runRounds([careless], 1, perSecond('messages'), quiet);
      expect(ended).toEqual(['engine']);
    });
    expect(ended).toEqual(['engine', 'sink']);
  });

  test('a run that failed prints no figure', async () => {
    const said: string[] = [];
    const faulty: Contender = {
      name: 'Volley',
      role: 'volley',
      run: async () => sample(1_000, 1, { faults: ['lost one', 'doubled one'] }),
    };
    await runRounds([faulty], 1, perSecond('messages'), (line) => said.push(line));
    expect(said).toEqual(['  1/1 Volley: FAILED: lost one; doubled one']);
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
    await proxy.stop();
    expect(greetedMs).toBeGreaterThan(95);
    expect(answeredMs).toBeGreaterThan(195);
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
