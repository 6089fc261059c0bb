/**
 * bench/results — results as JSON lines in bench/results/, and which of them bench/RESULTS.md shows.
 *
 * Promises: a failed run (a lost or doubled message) is kept as failed, without figures, and is never
 *           in RESULTS.md. Rows are only added; those of older versions stay readable.
 *
 * Of the rows of one bench and variant, whatever its size, the page shows one. A row may stand there
 * when it is of three runs or more, when its bench is measured once by nature (facts.ts), or when it is
 * of the size the bars are meant at, or of one at which a run is long; never one from before its bench
 * measured what it does now (`since` in facts.ts). Of those the best one: with peers before without,
 * smtp-sink before our own sink (it costs less, so it is another measure), more work before less, three
 * runs before one, and among equals the newest.
 *
 * Why:      a quick look (`--n 100`, `--rounds 1`, without --compare, `--sink own`) was once written
 *           over the published run with peers, and nobody saw it. The price: after the engine has
 *           changed, a published row stands until somebody measures as much again; the page says of
 *           which day and commit it is.
 *
 * Rows from before `n` was kept have their size in the variant (`pending`, `rows`) or in the note on
 * the recipients; what has it in neither is of its bench's own number, which no --n replaces.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { factsOf } from '../benches/facts.ts';
import type { Facts } from '../benches/facts.ts';
import type { Bar, Measured, Variant } from './bench.ts';
import type { Commit, Machine } from './machine.ts';
import { formatNumber } from './rounds.ts';

export interface ResultRow {
  at: string;
  bench: string;
  variant: Variant;
  /** Units of work that were asked for; null: the bench's own number. Absent in older rows. */
  n?: number | null;
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
const ENOUGH_ROUNDS = 3;

export function appendRow(row: ResultRow, file = join(RESULTS, `${row.bench}.jsonl`)): void {
  mkdirSync(RESULTS, { recursive: true });
  appendFileSync(file, `${JSON.stringify(row)}\n`);
}

/** The row of each bench and variant that the page shows, in the order of `names`. */
export function publishedRows(names: readonly string[], folder = RESULTS): ResultRow[] {
  if (!existsSync(folder)) return [];
  const best = new Map<string, ResultRow>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.jsonl'))) {
    for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
      if (line === '') continue;
      const row = JSON.parse(line) as ResultRow;
      if (!mayBePublished(row)) continue;
      const key = keyOf(row);
      const known = best.get(key);
      if (known === undefined || isBetter(row, known)) best.set(key, row);
    }
  }
  const order = (row: ResultRow): number => names.indexOf(row.bench);
  return [...best.values()].sort((a, b) => order(a) - order(b));
}

function mayBePublished(row: ResultRow): boolean {
  if (row.result.faults.length > 0) return false;
  const { once, full = Infinity, onceFrom = full, since = '' } = factsOf(row.bench);
  if (row.at < since) return false;
  return row.rounds >= ENOUGH_ROUNDS || once === true || (sizeOf(row) ?? 0) >= onceFrom;
}

/** What two rows must have in common to be of one measure. */
function keyOf({ bench, variant }: ResultRow): string {
  const entries = Object.entries(variant).filter(([name]) => !isSizeName(name));
  return JSON.stringify([bench, entries]);
}

function isBetter(row: ResultRow, known: ResultRow): boolean {
  const byPeers = Number(hasPeers(row)) - Number(hasPeers(known));
  if (byPeers !== 0) return byPeers > 0;
  const byReceiver = Number(hasSmtpSink(row)) - Number(hasSmtpSink(known));
  if (byReceiver !== 0) return byReceiver > 0;
  const bySize = compareSizes(row, known);
  if (bySize !== 0) return bySize > 0;
  const byRounds = enoughRounds(row) - enoughRounds(known);
  if (byRounds !== 0) return byRounds > 0;
  return row.at > known.at;
}

/** More than enough are no better: the newest counts. */
function enoughRounds({ rounds }: ResultRow): number {
  return Math.min(rounds, ENOUGH_ROUNDS);
}

function hasPeers({ result }: ResultRow): boolean {
  return result.contenders.some(({ role }) => role === 'peer');
}

function hasSmtpSink({ notes }: ResultRow): boolean {
  return notes.some((note) => note.includes('Postfix smtp-sink'));
}

function compareSizes(a: ResultRow, b: ResultRow): number {
  const [ours, theirs] = [workOf(a), workOf(b)];
  if (ours !== null && theirs !== null) return ours - theirs;
  // Of an older version, so of the bench's own number: what was asked for with --n is no match for it.
  return Number(isOwnNumber(a)) - Number(isOwnNumber(b));
}

/** Units of work; of what is time-boxed how wide and how long, not what it got done. null: not known. */
function workOf(row: ResultRow): number | null {
  const { seconds } = row.variant;
  if (typeof seconds !== 'number') return sizeOf(row);
  return (sizeInVariant(row) ?? 1) * seconds;
}

function isOwnNumber(row: ResultRow): boolean {
  return sizeOf(row) === null || row.n === null;
}

/** Names under which a variant tells how much work a run is. */
const SIZE_NAMES = [
  ...['pending', 'rows', 'recipients', 'deliveries', 'entries', 'events', 'domains', 'sessions'],
];

function isSizeName(name: string): boolean {
  return name === 'seconds' || SIZE_NAMES.includes(name);
}

function sizeInVariant({ variant }: ResultRow): number | null {
  for (const name of SIZE_NAMES) {
    const value = variant[name];
    if (typeof value === 'number') return value;
  }
  return null;
}

/** Units of work of a row; null: it is of an older version and does not tell. */
export function sizeOf(row: ResultRow): number | null {
  const { n, result, notes } = row;
  const ours = result.contenders.find(({ role }) => role === 'volley');
  const noted = notes.flatMap((note) => /([\d,]+) recipients/.exec(note)?.[1] ?? [])[0];
  const told = noted === undefined ? null : Number(noted.replaceAll(',', ''));
  return sizeInVariant(row) ?? n ?? ours?.count ?? told;
}

/** For the notes of a row: what was scaled down, and how it is measured in full. */
export function scaledNotes(row: ResultRow, { full = 0, fullSeconds = 0 }: Facts): string[] {
  const size = sizeOf(row) ?? full;
  const seconds = secondsOf(row, fullSeconds);
  const notes: string[] = [];
  if (size < full) notes.push(`scaled down to ${formatNumber(size)}; in full: --n ${full}`);
  if (seconds < fullSeconds) notes.push(`${seconds} s; in full: --seconds ${fullSeconds}`);
  return notes;
}

function secondsOf(row: ResultRow, own: number): number {
  return Number(row.variant['seconds'] ?? own);
}

/** What a reader of a verdict must know: it is of one run, or of less work than the bar is meant for. */
export function caveatsOf(row: ResultRow, { full = 0, fullSeconds = 0 }: Facts): string[] {
  const caveats: string[] = [];
  const size = sizeOf(row) ?? full;
  const seconds = secondsOf(row, fullSeconds);
  if (size < full) caveats.push(`scaled from ${formatNumber(size)}`);
  if (seconds < fullSeconds) caveats.push(`${seconds} of ${fullSeconds} s`);
  if (row.rounds === 1) caveats.push('one run');
  return caveats;
}
