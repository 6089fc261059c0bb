/**
 * bench/results-page — bench/RESULTS.md from the results that may stand there (results.ts).
 *
 * Promises: what people wrote (between `<!-- notes NAME -->` and `<!-- end -->`) stays as it is: why a
 *           bar is missed, what was tried, what binds.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { factsOf } from '../benches/facts.ts';
import { machineLine } from './machine.ts';
import { barText, figureLines, ratioText, spreadText, verdictText } from './print.ts';
import { caveatsOf, publishedRows } from './results.ts';
import type { ResultRow } from './results.ts';
import { formatNumber } from './rounds.ts';

export const RESULTS_PAGE = join(import.meta.dirname, '../RESULTS.md');

export async function writeResultsPage(names: readonly string[]): Promise<void> {
  const rows = publishedRows(names);
  const before = existsSync(RESULTS_PAGE) ? readFileSync(RESULTS_PAGE, 'utf8') : '';
  const text = renderPage(rows, notesOf(before));
  writeFileSync(
    RESULTS_PAGE,
    await format(text, { parser: 'markdown', printWidth: 100, singleQuote: true }),
  );
}

/** What people wrote, by name. */
export function notesOf(page: string): Map<string, string> {
  const notes = new Map<string, string>();
  for (const [, name = '', text = ''] of page.matchAll(
    /<!-- notes (\S+) -->\n([\s\S]*?)<!-- end -->/g,
  )) {
    if (text.trim() !== '') notes.set(name, text.trim());
  }
  return notes;
}

export function renderPage(rows: readonly ResultRow[], notes: Map<string, string>): string {
  const parts = [
    '# Benchmark results',
    'Written by `npm run bench` from `bench/results/`; what stands between the marks is written by hand. ' +
      'Machines are noisy: compare ratios of one run, not figures of two. A run in which a bench found a ' +
      'message lost or doubled is not here. "scaled from": with less work than the bar is meant for.',
    noteBlock('summary', notes),
    barsTable(rows),
  ];
  let last = '';
  for (const row of rows) {
    if (row.bench !== last) parts.push(`## ${row.bench}`, noteBlock(row.bench, notes));
    last = row.bench;
    parts.push(section(row));
  }
  // What people wrote is theirs: it waits for the next measurement.
  const shown = new Set(['summary', ...rows.map(({ bench }) => bench)]);
  for (const name of notes.keys()) {
    if (!shown.has(name)) parts.push(`## ${name}`, noteBlock(name, notes), NOT_MEASURED);
  }
  return `${parts.join('\n\n')}\n`;
}

const NOT_MEASURED =
  'Not measured since this bench or what it measures changed; what is written above is of before.';

function noteBlock(name: string, notes: Map<string, string>): string {
  return `<!-- notes ${name} -->\n${notes.get(name) ?? ''}\n<!-- end -->`;
}

function variantText(row: ResultRow): string {
  return Object.entries(row.variant)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function barsTable(rows: readonly ResultRow[]): string {
  const lines = rows.flatMap((row) => {
    const caveats = caveatsOf(row, factsOf(row.bench));
    return row.bars.map((bar) => {
      const want = `${bar.better === 'higher' ? '≥' : '≤'} ${formatNumber(bar.want)}`;
      const got = bar.got === null ? 'not measured' : formatNumber(bar.got);
      const verdict = verdictText(bar, caveats, '**missed**');
      return `| ${row.bench}, ${variantText(row)} | ${bar.what} | ${want} | ${got} | ${verdict} |`;
    });
  });
  return ['| bench | measure | bar | measured | |', '|---|---|---|---|---|', ...lines].join('\n');
}

function section(row: ResultRow): string {
  const { commit, result } = row;
  const ours = result.contenders.find(({ role }) => role === 'volley');
  const caveats = caveatsOf(row, factsOf(row.bench));
  const lines = result.contenders.map((one) => {
    const cpu = one.cpuUs === null ? '-' : formatNumber(one.cpuUs);
    const ratio = ratioText(ours, one);
    return `| ${one.name} | ${one.role} | ${spreadText(one.headline)} | ${ratio} | ${cpu} | ${one.peakRssMb ?? '-'} |`;
  });
  return [
    `### ${variantText(row) || 'as it is'}`,
    `${row.at.slice(0, 16)}Z, commit ${commit.hash}${commit.changed ? ' with changes' : ''}, ` +
      `${machineLine(row.machine)}, load ${row.load}, ${row.rounds} runs each. ${row.notes.join('. ')}`,
    [
      `| | | ${row.unit}, median (min-max) | Volley is | CPU us each | peak RSS MB |`,
      '|---|---|---|---|---|---|',
      ...lines,
    ].join('\n'),
    figureLines(result)
      .map((line) => `- ${line}`)
      .concat(row.bars.map((bar) => `- ${barText(bar, caveats)}`))
      .join('\n'),
  ].join('\n\n');
}
