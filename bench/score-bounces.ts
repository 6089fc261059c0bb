/**
 * bench/score-bounces — how well we understand bounces that others collected.
 *
 * Runs the inspection over the public test sets in ../shared/corpora (beside the repository, never
 * in it) and compares it with what those projects' own tests assert; the comparison is the one of
 * that folder's score.py, so "ok" means equal to the label. Beside it stands how many would be ok with
 * the differences that were looked at and whose label is wrong or means something else
 * (score-reasons.ts); the reasons are printed. Then classifies the replies on which other classifiers
 * agree. At last every message is read again, cut at every kilobyte: none may throw (exit code 1), and
 * the slowest is named. Without the corpora nothing was checked: exit code 2.
 *
 * Usage: node bench/score-bounces.ts [--list] [--corpora DIR]
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { classify } from '../src/bounce/classify.ts';
import { inspect } from '../src/bounce/inspect.ts';
import { inspectionLine, type InspectionLine } from '../src/bounce/report-lines.ts';
import { CONSENSUS_OF_CLASS } from '../src/bounce/report-lines.ts';
import { reasonFor } from './score-reasons.ts';
import { isUsage, UsageError } from './harness/settings.ts';
import type { What } from './score-reasons.ts';

interface ExpectedRecipient {
  recipient?: string | null;
  status?: string | null;
  hard?: boolean | null;
}

interface ExpectedRow {
  file: string;
  kind: string | null;
  recipients: ExpectedRecipient[];
  untabled?: boolean;
  contested?: boolean;
  twin?: unknown;
}

const SETS = ['sisimai', 'flufl', 'bounceparser', 'bounce_email', 'phpbh'] as const;

interface Options {
  list: boolean;
  corpora: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      list: { type: 'boolean', default: false },
      corpora: { type: 'string', default: join(import.meta.dirname, '../../shared/corpora') },
    },
  });
  if (!existsSync(values.corpora)) {
    throw new UsageError(`--corpora: ${values.corpora} is not here; nothing was checked`);
  }
  return values;
}

const options = orEnd(readOptions);

/** A mistake in the command is a sentence, and the end. */
function orEnd<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isUsage(error)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function inspectFolder(folder: string): Map<string, InspectionLine> {
  const lines = new Map<string, InspectionLine>();
  for (const path of filesUnder(folder)) {
    const file = relative(folder, path);
    lines.set(file, inspectionLine(file, inspect(readFileSync(path))));
  }
  return lines;
}

function plain(address: string | null | undefined): string {
  return (address ?? '')
    .trim()
    .replace(/^[<>]+|[<>]+$/g, '')
    .toLowerCase();
}

function addressSet(recipients: readonly ExpectedRecipient[]): Set<string> {
  return new Set(recipients.map(({ recipient }) => plain(recipient)).filter((a) => a !== ''));
}

interface Tally {
  set: string;
  counts: Map<string, number>;
  differences: string[];
  /** Differences of each count that have a reason. */
  judged: Map<string, number>;
  reasons: Map<string, string[]>;
}

function emptyTally(set: string): Tally {
  return { set, counts: new Map(), differences: [], judged: new Map(), reasons: new Map() };
}

function count(tally: Tally, name: string, by = 1): void {
  tally.counts.set(name, (tally.counts.get(name) ?? 0) + by);
}

function counts(row: ExpectedRow): boolean {
  const skipped = [row.untabled, row.contested, row.twin].some(Boolean);
  return !skipped && row.kind !== null;
}

function compare(tally: Tally, row: ExpectedRow, line: InspectionLine): void {
  count(tally, 'rows');
  if (line.kind === row.kind) count(tally, 'kind ok');
  if (line.kind !== row.kind) differ(tally, row, 'kind', row.kind, line.kind);
  compareRecipients(tally, row, line);
  if (row.kind !== 'bounce') return;
  compareHard(tally, row, line);
  compareStatus(tally, row, line);
}

