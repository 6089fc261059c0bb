import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asciiDomain, parseAddress } from '../../src/kernel/address.ts';

test.each([
  ['ann@example.com', 'ann@example.com', 'ann@example.com'],
  [' Ann.Lee@Example.COM ', 'Ann.Lee@example.com', 'ann.lee@example.com'],
  ['用户@例子.中国', '用户@xn--fsqu00a.xn--fiqs8s', '用户@xn--fsqu00a.xn--fiqs8s'],
  ['"a b"@example.com', '"a b"@example.com', '"a b"@example.com'],
  ['"Ann"@example.com', '"Ann"@example.com', 'ann@example.com'],
  ['"a\\n.n"@example.com', '"a\\n.n"@example.com', 'an.n@example.com'],
  ['"a..b"@example.com', '"a..b"@example.com', '"a..b"@example.com'],
  ["o'hara+tag@example.co.kr", "o'hara+tag@example.co.kr", "o'hara+tag@example.co.kr"],
])('%s is taken as %s', (input, address, key) => {
  expect(parseAddress(input)).toMatchObject({ ok: true, value: { address, key } });
});

test.each([
  ['', 'is empty'],
  ['ann', 'has no @'],
  ['@example.com', 'has nothing before the @'],
  ['a..b@example.com', 'has a character or dot that is not allowed'],
  ['a b@example.com', 'has a character or dot that is not allowed'],
  ['a@example', 'has no valid domain after the @'],
  ['a@10.0.0.1', 'has no valid domain after the @'],
  ['a@exa_mple..com', 'has no valid domain after the @'],
  ['a@example.com/evil.example', 'has no valid domain after the @'],
  ['a@example.com?x=1', 'has no valid domain after the @'],
  ['a@example.com#x', 'has no valid domain after the @'],
  ['a@ex%61mple.com', 'has no valid domain after the @'],
  ['a@example.com\\x', 'has no valid domain after the @'],
  ['a@example.com:25', 'has no valid domain after the @'],
  ['a@[192.0.2.1]', 'has no valid domain after the @'],
  [`${'a'.repeat(65)}@example.com`, 'has more than 64 octets before the @'],
  ['a@example.com\r\nRCPT TO:<b@example.com>', 'contains a control character'],
  ['a\u0000@example.com', 'contains a control character'],
  ['<a@example.com>', 'has a character or dot that is not allowed'],
])('%j is refused: %s', (input, reason) => {
  expect(parseAddress(input)).toEqual({ ok: false, reason });
});

test('no accepted address can break out of an SMTP command', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
      const result = parseAddress(`${text}@example.com`);

      if (result.ok) expect(result.value.address).not.toMatch(/[\u0000-\u001f\u007f]/);
    }),
  );
});

test('domains become lower-case ASCII', () => {
  expect(asciiDomain('EXAMPLE.com.')).toBe('example.com');
  expect(asciiDomain('한국.kr')).toBe('xn--3e0b707e.kr');
});

test('a domain that is taken is the one that was written', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 30 }), (text) => {
      const written = `${text}.example`.toLowerCase();
      const domain = asciiDomain(written);
      if (domain !== null) expect(domain).toBe(written);
    }),
    { numRuns: 5_000 },
  );
});
