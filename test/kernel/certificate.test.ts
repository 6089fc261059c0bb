import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { selfSignedCertificate } from '../../src/kernel/certificate.ts';

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
