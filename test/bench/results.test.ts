import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { endToEnd } from '../../bench/benches/end-to-end.ts';
import { perSecond, sample } from '../../bench/harness/bench.ts';
import type { Bench, ContenderResult, Prepared, Sample } from '../../bench/harness/bench.ts';
import { appendRow, publishedRows, sizeOf } from '../../bench/harness/results.ts';
import type { ResultRow } from '../../bench/harness/results.ts';
import { notesOf, renderPage } from '../../bench/harness/results-page.ts';
import { runBench } from '../../bench/harness/run.ts';
import { parseSettings } from '../../bench/harness/settings.ts';
import { BARE_LOOP } from '../../bench/limits/limits.ts';

describe('a bench that fails', () => {
  const bench = (work: () => Promise<Prepared>): Bench => ({
    name: 'test',
    measures: 'nothing',
    headline: perSecond('messages'),
    variants: (settings) => [settings],
    describe: () => ({}),
    prepare: work,
    bars: () => [{ what: 'speed', want: 1, better: 'higher', got: 2 }],
  });
  let folder = '';
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function failing(one: Bench): Promise<{ good: boolean; said: string; row: ResultRow }> {
    folder = mkdtempSync(join(tmpdir(), 'volley-failing-'));
    const jsonFile = join(folder, 'row');
    const said: string[] = [];
    const settings = { ...parseSettings(['test', '--rounds', '1']), jsonFile };
    const good = await runBench(one, settings, (line) => said.push(line));
    const row = JSON.parse(readFileSync(jsonFile, 'utf8')) as ResultRow;
    return { good, said: said.join('\n'), row };
  }

  test('has no table, no bar, and no figure in its row', async () => {
    const run = async (): Promise<Sample> => sample(77_777, 1, { faults: ['lost one'] });
    const { good, said, row } = await failing(
      bench(async () => ({
        contenders: [{ name: 'Volley', role: 'volley', run }],
        notes: [],
        close: async () => undefined,
      })),
    );
    expect(good).toBe(false);
    expect(said).not.toMatch(/77,777|speed/);
    expect(row).toMatchObject({
      bars: [],
      result: { contenders: [], faults: ['Volley, run 1: lost one'] },
    });
  });

  test('is said when it cannot even be prepared', async () => {
    const { good, said } = await failing(
      bench(async () => {
        throw new Error('no room');
      }),
    );
    expect(good).toBe(false);
    expect(said).toContain('FAILED: no room');
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

  /** A row of end-to-end, as older versions and this one wrote it. */
  function endToEndRow(at: string, more: Partial<ResultRow>, peer = true): ResultRow {
    const made = { ...row(at), bench: 'end-to-end', notes: [SMTP_SINK], n: 60_000, ...more };
    const { contenders } = made.result;
    const roles = contenders.map((one): ContenderResult =>
      one.role === 'limit' && peer ? { ...one, role: 'peer' } : one,
    );
    return { ...made, result: { ...made.result, contenders: roles } };
  }
  const SMTP_SINK = 'receiver: Postfix smtp-sink; 60,000 recipients at 50 domains';

  function published(rows: readonly ResultRow[]): string[] {
    const folder = mkdtempSync(join(tmpdir(), 'volley-results-'));
    try {
      const names = [...new Set(rows.map(({ bench }) => bench))];
      for (const one of rows) appendRow(one, join(folder, `${one.bench}.jsonl`));
      return publishedRows(names, folder).map(({ at }) => at);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  test('the newest good row of a bench counts, and a failed run never does', () => {
    const rows = [row('2027-01-02'), row('2027-01-01'), row('2027-01-03', ['lost'])];
    expect(published(rows)).toEqual(['2027-01-02']);
  });

  test.each<[string, Partial<ResultRow>, boolean]>([
    ['of less work', { n: 100 }, true],
    ['of two runs', { rounds: 2 }, true],
    ['without peers', {}, false],
    ['into our own sink', { notes: ['receiver: our own sink; 60,000 recipients'] }, true],
  ])('a newer row %s does not replace a published one', (_, more, peer) => {
    const quick = endToEndRow('2027-01-02', more, peer);
    expect(published([endToEndRow('2027-01-01', {}), quick])).toEqual(['2027-01-01']);
  });

  test('what was measured otherwise before is not shown, however good', () => {
    const rows = [endToEndRow('2026-11-24T20:54', { n: 1_000_000 }), endToEndRow('2027-01-01', {})];
    expect(published(rows)).toEqual(['2027-01-01']);
    expect(published(rows.slice(0, 1))).toEqual([]);
  });

  test('a row from before n was kept has its size in the note', () => {
    const old = endToEndRow('2027-01-01', {});
    delete old.n;
    expect(sizeOf(old)).toBe(60_000);
    expect(published([old, endToEndRow('2027-01-02', { n: 59_999 })])).toEqual(['2027-01-01']);
    expect(published([old, endToEndRow('2027-01-02', {})])).toEqual(['2027-01-02']);
  });

  test('a row of the own number of an older version gives way to that of today, not to --n', () => {
    expect(published([row('2027-01-01'), { ...row('2027-01-02'), n: 100 }])).toEqual([
      '2027-01-01',
    ]);
    expect(published([row('2027-01-01'), { ...row('2027-01-02'), n: null }])).toEqual([
      '2027-01-02',
    ]);
  });

  test('of several sizes the largest is shown', () => {
    const at = (day: string, variant: ResultRow['variant']): ResultRow => ({
      ...row(day),
      bench: 'sessions',
      variant,
    });
    const full = at('2027-01-01', { sessions: 2_000, seconds: 60, dkim: 'rsa' });
    expect(
      published([full, at('2027-01-02', { sessions: 500, seconds: 60, dkim: 'rsa' })]),
    ).toEqual(['2027-01-01']);
    expect(
      published([full, at('2027-01-02', { sessions: 2_000, seconds: 5, dkim: 'rsa' })]),
    ).toEqual(['2027-01-01']);
    const soak = (day: string, seconds: number, count: number): ResultRow => {
      const one = { ...at(day, { seconds, dkim: 'none' }), bench: 'soak', n: null };
      const [ours, ...others] = one.result.contenders;
      if (ours === undefined) return one;
      return { ...one, result: { faults: [], contenders: [{ ...ours, count }, ...others] } };
    };
    expect(published([soak('2027-01-01', 1_200, 1), soak('2027-01-02', 60, 9)])).toEqual([
      '2027-01-01',
    ]);
    expect(published([full, at('2027-01-02', { ...full.variant, dkim: 'none' })])).toHaveLength(2);
  });

  test('a campaign of a million stands beside the run with peers, and has a bar for memory', () => {
    const million = { ...parseSettings(['--dkim', 'none', '--n', '1000000']), rounds: 1 };
    const large = endToEndRow(
      '2027-01-02',
      { variant: endToEnd.describe(million), n: million.n, rounds: 1 },
      false,
    );
    const variant = endToEnd.describe({ ...million, n: 60_000 });
    expect(published([endToEndRow('2027-01-01', { variant }), large])).toHaveLength(2);
    const bars = (n: number): string[] =>
      endToEnd.bars(large.result, { ...million, n }).map(({ what }) => what);
    expect(bars(1_000_000)).toContain('peak RSS, MB');
    expect(bars(999_999)).not.toContain('peak RSS, MB');
  });

  test('one run is enough in full and for what is measured once, and is said', () => {
    const claim = (pending: number): ResultRow => ({
      ...row('2027-01-01'),
      bench: 'claim',
      variant: { pending },
      rounds: 1,
    });
    expect(published([claim(10_000_000)])).toHaveLength(1);
    expect(published([claim(1_000_000)])).toEqual([]);
    expect(published([{ ...row('x'), bench: 'soak', rounds: 1 }])).toHaveLength(1);
    const page = renderPage([claim(10_000_000), { ...claim(1_000), rounds: 3 }], new Map());
    expect(page).toContain('| reached, one run |');
    expect(page).toContain('| reached, scaled from 1,000 |');
  });

  test('the page shows the ratio, and keeps what people wrote', () => {
    const first = renderPage([row('2027-01-02T00:00:00')], new Map([['verp', 'It is HMAC.']]));
    expect(first).toContain('| Volley | volley | 30 (20-40) |  | 3 | 90 |');
    expect(first).toContain('| 60 (50-70) | 0.5 x |');
    expect(first).toContain('| reached |');
    expect(renderPage([], notesOf(first))).toMatch(/It is HMAC\.[^]*Not measured since/);
    expect(renderPage([row('2027-01-02T00:00:00')], notesOf(first))).toContain('It is HMAC.');
  });
});
