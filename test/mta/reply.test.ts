/** The parser reads what real servers send, in any chunking, within bounds. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createReplyParser } from '../../src/mta/reply.ts';
import type { ReplyEvent } from '../../src/mta/reply.ts';

function parse(text: string | Buffer): ReplyEvent[] {
  return createReplyParser().push(Buffer.from(text as string, 'latin1'));
}

/** `250 2.1.0 ok` as `250|2.1.0|ok`; garbage as `garbage`. */
function brief(events: ReplyEvent[]): string[] {
  return events.map((event) =>
    event.type === 'garbage'
      ? 'garbage'
      : `${event.reply.code}|${event.reply.enhanced ?? '-'}|${event.reply.text}`,
  );
}

describe('reads', () => {
  test.each([
    ['one line', '250 2.1.0 Ok\r\n', ['250|2.1.0|Ok']],
    ['no enhanced code', '550 User unknown\r\n', ['550|-|User unknown']],
    ['a code alone', '250\r\n', ['250|-|']],
    ['a code and a space', '250 \r\n', ['250|-|']],
    ['many lines', '250-mx.test\r\n250-SIZE 1\r\n250 DSN\r\n', ['250|-|mx.test SIZE 1 DSN']],
    [
      'the enhanced code on every line',
      '550-5.1.1 The email account\r\n550-5.1.1 does not exist\r\n550 5.1.1 gsmtp\r\n',
      ['550|5.1.1|The email account does not exist gsmtp'],
    ],
    [
      'the enhanced code on a later line',
      '451-Try\r\n451 4.7.1 later\r\n',
      ['451|4.7.1|Try later'],
    ],
    ['an enhanced code alone', '250 2.0.0\r\n', ['250|2.0.0|']],
    ['bare LF', '250-a\n250 b\n', ['250|-|a b']],
    ['replies in one piece', '250 a\r\n354 b\r\n', ['250|-|a', '354|-|b']],
    ['an IP address as no enhanced code', '554 5.1.2.3 blocked\r\n', ['554|-|5.1.2.3 blocked']],
    ['control characters as spaces', '250 a\tb\u0000c\u001b[0m\r\n', ['250|-|a b c [0m']],
    ['a CR in the line', '250 a\rb\r\n', ['250|-|a b']],
    ['empty lines of text', '250-\r\n250-\r\n250 x\r\n', ['250|-|x']],
  ])('%s', (_name, text, expected) => {
    expect(brief(parse(text))).toEqual(expected);
  });

  test('UTF-8 as UTF-8, and other bytes as Latin-1', () => {
    expect(brief(parse(Buffer.from('550 用户不存在\r\n').toString('latin1')))).toEqual([
      '550|-|用户不存在',
    ]);
    expect(brief(parse('550 \xd3\xc3\xbb\xa7\r\n'))).toEqual(['550|-|ÓÃ»§']);
  });

  test('gives the lines of EHLO one by one', () => {
    const [event] = parse('250-mx.test\r\n250-SIZE 1000\r\n250 DSN\r\n');
    expect(event).toMatchObject({ lines: ['mx.test', 'SIZE 1000', 'DSN'] });
  });
});

describe('refuses', () => {
  test.each([
    ['two codes in one reply', '250-a\r\n550 b\r\n'],
    ['no code', 'hello\r\n'],
    ['an empty line', '\r\n'],
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n'],
    ['a code of 1xx', '150 a\r\n'],
    ['a code of 6xx', '600 a\r\n'],
    ['four digits', '2500 a\r\n'],
    ['another separator', '250\ta\r\n'],
    ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x28\n'],
  ])('%s', (_name, text) => {
    expect(brief(parse(text))).toEqual(['garbage']);
  });

  test('and parses nothing after garbage', () => {
    const parser = createReplyParser();
    expect(brief(parser.push(Buffer.from('x\r\n250 a\r\n')))).toEqual(['garbage']);
    expect(parser.push(Buffer.from('250 a\r\n'))).toEqual([]);
  });
});

describe('is bounded', () => {
  test('a line of 4 KB is read, and cut in the text', () => {
    const [event] = parse(`250 ${'x'.repeat(4_200)}\r\n`);
    expect(event?.type === 'reply' && event.reply.text.length).toBe(1_000);
    expect(event?.type === 'reply' && event.lines[0]?.length).toBe(4_092);
  });

  test('a line that never ends is garbage after 64 KB', () => {
    const parser = createReplyParser();
    const events: ReplyEvent[] = [];
    for (let i = 0; i < 2_000; i += 1) events.push(...parser.push(Buffer.alloc(100, 0x78)));
    expect(brief(events)).toEqual(['garbage']);
  });

  test('a reply that never ends is garbage after 200 lines', () => {
    expect(brief(parse('250-a\r\n'.repeat(300)))).toEqual(['garbage']);
  });
});

test('any bytes in any chunking: no throw, and the same replies', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .constantFrom('250 ok\r\n', '250-a\r\n', '250 b\n', '421 4.3.2 x\r\n', '\r', '\n', '354')
      .map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 12 }),
      fc.infiniteStream(fc.nat(9)),
      (parts, sizes) => {
        const bytes = Buffer.concat(parts);
        const whole = createReplyParser().push(bytes);
        const parser = createReplyParser();
        const chunked: ReplyEvent[] = [];
        for (let at = 0; at < bytes.length;) {
          const size = 1 + (sizes.next().value as number);
          chunked.push(...parser.push(bytes.subarray(at, at + size)));
          at += size;
        }
        expect(chunked).toEqual(whole);
        for (const event of whole) {
          if (event.type !== 'reply') continue;
          expect(event.reply.code).toBeGreaterThanOrEqual(200);
          expect(event.reply.code).toBeLessThan(600);
          expect(event.reply.text).not.toMatch(/[\u0000-\u001f\u007f]/);
        }
      },
    ),
    { numRuns: 500 },
  );
});
