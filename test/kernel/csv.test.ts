import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvLine, withoutGuard } from '../../src/kernel/csv.ts';

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1'])('%j does not run', (cell) => {
  const [[read] = []] = parse(csvLine([cell]));

  expect(read).toBe(`'${cell}`);
});

test('every cell is read back as it was, guarded or not', () => {
  const cell = fc.oneof(fc.string(), fc.stringMatching(/^'{0,3}[=+@-][a-z]{0,3}$/));
  fc.assert(
    fc.property(fc.array(cell, { minLength: 2 }), (cells) => {
      const [read = []] = parse(csvLine(cells), { bom: false });

      expect(read.map(withoutGuard)).toEqual(cells);
      for (const each of read) expect(each).not.toMatch(/^[=+\-@\t\r]/);
    }),
  );
});
