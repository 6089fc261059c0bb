/** bench/run — one bench in one variant: prepare, measure, print, keep. */
import type { Bench } from './bench.ts';
import { describeCommit, describeMachine, loadNow, machineLine } from './machine.ts';
import { barText, figureLines, resultTable } from './print.ts';
import { appendRow } from './results.ts';
import type { ResultRow } from './results.ts';
import { runRounds } from './rounds.ts';
import type { Settings } from './settings.ts';

/** Answers whether every message was accounted for. */
export async function runBench(
  bench: Bench,
  settings: Settings,
  say: (line: string) => void,
): Promise<boolean> {
  const variant = bench.describe(settings);
  const title = Object.entries(variant).map(([name, value]) => `${name}=${value}`);
  say(`\n== ${bench.name} ${title.join(' ')}: ${bench.measures}`);
  const prepared = await bench.prepare(settings);
  try {
    const measured = await runRounds(prepared.contenders, settings.rounds, bench.headline, say);
    const row: ResultRow = {
      at: new Date().toISOString(),
      bench: bench.name,
      variant,
      unit: bench.headline.unit,
      machine: describeMachine(),
      commit: describeCommit(),
      load: loadNow(),
      rounds: settings.rounds,
      result: measured,
      bars: bench.bars(measured, settings),
      notes: prepared.notes,
    };
    report(row, bench, say);
    if (settings.jsonFile !== null) appendRow(row, settings.jsonFile);
    else if (settings.keep) appendRow(row);
    return measured.faults.length === 0;
  } finally {
    await prepared.close();
  }
}

function report(row: ResultRow, bench: Bench, say: (line: string) => void): void {
  const { commit, result } = row;
  const changed = commit.changed ? ' with changes' : '';
  say(`${machineLine(row.machine)}; commit ${commit.hash}${changed}; load ${row.load}`);
  for (const note of row.notes) say(note);
  say('');
  say(resultTable(result, bench.headline));
  for (const line of figureLines(result)) say(line);
  for (const bar of row.bars) say(barText(bar));
  for (const fault of result.faults) say(`FAILED: ${fault}`);
}