function compareRecipients(tally: Tally, row: ExpectedRow, line: InspectionLine): void {
  const wanted = addressSet(row.recipients);
  const given = addressSet(line.recipients);
  if (wanted.size === 0 && row.kind !== 'none') return;
  count(tally, 'recipient rows');
  const found = wanted.intersection(given).size;
  if (found === wanted.size && found === given.size) count(tally, 'recipients exact');
  else differ(tally, row, 'recipients', [...wanted].sort(), [...given].sort());
  count(tally, 'recipients wanted', wanted.size);
  count(tally, 'recipients found', found);
  count(tally, 'recipients invented', given.size - found);
}

function compareHard(tally: Tally, row: ExpectedRow, line: InspectionLine): void {
  const wanted = new Set(row.recipients.map(({ hard }) => hard ?? null));
  const given = new Set(line.recipients.map(({ hard }) => hard));
  if (wanted.size !== 1 || wanted.has(null)) return;
  count(tally, 'hard/soft rows');
  if (given.size === 1 && wanted.isSubsetOf(given)) count(tally, 'hard/soft ok');
  else {
    const classes = line.recipients.map((each) => `${each.class} ${each.status ?? ''}`);
    differ(tally, row, 'hard', row.recipients, classes);
  }
}

function compareStatus(tally: Tally, row: ExpectedRow, line: InspectionLine): void {
  const wanted = row.recipients.map(({ status }) => status ?? '');
  const given = line.recipients.map(({ status }) => status ?? '?');
  if (wanted.length === 0 || wanted.includes('') || wanted.length !== given.length) return;
  count(tally, 'status rows');
  if (wanted.every((status, index) => status[0] === given[index]?.[0])) {
    count(tally, 'status class ok');
  } else differ(tally, row, 'status', wanted, given);
  if (wanted.some((status) => status.includes('.0.9'))) return;
  count(tally, 'status full rows');
  if (wanted.every((status, index) => status === given[index])) count(tally, 'status full ok');
}

const COUNT_OF: Readonly<Record<What, string>> = {
  kind: 'kind ok',
  recipients: 'recipients exact',
  hard: 'hard/soft ok',
  status: 'status class ok',
};

function differ(tally: Tally, row: ExpectedRow, what: What, wanted: unknown, given: unknown) {
  const reason = reasonFor(tally.set, row.file, what);
  if (reason !== null) {
    const label = COUNT_OF[what];
    tally.judged.set(label, (tally.judged.get(label) ?? 0) + 1);
    const files = tally.reasons.get(reason) ?? [];
    tally.reasons.set(reason, [...files, `${row.file} (${what})`]);
  }
  tally.differences.push(
    `${row.file}\t${what}\t${JSON.stringify(wanted)}\t${JSON.stringify(given)}`,
  );
}

function scoreSet(name: string): void {
  const folder = join(options.corpora, name);
  if (!existsSync(join(folder, 'expected.json'))) {
    console.log(`${name}: skipped, ${folder} is not here`);
    return;
  }
  const text = readFileSync(join(folder, 'expected.json'), 'utf8');
  const { rows } = JSON.parse(text) as { rows: ExpectedRow[] };
  const lines = inspectFolder(join(folder, 'raw'));
  const tally = emptyTally(name);
  for (const row of rows) {
    if (!counts(row)) count(tally, 'skipped');
    else
      compare(tally, row, lines.get(row.file) ?? { file: row.file, kind: 'none', recipients: [] });
  }
  print(name, tally);
}

/** Count -> of which rows it is a share. */
const SHARE_OF: Readonly<Record<string, string>> = {
  'kind ok': 'rows',
  'recipients exact': 'recipient rows',
  'recipients found': 'recipients wanted',
  'hard/soft ok': 'hard/soft rows',
  'status class ok': 'status rows',
  'status full ok': 'status full rows',
  'replies ok': 'replies with consensus',
};

