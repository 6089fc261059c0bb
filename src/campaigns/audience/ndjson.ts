/**
 * campaigns/audience/ndjson — lines of JSON into checked rows.
 *
 * Promises: one array of rows per piece of text, in order; blank lines are no rows. A line that is no
 *           JSON object is a rejected row: the next one begins at the next line feed. At most one line
 *           is held, and never more than 64 KiB of it.
 * Fails:    `row_too_large`, with the row.
 */
import { AppError } from '../../kernel/errors.ts';
import { MAX_ROW_BYTES, readJsonRow } from './row.ts';
import type { CheckedRow } from './row.ts';

const LINE_FEED = 0x0a;

export async function* readNdjson(text: AsyncIterable<Buffer>): AsyncGenerator<CheckedRow[]> {
  let rest: Buffer = Buffer.alloc(0);
  let rowsRead = 0;
  for await (const piece of text) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const rows: CheckedRow[] = [];
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      if (end - start > MAX_ROW_BYTES) throw tooLarge(rowsRead + rows.length + 1);
      const row = rowOf(bytes.subarray(start, end));
      if (row !== null) rows.push(row);
      start = end + 1;
    }
    rest = Buffer.from(bytes.subarray(start));
    rowsRead += rows.length;
    if (rows.length > 0) yield rows;
    if (rest.length > MAX_ROW_BYTES) throw tooLarge(rowsRead + 1);
  }
  const last = rowOf(rest);
  if (last !== null) yield [last];
}

function rowOf(line: Buffer): CheckedRow | null {
  const text = line.toString('utf8').trim();
  return text === '' ? null : readJsonRow(text);
}

function tooLarge(row: number): AppError {
  return new AppError('row_too_large', `row ${row} is larger than ${MAX_ROW_BYTES} bytes`, {
    extra: { row },
  });
}
