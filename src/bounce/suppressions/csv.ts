/**
 * bounce/suppressions/csv — the list as a CSV file, out and in.
 *
 * Promises: written as kernel/csv says, with a header row; what is exported can be imported again: the
 *           apostrophe before what a spreadsheet would run is taken off. Other columns and empty lines are passed over. Memory does
 *           not grow with the file; a record is at most 64 KiB.
 * Fails:    AppError `invalid_body` (no CSV, no `email` column), `invalid_encoding` (no UTF-8): the
 *           whole file. A row that is wrong in itself is a reject, and the others go on.
 */
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
import { csvLine, withoutGuard } from '../../kernel/csv.ts';
import { AppError } from '../../kernel/errors.ts';
import { readEntry } from './entry.ts';
import type { Entry, EntryField, EntryInput } from './entry.ts';
import type { Suppression } from './suppression.ts';

export interface Reject {
  /** 1-based; the header is not counted. */
  rowNumber: number;
  /** The address as it came, cut to 320 characters. */
  input: string;
  reason: string;
}

const COLUMNS = new Map<string, EntryField>([
  ['email', 'email'],
  ['reason', 'reason'],
  ['scope', 'scope'],
  ['scope_value', 'scopeValue'],
  ['evidence', 'note'],
  ['expires_at', 'expiresAt'],
]);
const COLUMN_OF = new Map(Array.from(COLUMNS, ([column, field]) => [field, column]));
const MAX_RECORD_BYTES = 65_536;

export const REJECT_HEADER = csvLine(['row', 'input', 'reason']);

export function rejectLine({ rowNumber, input, reason }: Reject): string {
  return csvLine([String(rowNumber), input, reason]);
}

export const CSV_HEADER = csvLine([...COLUMNS.keys(), 'origin', 'created_at']);

export function suppressionLine(row: Suppression): string {
  return csvLine([
    row.addressKey,
    row.reason,
    row.scope,
    row.scopeValue,
    row.evidence ?? '',
    row.expiresAt?.toISOString() ?? '',
    row.origin,
    row.createdAt.toISOString(),
  ]);
}

export type CsvRow = { ok: true; entry: Entry } | { ok: false; reject: Reject };

/** Checked rows, the wrong ones too. */
export async function* readCsv(
  input: AsyncIterable<Uint8Array>,
  now: Date,
): AsyncGenerator<CsvRow> {
  let fields: (EntryField | null)[] | null = null;
  let rowNumber = 0;
  for await (const record of records(input)) {
    if (fields === null) {
      fields = readHeader(record);
      continue;
    }
    rowNumber += 1;
    const entry = toInput(fields, record);
    const result = readEntry(entry, now);
    if (result.ok) yield { ok: true, entry: result.value };
    else {
      const column = COLUMN_OF.get(result.field) ?? result.field;
      const reason = `${column} ${result.reason}`;
      const shown = entry.email.slice(0, 320).toWellFormed().replaceAll('\0', '\ufffd');
      yield { ok: false, reject: { rowNumber, input: shown, reason } };
    }
  }
  if (fields === null) throw new AppError('invalid_body', 'the CSV has no header row');
}

function readHeader(record: readonly string[]): (EntryField | null)[] {
  const fields = record.map((name) => COLUMNS.get(name.toLowerCase()) ?? null);
  const named = fields.filter((field) => field !== null);
  if (!named.includes('email') || new Set(named).size < named.length) {
    throw new AppError(
      'invalid_body',
      'the first row of the CSV must name the columns, separated by commas, `email` among them, each once',
    );
  }
  return fields;
}

function toInput(fields: readonly (EntryField | null)[], record: readonly string[]): EntryInput {
  const input: EntryInput = { email: '' };
  for (const [i, field] of fields.entries()) {
    const cell = record[i];
    if (field !== null && cell !== undefined) input[field] = withoutGuard(cell);
  }
  return input;
}

async function* records(input: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const parser = parse({
    skip_empty_lines: true,
    relax_column_count: true,
    trim: true,
    max_record_size: MAX_RECORD_BYTES,
  });
  // A failure of the input reaches the loop through the parser, which it destroys.
  const feeding = pipeline(decodeUtf8(input), parser).catch(() => undefined);
  try {
    for await (const record of parser as AsyncIterable<string[]>) yield record;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error['lines'] === 'number' ? ` at line ${error['lines']}` : '';
    throw new AppError('invalid_body', `the CSV cannot be read${line} (${error.code})`);
  }
  await feeding;
}

async function* decodeUtf8(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of input) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new AppError('invalid_encoding', 'the CSV must be UTF-8', { cause: error });
  }
}
