import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bounceAddress,
  feedbackAddress,
  parseReturnAddress,
  unsubscribeAddress,
} from '../../src/verp/address.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { unsubscribeUrl } from '../../src/verp/link.ts';
import { signToken } from '../../src/verp/token.ts';

const ring = createKeyRing(['a secret of more than thirty-two characters']);

describe('a return address', () => {
  test.each([
    ['bounce', bounceAddress, 'delivery'],
    ['unsubscribe', unsubscribeAddress, 'unsubscribe'],
    ['feedback', feedbackAddress, 'feedback'],
  ] as const)('%s: round trip, <= 64 octets before the @', (purpose, make, kind) => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 63n - 1n), (id) => {
        const token = signToken(ring, kind, id);
        const address = make(token, 'bounce.shop.example');
        expect(address.indexOf('@')).toBeLessThanOrEqual(64);
        const expected = { purpose, token, recipient: null, domain: 'bounce.shop.example' };
        expect(parseReturnAddress(address)).toEqual(expected);
        expect(parseReturnAddress(`${address.toUpperCase()}.`)).toEqual(expected);
      }),
    );
  });

  test.each([
    'b+@x.example',
    'b+abc',
    'b+abc@',
    'b+abc@localhost',
    '@x.example',
    '',
    'bounce+abc@x.example',
    'b+abc+def@x.example',
    'b+abc@x.example@y.example',
    'xb+abc@x.example',
    'b+ab c@x.example',
    'b+abc\r\n@x.example',
    `b+${'a'.repeat(61)}@x.example`,
    'b+\u212aabc@x.example',
    'postmaster@x.example',
  ])('%j is none', (text) => {
    expect(parseReturnAddress(text)).toBeNull();
  });

  test.each([
    ['b+abc+ann=one.example@x.example', 'ann@one.example'],
    ['B+ABC+Ann.Li+news=One.example@x.example', 'Ann.Li+news@One.example'],
    ['b+abc+a=b=one.example@x.example', 'a=b@one.example'],
  ])('a recipient behind the token (XVERP): %s', (text, recipient) => {
    const expected = { purpose: 'bounce', token: 'abc', domain: 'x.example', recipient };
    expect(parseReturnAddress(text)).toEqual(expected);
  });

  test.each([
    'b+abc+=one.example@x.example',
    'b+abc+ann=@x.example',
    'u+abc+a=b.example@x.example',
  ])('no recipient, and no address: %s', (text) => {
    expect(parseReturnAddress(text)).toBeNull();
  });

  test('a domain of non-ASCII letters is folded to A-labels', () => {
    expect(parseReturnAddress('b+abc@b\u00fccher.example')?.domain).toBe('xn--bcher-kva.example');
  });
});

describe('an unsubscribe link', () => {
  test.each([
    ['https://u.example', 'https://u.example/u/tok'],
    ['https://u.example/', 'https://u.example/u/tok'],
    ['https://u.example:8443/mail//?x=1#y', 'https://u.example:8443/mail/u/tok'],
  ])('%s', (base, url) => {
    expect(unsubscribeUrl(base, 'tok')).toBe(url);
  });

  test('nothing in it can break a header line', () => {
    expect(unsubscribeUrl('https://u.example/a\r\nBcc: x', 'a\r\nb/c d')).toMatch(/^[!-~]+$/);
  });

  test('only http and https', () => {
    expect(() => unsubscribeUrl('javascript:alert(1)', 'tok')).toThrow('http');
  });
});
