/**
 * api/spreadsheet — rows as an XLSX file, written while they are read.
 *
 * Promises: memory does not grow with the rows. Text is text, whatever it begins with: it is written
 *           as an inline string, which no spreadsheet runs as a formula.
 * Why hucre: exceljs has had no release since 2023 and its stream writer holds what it is given
 *           (exceljs #1894); write-excel-file builds the file in memory (its #17). hucre's
 *           writeXlsxStream pulls rows and has no dependencies.
 */
import { writeXlsxStream } from 'hucre/xlsx';
import type { Cell } from '../kernel/csv.ts';

export const XLSX_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

export interface Column {
  title: string;
  /** Shown as a percentage. */
  isRate: boolean;
}

/** One sheet with a title row that stays in view. */
export async function* xlsxOf(
  name: string,
  columns: readonly Column[],
  rows: AsyncIterable<readonly Cell[]>,
): AsyncGenerator<Uint8Array> {
  const stream = writeXlsxStream(mutable(rows), {
    name,
    columns: columns.map(({ title, isRate }) => ({
      header: title,
      width: Math.max(12, title.length + 2),
      ...(isRate ? { numFmt: '0.00%' } : {}),
    })),
    freezePane: { rows: 1 },
  });
  yield* stream as unknown as AsyncIterable<Uint8Array>;
}

async function* mutable(rows: AsyncIterable<readonly Cell[]>): AsyncGenerator<Cell[]> {
  for await (const row of rows) yield [...row];
}
