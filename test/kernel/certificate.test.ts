import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { createAuthority, selfSignedCertificate } from '../../src/kernel/certificate.ts';

test('Node reads the certificate back: names, dates and a signature by its own key', () => {
  const now = new Date('2030-06-01T12:00:00Z');
  const names = [
    'mx.range.example',
    'mx1.qq.example',
    ...Array.from({ length: 60 }, (_, i) => `mx${i}.example`),
  ];
  const { cert } = selfSignedCertificate(names as [string, ...string[]], now);
  const certificate = new X509Certificate(cert);
  expect(certificate.subject).toBe('CN=mx.range.example');
  expect(certificate.checkHost('mx1.qq.example')).toBe('mx1.qq.example');
  expect(certificate.checkHost('mx1.gmail.example')).toBeUndefined();
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(new Date(certificate.validFrom).getTime()).toBeLessThan(now.getTime());
  expect(new Date(certificate.validTo).getFullYear()).toBe(2031);
});

test('an authority issues, and lets others issue below it', () => {
  const now = new Date('2030-06-01T12:00:00Z');
  const root = createAuthority('Root', now);
  const middle = root.delegate('Middle');
  const issued = middle.issue(['mx.one.example', 'mx.two.example']);
  const [leaf, issuer, ...more] = issued.cert
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .map((pem) => new X509Certificate(pem));
  const top = new X509Certificate(root.cert);

  expect(more).toEqual([]);
  expect(leaf?.checkHost('mx.two.example')).toBe('mx.two.example');
  expect([leaf?.ca, issuer?.ca, top.ca]).toEqual([false, true, true]);
  expect(leaf?.checkIssued(issuer!) === true && leaf.verify(issuer!.publicKey)).toBe(true);
  expect(issuer?.checkIssued(top) === true && issuer.verify(top.publicKey)).toBe(true);
  expect(leaf?.verify(top.publicKey)).toBe(false);
});

test('dates of an issued certificate can be chosen', () => {
  const root = createAuthority('Root', new Date());
  const validity = { from: new Date('2020-01-01'), to: new Date('2021-01-01') };
  const leaf = new X509Certificate(root.issue(['mx.example'], validity).cert);
  expect([leaf.validFromDate, leaf.validToDate]).toEqual([validity.from, validity.to]);
});
