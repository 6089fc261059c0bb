/** cli/table — what a command prints: an aligned table for people, JSON for programs. */
import Table from 'cli-table3';

const BARE = {
  chars: {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  },
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
};

export type Cell = string | number | bigint | boolean | null | undefined;

/** Columns of numbers are right-aligned. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const colAligns = head.map((_, column) =>
    rows.length > 0 && rows.every((row) => isNumber(row[column])) ? 'right' : 'left',
  );
  const table = new Table({ ...BARE, head: [...head], colAligns });
  for (const row of rows) table.push(row.map((cell) => String(cell ?? '')));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

function isNumber(cell: Cell): boolean {
  return typeof cell === 'number' || typeof cell === 'bigint';
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** bigint as number: counts stay far below 2^53. */
export function printJson(value: unknown): void {
  print(
    JSON.stringify(
      value,
      (_, item: unknown) => (typeof item === 'bigint' ? Number(item) : item),
      2,
    ),
  );
}
