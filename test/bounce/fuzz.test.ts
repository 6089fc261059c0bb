import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressesIn } from '../../src/bounce/addresses.ts';
import { classify } from '../../src/bounce/classify.ts';
import { inspect } from '../../src/bounce/inspect.ts';
import { LIMITS, readMessage } from '../../src/bounce/message.ts';
import { FIXTURE_NAMES, fixture } from './fixtures.ts';

/** CPU time, so that a busy machine does not fail the test. */
function cpuMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** What the database, logs and JSON may be given. */
function plausible(raw: Buffer): void {
  const inspection = inspect(raw);
  for (const { recipient, diagnostic } of inspection.recipients) {
    expect(recipient).toMatch(/^[^<>]+@[^<>]+$/u);
    expect(diagnostic.length).toBeLessThanOrEqual(2_000);
  }
  const { envelopeId, traceToken, messageId } = inspection;
  const named = inspection.recipients.flatMap((each) => [
    each.recipient,
    each.originalRecipient,
    each.diagnostic,
  ]);
  for (const text of [...named, envelopeId, traceToken, messageId]) {
    expect(text ?? '').not.toMatch(/\p{Cc}/u);
    expect((text ?? '').isWellFormed()).toBe(true);
  }
}

const HEADER = fc.constantFrom(
  'From: MAILER-DAEMON@a.example',
  'Subject: Undelivered mail',
  'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
  'Content-Type: multipart/mixed; boundary="c"',
  'Content-Type: message/delivery-status',
  'Content-Type: message/rfc822',
  'Content-Type: text/html; charset=gb18030',
  'Content-Type: text/plain; charset=iso-2022-jp',
  'Content-Type: message/feedback-report',
  'Content-Transfer-Encoding: base64',
  'Content-Transfer-Encoding: quoted-printable',
  'X-Failed-Recipients: a@b.example, c@d.example',
  'Content-Type: ;;;=',
  ' folded',
  ':',
);
const LINE = fc.oneof(
  fc.constantFrom(
    '',
    '--b',
    '--b--',
    '--c',
    '--c--',
    'Final-Recipient: rfc822; a@b.example',
    'Status: 5.1.1',
    'Feedback-Type: abuse',
    '<a@b.example>: no such user',
    '    a@b.example',
    '>>> RCPT TO:<a@b.example>',
    '--- Below this line is a copy of the message.',
    'Received: from a by b',
    '<p>could not be delivered to a@b.example</p>',
  ),
  fc.string({ maxLength: 80 }),
  fc.string({ unit: 'binary', maxLength: 80 }),
);
const MESSAGE = fc
  .tuple(fc.array(HEADER, { maxLength: 8 }), fc.array(fc.oneof(LINE, HEADER), { maxLength: 40 }))
  .map(([headers, body]) => Buffer.from([...headers, '', ...body].join('\n'), 'utf8'));

describe('whatever comes in', () => {
  it('random octets never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4_096 }), (octets) => plausible(Buffer.from(octets))),
      { numRuns: 300 },
    );
  });

  it('random MIME structures never throw', () => {
    fc.assert(
      fc.property(MESSAGE, (raw) => plausible(raw)),
      { numRuns: 1_000 },
    );
  });

  it('random replies always get a verdict', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 300 }),
        fc.option(fc.integer({ min: 0, max: 999 })),
        (text, code) => {
          const verdict = classify({ code, enhanced: null, text, stage: null });
          expect(verdict.rule.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it.each(FIXTURE_NAMES)('%s cut at every kilobyte, and with octets turned over', (name) => {
    const whole = fixture(name);
    for (let size = 0; size <= whole.length; size += 1_024) plausible(whole.subarray(0, size));
    for (let size = 97; size <= whole.length; size += 97) plausible(whole.subarray(0, size));
    for (let at = 0; at < whole.length; at += 31) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x55;
      plausible(damaged);
    }
  });
});

describe('however much comes in', () => {
  const head = 'From: MAILER-DAEMON@a.example\nSubject: Undelivered mail\n';
  const megabytes = (text: string, count: number): string =>
    text.repeat(Math.ceil((count * 1024 * 1024) / text.length));

  function nested(depth: number): string {
    const parts: string[] = [];
    for (let at = 0; at < depth; at += 1) {
      parts.push(`Content-Type: multipart/mixed; boundary=b${at}\n\n--b${at}\n`);
    }
    return parts.join('');
  }

  it.each<[string, () => string]>([
    ['10,000 nested parts', () => head + nested(10_000)],
    [
      '10,000 parts beside each other',
      () =>
        `${head}Content-Type: multipart/mixed; boundary=b\n\n${'--b\n\n<a@b.example>: no\n'.repeat(10_000)}`,
    ],
    [
      'a body of 50 MB',
      () => `${head}\n<a@b.example>: no such user\n\n${megabytes('x y z\n', 50)}`,
    ],
    ['a line of 1 MB', () => `${head}\n<a@b.example>: no such user ${megabytes('x', 1)}\n`],
    ['a header of 1 MB', () => `${head}X: ${megabytes('y ', 1)}\n\n<a@b.example>: no such user\n`],
    ['200,000 header fields', () => `${head}${'X-A: b\n'.repeat(200_000)}\n<a@b.example>: no\n`],
    [
      'a base64 bomb',
      () => `${head}Content-Transfer-Encoding: base64\n\n${megabytes('QUFBQUFBQUFB\n', 20)}`,
    ],
    ['HTML without end', () => `${head}Content-Type: text/html\n\n${megabytes('<style><a ', 2)}`],
    ['entities only', () => `${head}Content-Type: text/html\n\n${megabytes('&#1;', 2)}`],
    ['addresses only', () => `${head}\n${megabytes('a@b.example ', 2)}`],
    ['heads only', () => `${head}\n${megabytes('<a@b.example>:\n', 2)}`],
    ['at signs only', () => `${head}\n${megabytes('@', 2)}`],
    ['quotes only', () => `${head}\n${megabytes('"', 2)}`],
    [
      '20,000 recipients',
      () =>
        `${head}Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n${Array.from(
          { length: 20_000 },
          (_each, at) =>
            `Final-Recipient: rfc822; u${at}@b.example\nDiagnostic-Code: smtp; 550 ${at} no\n\n`,
        ).join('')}`,
    ],
  ])('%s costs less than half a second and bounded memory', (_name, make) => {
    const raw = Buffer.from(make());
    expect(cpuMs(() => plausible(raw))).toBeLessThan(500);
    const { parts } = readMessage(raw);
    expect(parts.length).toBeLessThanOrEqual(LIMITS.parts);
    for (const { octets } of parts) expect(octets.length).toBeLessThanOrEqual(LIMITS.partOctets);
  });

  it('reads more than 3,000 typical reports a second on one core', () => {
    const typical = FIXTURE_NAMES.map(fixture);
    for (const raw of typical) inspect(raw);
    const rounds = 20;
    const usedMs = cpuMs(() => {
      for (let round = 0; round < rounds; round += 1) for (const raw of typical) inspect(raw);
    });
    expect((rounds * typical.length * 1_000) / usedMs).toBeGreaterThan(3_000);
  });

  it('finds no more addresses than it is asked for', () => {
    expect(addressesIn('a@b.example, '.repeat(3) + 'c@d.example e@f.example', 2)).toEqual([
      'a@b.example',
      'c@d.example',
    ]);
  });
});
