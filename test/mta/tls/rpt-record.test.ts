import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../../src/kernel/address.ts';
import { parseReportRecord } from '../../../src/mta/tls/rpt-record.ts';

const one = (text: string) => parseReportRecord([text]);

describe('records that ask for reports', () => {
  test.each([
    ['v=TLSRPTv1; rua=mailto:tls@x.example', ['tls@x.example'], []],
    ['v=TLSRPTv1;rua=mailto:tls@x.example;', ['tls@x.example'], []],
    ['v=TLSRPTv1 ;\trua=https://r.x.example/v1?d=1', [], ['https://r.x.example/v1?d=1']],
    [
      'v=TLSRPTv1; rua=mailto:a@x.example , https://r.x.example/,mailto:b@y.example',
      ['a@x.example', 'b@y.example'],
      ['https://r.x.example/'],
    ],
    ['v=TLSRPTv1; rua=mailto:a%2Cb%21c@x.example', [], []],
    ['v=TLSRPTv1; rua=mailto:a%2Bb@x.example?subject=x', ['a+b@x.example'], []],
    ['v=TLSRPTv1; ext.1=what~ever!; rua=MAILTO:a@X.example; other=1', ['a@x.example'], []],
    ['v=TLSRPTv1; rua=ftp://x.example/,mailto:a@x.example', ['a@x.example'], []],
  ])('%s', (text, mail, web) => {
    expect(one(text)).toEqual(mail.length + web.length === 0 ? null : { mail, web });
  });

  test('the same place twice is one, and eight are enough', () => {
    const many = Array.from({ length: 20 }, (_, i) => `mailto:a${i}@x.example`);
    expect(one(`v=TLSRPTv1; rua=${many.join(',')}`)?.mail).toHaveLength(8);
    expect(one('v=TLSRPTv1; rua=mailto:a@x.example,mailto:a@x.example')?.mail).toHaveLength(1);
  });

  test('texts of others are passed over', () => {
    const texts = ['v=spf1 -all', 'v=TLSRPTv1; rua=mailto:a@x.example', 'v=TLSRPTv2; rua=x'];
    expect(parseReportRecord(texts)?.mail).toEqual(['a@x.example']);
  });
});

test.each([
  'v=TLSRPTv1',
  'v=TLSRPTv1;',
  'v=TLSRPTv1; rua=',
  'V=TLSRPTv1; rua=mailto:a@x.example',
  ' v=TLSRPTv1; rua=mailto:a@x.example',
  'rua=mailto:a@x.example; v=TLSRPTv1',
  'v=TLSRPTv1; rua = mailto:a@x.example',
  'v=TLSRPTv1; rua=mailto:a@x.example; rua=mailto:b@x.example',
  'v=TLSRPTv1; rua=mailto:a@x.example;; x=1',
  'v=TLSRPTv1; rua=mailto:a@x.example; =1',
  'v=TLSRPTv1; rua=mailto:a@x.example,,mailto:b@x.example',
  'v=TLSRPTv1; rua=mailto:a@x.example!10m',
  'v=TLSRPTv1; rua=mailto:a%0d%0aBcc:b@x.example',
  'v=TLSRPTv1; rua=mailto:%ff@x.example',
  'v=TLSRPTv1; rua=http://x.example/',
  'v=TLSRPTv1; rua=https://127.0.0.1/',
  'v=TLSRPTv1; rua=https://[::1]/,https://0x7f000001/',
  'v=TLSRPTv1; rua=https://user:pw@x.example/',
  `v=TLSRPTv1; rua=mailto:a@x.example; x=${'y'.repeat(5_000)}`,
])('nobody asks with %s', (text) => {
  expect(one(text)).toBeNull();
});

test('two records are none', () => {
  const text = 'v=TLSRPTv1; rua=mailto:a@x.example';
  expect(parseReportRecord([text, text])).toBeNull();
  expect(parseReportRecord([])).toBeNull();
});

test('whatever stands there, what comes out is an address or an https URL', () => {
  const piece = fc.constantFrom(
    ...['v=TLSRPTv1', ';', ' ', 'rua=', 'mailto:', 'https://', 'a@x.example', ',', '!', '%0a', '"'],
  );
  const text = fc
    .array(fc.oneof({ weight: 4, arbitrary: piece }, fc.string({ unit: 'binary' })), {
      maxLength: 30,
    })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        text.map((rest) => `v=TLSRPTv1; rua=${rest}`),
      ),
      (record) => {
        const places = one(record);
        for (const address of places?.mail ?? []) {
          expect(parseAddress(address)).toMatchObject({ ok: true });
          expect(address).toMatch(/^[\x21-\x7e]+$/);
        }
        for (const url of places?.web ?? []) expect(new URL(url).protocol).toBe('https:');
      },
    ),
    { numRuns: 2_000 },
  );
});
