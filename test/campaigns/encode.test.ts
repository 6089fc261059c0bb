import fc from 'fast-check';
import PostalMime from 'postal-mime';
import { describe, expect, test } from 'vitest';
import { chooseEncoding, encodePart } from '../../src/campaigns/source/encode.ts';
import type { TransferEncoding } from '../../src/campaigns/source/encode.ts';
import { subjectField, toField } from '../../src/campaigns/source/headers.ts';
import { subjectLine } from '../../src/campaigns/source/subject.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.string({
    unit: fc.constantFrom(' ', '\t', '\n', '\r', '.', '-', '=', 'a', 'é'),
    maxLength: 400,
  }),
  fc.string({ unit: fc.constantFrom('a', 'b', '漢', '😀'), minLength: 200, maxLength: 600 }),
);

async function decode(part: Buffer, encoding: TransferEncoding): Promise<string> {
  const head = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
  const { text } = await PostalMime.parse(Buffer.concat([Buffer.from(head), part]));
  return text ?? '';
}

describe.each(['quoted-printable', 'base64'] as const)('%s', (encoding) => {
  test('any text comes back, in 7-bit lines of at most 76', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const part = encodePart(text, encoding);
        const lines = part.toString('latin1').split('\r\n');
        for (const line of lines) {
          expect(line).toMatch(/^[\t\x20-\x7e]{0,76}$/);
          expect(line).not.toMatch(/^[.-]|[ \t]$/);
        }
        const whole = text.toWellFormed().replace(/\r\n?/g, '\n');
        expect((await decode(part, encoding)).replace(/\r\n/g, '\n').replace(/\n$/, '')).toBe(
          whole.replace(/\n$/, ''),
        );
      }),
      { numRuns: 500 },
    );
  });
});

test('text that is mostly not ASCII goes as base64', () => {
  expect(chooseEncoding(['Grüße aus Köln, und bis bald'])).toBe('quoted-printable');
  expect(chooseEncoding(['尊敬的客户，您好'])).toBe('base64');
  expect(chooseEncoding([''])).toBe('quoted-printable');
});

describe('header fields', () => {
  const FROM = 'From: a@b.example\r\n';
  const parse = (field: string) => PostalMime.parse(`${FROM}${field}\r\n`);

  function expectField(field: string): void {
    expect(field).toMatch(
      /^(?:Subject|To): ?\S[\t\x20-\x7e]*(?:\r\n [\x21-\x7e][\x20-\x7e]*)*\r\n$/,
    );
  }

  test('any subject comes back as one line', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const line = subjectLine(text);
        if (line === '') return;
        const field = subjectField(line);
        expectField(field);
        for (const part of field.split('\r\n')) {
          expect(part.length).toBeLessThanOrEqual(
            line.split(' ').some((w) => w.length > 60) ? 998 : 76,
          );
        }
        expect((await parse(field)).subject).toBe(line);
      }),
      { numRuns: 300 },
    );
  });

  test('any name comes back beside its address, and never as another address', async () => {
    const address = 'ann.o@one.example';
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const name = text
          .replace(/[\p{Cc}\u2028\u2029]/gu, '')
          .trim()
          .slice(0, 200)
          .toWellFormed();
        const field = toField(name, address);
        expectField(field);
        const { to } = await parse(field);
        expect(to?.map((entry) => entry.address)).toEqual([address]);
        expect(to?.[0]?.name.replace(/\s+/g, ' ')).toBe(name.replace(/\s+/g, ' '));
      }),
      { numRuns: 300 },
    );
  });

  test('the longest subject and a word too long for a line', async () => {
    for (const text of ['x'.repeat(1_000), 'ab '.repeat(333), '漢'.repeat(1_000)]) {
      const line = subjectLine(text);
      const field = subjectField(line);
      expect(Math.max(...field.split('\r\n').map((part) => part.length))).toBeLessThan(77);
      expect((await parse(field)).subject).toBe(line);
    }
  });
});
