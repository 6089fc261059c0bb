/**
 * bench/results — results as JSON lines in bench/results/, and bench/RESULTS.md written from them.
 *
 * Promises: a failed run (a lost or doubled message) is kept as failed and is no number in
 *           RESULTS.md. RESULTS.md shows the newest good result of every bench and variant, and keeps
 *           what people wrote between the marks.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Bar, Measured, Variant } from './bench.ts';
import type { Commit, Machine } from './machine.ts';

export interface ResultRow {
  at: string;
  bench: string;
  variant: Variant;
  unit: string;
  machine: Machine;
  commit: Commit;
  load: number;
  rounds: number;
  result: Measured;
  bars: Bar[];
  notes: string[];
}

export const RESULTS = join(import.meta.dirname, '../results');

export function appendRow(row: ResultRow, file = join(RESULTS, `${row.bench}.jsonl`)): void {
  mkdirSync(RESULTS, { recursive: true });
  appendFileSync(file, `${JSON.stringify(row)}\n`);
}

/** The newest good row of each bench and variant, in the order of `names`. */
export function newestRows(names: readonly string[], folder = RESULTS): ResultRow[] {
  if (!existsSync(folder)) return [];
  const newest = new Map<string, ResultRow>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.jsonl'))) {
    for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
      if (line === '') continue;
      const row = JSON.parse(line) as ResultRow;
      const key = JSON.stringify([row.bench, row.variant]);
      const known = newest.get(key);
      if (row.result.faults.length > 0) continue;
      if (known === undefined || row.at > known.at) newest.set(key, row);
    }
  }
  const order = (row: ResultRow): number => names.indexOf(row.bench);
  return [...newest.values()].sort((a, b) => order(a) - order(b));
}
