import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { certificateChangedAt, loadCertificate } from '../../src/cli/certificate.ts';
import { selfSignedCertificate } from '../../src/kernel/certificate.ts';

let dataDir = '';
beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), 'volley-certificate-'))));
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const NOW = new Date('2026-03-01T12:00:00Z');
const settings = (more = {}) => ({
  dataDir,
  heloName: 'mta.shop.example',
  bounceTlsCert: undefined,
  bounceTlsKey: undefined,
  ...more,
});

test('without files: self-signed, made once, readable by nobody else, and again when it ran out', () => {
  const first = loadCertificate(settings(), NOW);
  const again = loadCertificate(settings(), new Date('2030-01-01'));
  const later = loadCertificate(settings(), new Date('2040-01-01'));

  const subject = (cert: string) => new X509Certificate(cert);
  expect(subject(first.cert).subject).toBe('CN=mta.shop.example');
  expect(subject(again.cert).serialNumber).toBe(subject(first.cert).serialNumber);
  expect(subject(later.cert).serialNumber).not.toBe(subject(first.cert).serialNumber);
  expect(statSync(join(dataDir, 'bounce-listener.pem')).mode & 0o777).toBe(0o600);
});

test('with files: those, in two or in one; a change of the files is seen', () => {
  const { cert, key } = selfSignedCertificate(['mx.shop.example'], NOW);
  const files = {
    bounceTlsCert: join(dataDir, 'cert.pem'),
    bounceTlsKey: join(dataDir, 'key.pem'),
  };
  writeFileSync(files.bounceTlsCert, cert);
  writeFileSync(files.bounceTlsKey, key);
  expect(loadCertificate(settings(files), NOW)).toEqual({ cert, key });
  const both = join(dataDir, 'both.pem');
  writeFileSync(both, cert + key);
  expect(loadCertificate(settings({ bounceTlsCert: both }), NOW).key).toBe(
    readFileSync(both, 'utf8'),
  );

  const before = certificateChangedAt(settings(files));
  utimesSync(files.bounceTlsKey, new Date(), new Date(Date.now() + 5_000));
  expect(certificateChangedAt(settings(files))).toBeGreaterThan(before);
  expect(certificateChangedAt(settings())).toBe(0);
});

test('files that are missing, or do not belong together, stop the start with their names', () => {
  const one = selfSignedCertificate(['a.example'], NOW);
  const two = selfSignedCertificate(['b.example'], NOW);
  const files = {
    bounceTlsCert: join(dataDir, 'cert.pem'),
    bounceTlsKey: join(dataDir, 'key.pem'),
  };
  const load = () => loadCertificate(settings(files), NOW);
  expect(load).toThrow(/VOLLEY_BOUNCE_TLS_CERT.*ENOENT/);
  writeFileSync(files.bounceTlsCert, one.cert);
  writeFileSync(files.bounceTlsKey, two.key);
  expect(load).toThrow(/VOLLEY_BOUNCE_TLS_CERT/);
  expect(() => loadCertificate(settings({ bounceTlsKey: files.bounceTlsKey }), NOW)).toThrow(
    'VOLLEY_BOUNCE_TLS_KEY needs VOLLEY_BOUNCE_TLS_CERT',
  );
});
