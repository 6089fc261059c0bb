/**
 * kernel/csv — CSV for people who open it in a spreadsheet.
 *
 * Promises: RFC 4180 (CRLF, quotes doubled), UTF-8. A cell that a spreadsheet would run as a formula
 *           gets an apostrophe in front, which it shows as text: what a stranger wrote into an
 *           upload must not run on the operator's machine (OWASP "CSV injection"). Apostrophes before
 *           such a character get one more, so that `withoutGuard` gives back what was there.
 */
const FORMULA = /^'*[=+\-@\t\r]/;
const GUARD = /^'(?='*[=+\-@\t\r])/;
const SPECIAL = /[",\r\n]/;

export type Cell = string | number | null;

/** One line, with its line end. */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** What was written as a cell, of a file that comes back. */
export function withoutGuard(cell: string): string {
  return cell.replace(GUARD, '');
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return SPECIAL.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