/** In percent, of the label's own rows. */
const BARS: Readonly<Record<string, number>> = {
  'kind ok': 98,
  'recipients exact': 98,
  'hard/soft ok': 97,
  'status class ok': 98,
  'replies ok': 95,
};

function print(name: string, tally: Tally): void {
  console.log(`\n${name}`);
  for (const [label, number] of tally.counts) {
    const all = tally.counts.get(SHARE_OF[label] ?? '');
    const share = all === undefined ? '' : shareText(tally, label, number, all);
    console.log(`  ${label.padEnd(24)} ${String(number).padStart(4)}${share}`);
  }
  for (const [reason, files] of tally.reasons) {
    console.log(`  ours stands: ${files.join(', ')}: ${reason}`);
  }
  if (options.list) for (const line of tally.differences) console.log(`  - ${line}`);
}

/** Share, bar, and what it would be with the differences whose label is wrong or means another thing. */
function shareText(tally: Tally, label: string, number: number, all: number): string {
  const percent = (100 * number) / all;
  const bar = BARS[label];
  const judged = tally.judged.get(label) ?? 0;
  const verdict = bar === undefined ? '' : ` (bar ${bar} %${percent >= bar ? '' : ': BELOW'})`;
  const withReasons =
    judged === 0
      ? ''
      : `; with ${judged} looked at ${((100 * (number + judged)) / all).toFixed(1)} %`;
  return `  ${percent.toFixed(1)} %${verdict}${withReasons}`;
}

function scoreReplies(): void {
  const path = join(options.corpora, 'replies.tsv');
  if (!existsSync(path)) {
    console.log(`replies: skipped, ${path} is not here`);
    return;
  }
  const tally = emptyTally('replies');
  for (const line of readFileSync(path, 'utf8').split('\n').slice(1)) {
    const columns = line.split('\t');
    const reply = columns[1] ?? '';
    const consensus = columns[11]?.trim() ?? '';
    if (consensus === '') continue;
    count(tally, 'replies with consensus');
    const verdict = classify({ code: null, enhanced: null, text: reply, stage: null });
    if (CONSENSUS_OF_CLASS[verdict.class].includes(consensus)) count(tally, 'replies ok');
    else
      tally.differences.push(
        `${consensus}\t${verdict.class} (${verdict.rule})\t${reply.slice(0, 300)}`,
      );
  }
  print('replies', tally);
}

const CUT_BYTES = 1_024;

/** Every file of the sets, whole and cut at every kilobyte. */
function cutEverywhere(): void {
  const folders = SETS.map((name) => join(options.corpora, name, 'raw')).filter(existsSync);
  if (folders.length === 0) {
    console.log(`cut at every kilobyte: skipped, no messages in ${options.corpora}`);
    return;
  }
  const paths = folders.flatMap(filesUnder);
  const thrown: string[] = [];
  const slowest = { ms: 0, what: '' };
  let cuts = 0;
  for (const path of paths) {
    const whole = readFileSync(path);
    for (let size = 0; size < whole.length + CUT_BYTES; size += CUT_BYTES) {
      const cut = whole.subarray(0, size);
      const what = `${relative(options.corpora, path)} at ${cut.length}`;
      cuts += 1;
      const began = performance.now();
      try {
        inspect(cut);
      } catch (error) {
        thrown.push(`${what}: ${String(error)}`);
      }
      const ms = performance.now() - began;
      if (ms > slowest.ms) Object.assign(slowest, { ms, what });
    }
  }
  console.log(`\ncut at every kilobyte`);
  console.log(`  files                    ${String(paths.length).padStart(4)}`);
  console.log(`  cuts read                ${String(cuts).padStart(4)}`);
  console.log(`  thrown                   ${String(thrown.length).padStart(4)}`);
  console.log(`  slowest                  ${slowest.ms.toFixed(1)} ms, ${slowest.what}`);
  for (const line of thrown) console.log(`  - ${line}`);
  if (thrown.length > 0) process.exitCode = 1;
}

for (const name of SETS) scoreSet(name);
scoreReplies();
cutEverywhere();
