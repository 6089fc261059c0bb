import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentFault, headerSection, messageIdOf } from '../../src/range/smtp/content.ts';
import { decodeXtext, parseCommand } from '../../src/range/smtp/command.ts';
import { MAX_LINE_BYTES, SmtpInput } from '../../src/range/smtp/input.ts';

function cut(text: string, sizes: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const chunks: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function receive(wire: string, sizes: readonly number[]): { content: string; rest: string } {
  const input = new SmtpInput();
  const parts: Buffer[] = [];
  let ended = false;
  input.beginContent();
  for (const chunk of cut(wire, sizes)) {
    input.push(chunk);
    if (!ended) ended = input.takeContent((slice) => parts.push(Buffer.from(slice))) === 'end';
  }
  const rest: Buffer[] = [];
  input.takeBytes(1_000_000, (slice) => rest.push(slice));
  expect(ended).toBe(true);
  return {
    content: Buffer.concat(parts).toString('latin1'),
    rest: Buffer.concat(rest).toString('latin1'),
  };
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
/** Made of what the end of a message is made of. */
const line = fc
  .string({ unit: fc.constantFrom('.', 'a', '\r', '\n', ' '), maxLength: 8 })
  .filter((text) => !text.includes('\r\n') && !text.endsWith('\r'));

test('dot-stuffed content comes out as it was, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), sizes, (lines, cuts) => {
      const content = lines.map((item) => `${item}\r\n`).join('');
      const stuffed = lines.map((item) => `${item.startsWith('.') ? '.' : ''}${item}\r\n`).join('');
      const got = receive(`${stuffed}.\r\nMAIL FROM:<>\r\n`, cuts);
      expect(got).toEqual({ content, rest: 'MAIL FROM:<>\r\n' });
    }),
    { numRuns: 500 },
  );
});

test.each(['\n.\n', '\n.\r\n', '\r.\r\n', '\r\n.\n', '\r\n.\r'])(
  'a smuggled end %j stays content',
  (end) => {
    const { content } = receive(`a${end}MAIL FROM:<x@y.example>\r\n.\r\n`, [7]);
    expect(content).toContain('MAIL FROM');
  },
);

test('lines come whole, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 10 }),
      sizes,
      (texts, cuts) => {
        const lines = texts.map((text) => text.replace(/[\r\n]/g, ''));
        const wire = Buffer.from(lines.map((text) => `${text}\r\n`).join(''), 'utf8').toString(
          'latin1',
        );
        const input = new SmtpInput();
        const got: string[] = [];
        for (const chunk of cut(wire, cuts)) {
          input.push(chunk);
          for (let item = input.takeLine(); item !== null; item = input.takeLine()) {
            if (item.kind === 'line') got.push(item.text);
          }
        }
        expect(got).toEqual(lines);
      },
    ),
  );
});

test('a line without an end does not grow the buffer', () => {
  const input = new SmtpInput();
  input.push(Buffer.alloc(MAX_LINE_BYTES + 1, 'a'));
  expect(input.takeLine()).toEqual({ kind: 'too_long' });
  expect(input.available).toBe(0);
});

test.each([
  ['MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME', { kind: 'mail', address: 'a@b.example' }],
  ['mail from:<>', { kind: 'mail', address: '' }],
  ['RCPT TO:<"a> b"@c.example>', { kind: 'rcpt', address: '"a> b"@c.example' }],
  ['RCPT TO: <a@b.example>', { kind: 'rcpt', address: 'a@b.example' }],
  ['RCPT FROM:<a@b.example>', { kind: 'syntax' }],
  ['RCPT TO:a@b.example', { kind: 'syntax' }],
  ['MAIL FROM:<a\u0000@b.example>', { kind: 'syntax' }],
  ['BDAT 10 LAST', { kind: 'bdat', sizeBytes: 10, last: true }],
  ['BDAT -1', { kind: 'syntax' }],
  ['EHLO', { kind: 'syntax' }],
  ['DATA now', { kind: 'syntax' }],
  ['quit', { kind: 'quit' }],
  ['XYZZY 1', { kind: 'unknown', verb: 'XYZZY' }],
  ['', { kind: 'unknown', verb: '' }],
])('%j is read', (text, command) => {
  expect(parseCommand(text)).toMatchObject(command);
});

test('no line can make the parser throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseCommand(text)));
});

test.each([
  ['a+2Bb', 'a+b'],
  ['rfc822;ann+2Bx@b.example', 'rfc822;ann+x@b.example'],
  ['a+0D+0Ab', null],
  ['a=b', null],
  ['a+2', null],
])('xtext %s is %s', (text, plain) => {
  expect(decodeXtext(text)).toBe(plain);
});

test('content is checked against RFC 5321', () => {
  const check = (text: string, eightBit = false) => contentFault(Buffer.from(text), eightBit);
  expect(check('a: b\r\n\r\nc\r\n')).toBeNull();
  expect(check('a\nb\r\n')).toBe('bare_newline');
  expect(check('\na\r\n')).toBe('bare_newline');
  expect(check(`${'a'.repeat(998)}\r\n`)).toBeNull();
  expect(check(`${'a'.repeat(999)}\r\n`)).toBe('line_too_long');
  expect(check('中\r\n')).toBe('eight_bit_undeclared');
  expect(check('中\r\n', true)).toBeNull();
});

test('the Message-ID is found in the header section only', () => {
  const find = (text: string) => messageIdOf(headerSection(Buffer.from(text)));
  expect(find('From: a\r\nMessage-Id: <1@x>\r\n\r\nbody')).toBe('<1@x>');
  expect(find('Message-ID:\r\n <2@x>\r\n\r\nbody')).toBe('<2@x>');
  expect(find('From: a\r\n\r\nMessage-ID: <3@x>\r\n')).toBeNull();
});
