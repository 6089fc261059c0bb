/** The texts of MTA-STS, good and bad. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchesMx, parseStsPolicy, parseStsRecord } from '../../../src/mta/tls/sts-policy.ts';

describe('the TXT record', () => {
  test.each<[string, string[], string | null]>([
    ['plain', ['v=STSv1; id=20260301T000000;'], '20260301T000000'],
    ['without the last semicolon', ['v=STSv1; id=1'], '1'],
    ['other fields are passed over', ['v=STSv1; x=y; id=2; z=w'], '2'],
    ['other records are passed over', ['v=spf1 -all', 'v=STSv1;id=3'], '3'],
    ['two of them are none', ['v=STSv1; id=1', 'v=STSv1; id=2'], null],
    ['no id', ['v=STSv1;'], null],
    ['an id with other characters', ['v=STSv1; id=a-b'], null],
    ['an id too long', [`v=STSv1; id=${'a'.repeat(33)}`], null],
    ['another version', ['v=STSv2; id=1'], null],
    ['the version does not come first', ['id=1; v=STSv1'], null],
    ['nothing', [], null],
  ])('%s', (_name, texts, id) => {
    expect(parseStsRecord(texts)).toBe(id);
  });
});

describe('the policy', () => {
  const text = (...lines: string[]): string => lines.join('\r\n');
  const GOOD = ['version: STSv1', 'mode: enforce', 'mx: mx.x.test', 'max_age: 86400'];

  test.each<[string, string, unknown]>([
    ['plain', text(...GOOD), { mode: 'enforce', mx: ['mx.x.test'], maxAgeSeconds: 86_400 }],
    ['LF alone', GOOD.join('\n'), { mode: 'enforce' }],
    ['names in any case', text(...GOOD, 'mx: MX2.X.test.'), { mx: ['mx.x.test', 'mx2.x.test'] }],
    ['unknown fields', text(...GOOD, 'colour: red', 'no colon at all'), { mode: 'enforce' }],
    ['the first of two modes', text(...GOOD, 'mode: none'), { mode: 'enforce' }],
    [
      'max_age is at most a year',
      text(...GOOD).replace('86400', '99999999'),
      { maxAgeSeconds: 31_557_600 },
    ],
    [
      'none needs no mx',
      text('version: STSv1', 'mode: none', 'max_age: 0'),
      { mode: 'none', mx: [] },
    ],
  ])('%s', (_name, given, expected) => {
    expect(parseStsPolicy(given)).toMatchObject({ ok: true, ...(expected as object) });
  });

  test.each([
    ['empty', ''],
    ['HTML', '<html>version: STSv1</html>'],
    ['no version', text(...GOOD.slice(1))],
    ['another mode', text(...GOOD).replace('enforce', 'enforced')],
    ['no max_age', text(...GOOD.slice(0, 3))],
    ['a negative max_age', text(...GOOD).replace('86400', '-1')],
    ['no mx', text('version: STSv1', 'mode: testing', 'max_age: 1')],
    ['an mx that is no name', text(...GOOD, 'mx: *.*.x.test')],
    ['too many', text(...GOOD, ...Array.from({ length: 300 }, (_, i) => `mx: m${i}.x.test`))],
  ])('none: %s', (_name, given) => {
    expect(parseStsPolicy(given).ok).toBe(false);
  });

  test('any text is read or refused, never more', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (given) => {
        expect(typeof parseStsPolicy(given).ok).toBe('boolean');
      }),
    );
  });
});

describe('MX patterns', () => {
  test.each<[string, string, boolean]>([
    ['mx.x.test', 'MX.x.test.', true],
    ['mx.x.test', 'mx2.x.test', false],
    ['*.x.test', 'a.x.test', true],
    ['*.x.test', 'a.b.x.test', false],
    ['*.x.test', 'x.test', false],
    ['*.x.test', 'ax.test', false],
    ['x.test', 'a.x.test', false],
  ])('%s and %s: %s', (pattern, host, matches) => {
    expect(matchesMx([pattern], host)).toBe(matches);
  });
});
