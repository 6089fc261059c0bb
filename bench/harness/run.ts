/**
 * bench/run — one bench in one variant: prepare, measure, print, keep.
 *
 * Promises: a bench that fails (a fault of a run, or a throw while it prepares) is said and answered
 *           with false, and the next one goes on. Its figures are neither printed nor kept.
 */
import { factsOf } from '../benches/facts.ts';
import type { Bench, Measured } from './bench.ts';
import { sentenceOf } from './entry.ts';
import { describeCommit, describeMachine, loadNow, machineLine } from './machine.ts';
import { barText, figureLines, resultTable } from './print.ts';
import { appendRow, caveatsOf, scaledNotes } from './results.ts';
import type { ResultRow } from './results.ts';
import { inScope, unlessInterrupted } from './run-scope.ts';
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
  const notes: string[] = [];
  const measured = await inScope(() => measure(bench, settings, notes, say)).catch(faultOf);
  await unlessInterrupted();
  const row: ResultRow = {
    at: new Date().toISOString(),
    bench: bench.name,
    variant,
    n: settings.n,
    unit: bench.headline.unit,
    machine: describeMachine(),
    commit: describeCommit(),
    load: loadNow(),
    rounds: settings.rounds,
    result: measured,
    bars: measured.faults.length === 0 ? bench.bars(measured, settings) : [],
    notes,
  };
  row.notes.push(...scaledNotes(row, factsOf(bench.name)));
  report(row, bench, say);
  if (settings.jsonFile !== null) appendRow(row, settings.jsonFile);
  else if (settings.keep) appendRow(row);
  return measured.faults.length === 0;
}

/** A run that failed is no number: its contenders are not in the answer. */
async function measure(
  bench: Bench,
  settings: Settings,
  notes: string[],
  say: (line: string) => void,
): Promise<Measured> {
  const prepared = await bench.prepare(settings);
  notes.push(...prepared.notes);
  try {
    const measured = await runRounds(prepared.contenders, settings.rounds, bench.headline, say);
    return measured.faults.length === 0 ? measured : { ...measured, contenders: [] };
  } finally {
    await prepared.close();
  }
}

function faultOf(error: unknown): Measured {
  return { contenders: [], faults: [sentenceOf(error)] };
}

function report(row: ResultRow, bench: Bench, say: (line: string) => void): void {
  const { commit, result } = row;
  const changed = commit.changed ? ' with changes' : '';
  say(`${machineLine(row.machine)}; commit ${commit.hash}${changed}; load ${row.load}`);
  for (const note of row.notes) say(note);
  if (result.faults.length > 0) {
    for (const fault of result.faults) say(`FAILED: ${fault}`);
    return;
  }
  const caveats = caveatsOf(row, factsOf(bench.name));
  say('');
  say(resultTable(result, bench.headline));
  for (const line of figureLines(result)) say(line);
  for (const bar of row.bars) say(barText(bar, caveats));
}
