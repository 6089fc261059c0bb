import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatId, parseId } from '../../src/kernel/ids.ts';

const MAX_ID = 2n ** 63n - 1n;
const ids = fc.oneof(fc.bigInt(0n, MAX_ID), fc.bigInt(0n, 100_000n), fc.constant(32n ** 7n));

test('an id comes back, and sorts like its number', () => {
  expect(formatId('cmp', 7n)).toBe('cmp_0000000000007');
  expect(formatId('dlv', MAX_ID)).toBe('dlv_7zzzzzzzzzzzz');
  fc.assert(
    fc.property(ids, ids, (one, other) => {
      const text = formatId('dlv', one);
      expect(parseId('dlv', text)).toBe(one);
      expect(text < formatId('dlv', other)).toBe(one < other);
    }),
  );
});

test.each([
  ['another prefix', 'cmp_0000000000007'],
  ['a letter that no id has', 'dlv_000000000000u'],
  ['upper case', 'dlv_000000000000A'],
  ['a digit more', 'dlv_00000000000007'],
  ['over 63 bits', 'dlv_8000000000000'],
])('%s is no id', (_name, text) => {
  expect(parseId('dlv', text)).toBeNull();
});
