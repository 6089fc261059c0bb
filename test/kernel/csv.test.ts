import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvLine } from '../../src/kernel/csv.ts';

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1'])('%j does not run', (cell) => {
  const [[read] = []] = parse(csvLine([cell]));

  expect(read).toBe(`'${cell}`);
});

test('every cell is read back, formulas with an apostrophe in front', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 2 }), (cells) => {
      const [read] = parse(csvLine(cells), { bom: false });

      expect(read).toEqual(cells.map((cell) => (/^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell)));
    }),
  );
});
