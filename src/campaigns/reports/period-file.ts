/**
 * campaigns/reports/period-file — a report over all campaigns as rows of a file: what the API streams
 * as CSV and XLSX, and what the daily report carries. Pure.
 *
 * Flat: the key, the name where there is one, the figures, and the figures of the period before.
 */
import { csvLine } from '../../kernel/csv.ts';
import type { Cell } from '../../kernel/csv.ts';
import { figureNames, isRate } from './figures.ts';
import type { PeriodQuery, PeriodReportRow } from './period-report.ts';

export interface FileColumn {
  title: string;
  /** Shown as a percentage. */
  isRate: boolean;
}

export interface FileForm {
  columns: FileColumn[];
  cells: (row: PeriodReportRow) => Cell[];
}

export function fileFormOf({ topic, groupBy }: Pick<PeriodQuery, 'topic' | 'groupBy'>): FileForm {
  const named = groupBy === 'sender' || groupBy === 'campaign';
  const names = figureNames(topic);
  const titles = [groupBy, ...(named ? ['name'] : []), ...names, ...names.map(before)];
  return {
    columns: titles.map((title) => ({ title, isRate: isRate(title) })),
    cells: ({ key, name, figures, before: then }) => [
      key,
      ...(named ? [name] : []),
      ...Object.values(figures),
      ...Object.values(then),
    ],
  };
}

export async function* csvOf(
  { columns, cells }: FileForm,
  pages: AsyncIterable<PeriodReportRow[]>,
): AsyncGenerator<string> {
  yield csvLine(columns.map(({ title }) => title));
  for await (const page of pages) yield page.map((row) => csvLine(cells(row))).join('');
}

function before(name: string): string {
  return `before_${name}`;
}
