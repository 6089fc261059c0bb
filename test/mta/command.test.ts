/** Commands say what RFC 5321 and the offered extensions want, and nothing unsafe. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bdatCommand,
  fitsXverp,
  greetCommand,
  isSafe,
  mailCommand,
  needsUtf8,
  rcptCommand,
  xtext,
} from '../../src/mta/command.ts';
import { parseCapabilities } from '../../src/mta/capabilities.ts';
import { endOf, stuffLines } from '../../src/mta/dot-stuffing.ts';
import { describeFailure } from '../../src/mta/failure.ts';

const PLAIN = {
  sender: 'a@b.test',
  sizeBytes: null,
  dsn: null,
  eightBit: false,
  utf8: false,
  requireTls: false,
  xverp: false,
};

describe('commands', () => {
  test.each([
    ['bare', PLAIN, 'MAIL FROM:<a@b.test>'],
    ['null sender', { ...PLAIN, sender: '' }, 'MAIL FROM:<>'],
    ['size', { ...PLAIN, sizeBytes: 1234 }, 'MAIL FROM:<a@b.test> SIZE=1234'],
    ['8-bit', { ...PLAIN, eightBit: true }, 'MAIL FROM:<a@b.test> BODY=8BITMIME'],
    ['REQUIRETLS', { ...PLAIN, requireTls: true }, 'MAIL FROM:<a@b.test> REQUIRETLS'],
    ['XVERP', { ...PLAIN, xverp: true }, 'MAIL FROM:<a@b.test> XVERP'],
    ['UTF-8', { ...PLAIN, utf8: true }, 'MAIL FROM:<a@b.test> SMTPUTF8'],
    [
      'DSN',
      { ...PLAIN, dsn: { envelopeId: 'a+b=c d' } },
      'MAIL FROM:<a@b.test> RET=HDRS ENVID=a+2Bb+3Dc+20d',
    ],
    ['DSN without an id', { ...PLAIN, dsn: { envelopeId: null } }, 'MAIL FROM:<a@b.test> RET=HDRS'],
    [
      'an id that is too long',
      { ...PLAIN, dsn: { envelopeId: 'x'.repeat(101) } },
      'MAIL FROM:<a@b.test> RET=HDRS',
    ],
  ])('MAIL: %s', (_name, parameters, line) => {
    expect(mailCommand(parameters)).toBe(`${line}\r\n`);
  });

  test('RCPT', () => {
    expect(rcptCommand('a@b.test', false)).toBe('RCPT TO:<a@b.test>\r\n');
    expect(rcptCommand('a+x=y@b.test', true)).toBe(
      'RCPT TO:<a+x=y@b.test> NOTIFY=FAILURE ORCPT=rfc822;a+2Bx+3Dy@b.test\r\n',
    );
    expect(rcptCommand('用户+x@b.test', true)).toBe(
      'RCPT TO:<用户+x@b.test> NOTIFY=FAILURE ORCPT=utf-8;\\x{7528}\\x{6237}\\x{2B}x@b.test\r\n',
    );
  });

  test('the others', () => {
    expect(greetCommand('EHLO', 'me.test')).toBe('EHLO me.test\r\n');
    expect(bdatCommand(12)).toBe('BDAT 12 LAST\r\n');
    expect(needsUtf8('é@x.test')).toBe(true);
  });

  test.each([
    ['b+token@bounce.test', ['ann@one.test', 'bob@one.test'], true],
    ['b+token@bounce.test', [`${'a'.repeat(47)}@one.test`], true],
    ['b+token@bounce.test', ['ann@one.test', `${'a'.repeat(48)}@one.test`], false],
    ['b+token@bounce.test', ['"a b"@one.test'], false],
    ['b+token@bounce.test', ['用户@one.test'], false],
    ['', ['ann@one.test'], false],
  ])('whether XVERP fits %s and %j', (sender, recipients, fits) => {
    expect(fitsXverp(sender, recipients)).toBe(fits);
  });

  test.each(['a\rb', 'a\nb', 'a\0b', 'a\r\nRCPT TO:<evil@x.test>'])('refuses %j', (text) => {
    expect(isSafe(text)).toBe(false);
    expect(() => mailCommand({ ...PLAIN, sender: text })).toThrow();
    expect(() => rcptCommand(text, true)).toThrow();
    expect(() => greetCommand('EHLO', text)).toThrow();
  });

  test('xtext is printable ASCII without + and = of its own, and reversible', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const coded = xtext(text);
        expect(coded).toMatch(/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/);
        const bytes = coded.replace(/\+(..)/g, (_all, hex: string) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        );
        expect(Buffer.from(bytes, 'latin1').toString('utf8')).toBe(Buffer.from(text).toString());
      }),
    );
  });
});

describe('capabilities', () => {
  test('all of them, in any case and order', () => {
    const lines = [
      'mx.test hello',
      'pipelining',
      'SIZE 35882577',
      '8BITMIME',
      'STARTTLS',
      'AUTH PLAIN login',
      'DSN',
      'SMTPUTF8',
      'CHUNKING',
      'ENHANCEDSTATUSCODES',
      'REQUIRETLS',
      'XVERP',
      'LIMITS MAILMAX=20 RCPTMAX=100 FOO=x',
      'X-UNKNOWN 1',
    ];
    expect(parseCapabilities(lines)).toEqual({
      pipelining: true,
      startTls: true,
      sizeLimitBytes: 35_882_577,
      eightBitMime: true,
      dsn: true,
      smtpUtf8: true,
      chunking: true,
      enhancedStatusCodes: true,
      requireTls: true,
      xverp: true,
      auth: ['PLAIN', 'LOGIN'],
      limits: { mailMax: 20, rcptMax: 100, rcptDomainMax: null },
    });
  });

  test.each([
    ['not offered', ['mx'], null],
    ['no number', ['mx', 'SIZE'], 0],
    ['zero', ['mx', 'SIZE 0'], 0],
    ['nonsense', ['mx', 'SIZE lots'], 0],
    ['too many digits', ['mx', `SIZE ${'9'.repeat(40)}`], 0],
  ])('SIZE %s', (_name, lines, expected) => {
    expect(parseCapabilities(lines).sizeLimitBytes).toBe(expected);
  });

  test('the name of the receiver is no keyword; a limit of 0 is none', () => {
    expect(parseCapabilities(['PIPELINING']).pipelining).toBe(false);
    expect(parseCapabilities(['mx', 'LIMITS RCPTMAX=0 MAILMAX']).limits.rcptMax).toBe(null);
    expect(parseCapabilities([]).dsn).toBe(false);
  });
});

describe('dot-stuffing', () => {
  const stuffed = (text: string): string | null => {
    const lines = Buffer.from(text);
    const result = stuffLines(lines);
    return result === null ? null : result.toString() + endOf(lines);
  };
  test.each([
    ['plain', 'a\r\n', 'a\r\n.\r\n'],
    ['no last line end', 'a', 'a\r\n.\r\n'],
    ['empty', '', '.\r\n'],
    ['first line', '.a\r\n', '..a\r\n.\r\n'],
    ['a dot alone', '.\r\n', '..\r\n.\r\n'],
    ['many', 'a\r\n.\r\n..b\r\n.c', 'a\r\n..\r\n...b\r\n..c\r\n.\r\n'],
    ['dots inside lines', 'a.b\r\nc.', 'a.b\r\nc.\r\n.\r\n'],
    ['a dot after a bare LF', 'a\n.\r\n', null],
    ['a dot after a bare CR', 'a\r.\r\n', null],
    ['a dot after LF at the start', '\n.\r\n', null],
  ])('%s', (_name, text, expected) => {
    expect(stuffed(text)).toBe(expected);
  });

  test('copies nothing when there is nothing to do', () => {
    const message = Buffer.from('a\r\nb\r\n');
    expect(stuffLines(message)).toBe(message);
  });

  test('is undone by the receiver, and the end is found only at the end', () => {
    const line = fc.constantFrom('', '.', '..', '.a', 'b', ' .');
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const message = lines.map((text) => `${text}\r\n`).join('');
        const wire = stuffed(message) ?? '';
        expect(`\r\n${wire}`.indexOf('\r\n.\r\n')).toBe(wire.length - 3);
        expect(wire.slice(0, -3).replace(/^\./gm, '')).toBe(message);
      }),
    );
  });
});

test('a permanent failure has an enhanced code of 5, a temporary one of 4', () => {
  for (const name of [
    'null_mx',
    'connection_lost',
    'too_large',
    'aborted',
    'tls_failed',
    'requiretls_unsupported',
  ] as const) {
    const facts = describeFailure(name);
    expect(facts.enhanced.startsWith(facts.permanent ? '5' : '4')).toBe(true);
  }
});
