/** TLSA records against certificates of an authority made for the test. */
import { createHash, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAuthority } from '../../../src/kernel/certificate.ts';
import { publicKeyBytes } from '../../../src/mta/tls/certificate.ts';
import { isUsable, matchTlsa } from '../../../src/mta/tls/tlsa.ts';
import type { TlsaRecord } from '../../../src/mta/tls/tlsa.ts';
import { certificateFor } from '../smtp-host.ts';

const NOW = new Date('2030-06-01T12:00:00Z');
const root = createAuthority('Root', NOW);
const middle = root.delegate('Middle');
const parse = (pem: string): X509Certificate[] =>
  pem.split(/(?<=-----END CERTIFICATE-----\n)/).map((one) => new X509Certificate(one));
const [rootCert] = parse(root.cert) as [X509Certificate];
/** Leaf, Middle; with or without the root, as servers do. */
const chain = parse(middle.issue(['mx.x.test']).cert);
const [leaf, issuer] = chain as [X509Certificate, X509Certificate];
const whole = [...chain, rootCert];

/** `3 1 1` of a certificate. */
function record(
  usage: number,
  selector: number,
  matchingType: number,
  of: X509Certificate,
): TlsaRecord {
  const bytes = selector === 0 ? of.raw : publicKeyBytes(of);
  const hash = [null, 'sha256', 'sha512'][matchingType] ?? null;
  const data = hash === null ? bytes : createHash(hash).update(bytes).digest();
  return { usage, selector, matchingType, data };
}
const verdict = (records: TlsaRecord[], shown = chain, names = ['mx.x.test'], now = NOW) =>
  matchTlsa(records, names, shown, now)?.type ?? 'verified';

const SELECTORS = [0, 1];
const TYPES = [0, 1, 2];
const all = SELECTORS.flatMap((selector) => TYPES.map((type) => [selector, type] as const));

test('the public key is taken from the certificate byte for byte', async () => {
  const rsa = new X509Certificate((await certificateFor('mx.test')).ca);
  for (const certificate of [leaf, issuer, rootCert, rsa]) {
    const exported = certificate.publicKey.export({ type: 'spki', format: 'der' });
    expect(Buffer.from(publicKeyBytes(certificate)).equals(exported)).toBe(true);
  }
});

describe('usable', () => {
  test.each(all)('2 and 3 with selector %i, matching type %i', (selector, type) => {
    expect(isUsable(record(2, selector, type, issuer))).toBe(true);
    expect(isUsable(record(3, selector, type, leaf))).toBe(true);
  });

  test.each<[string, Partial<TlsaRecord>]>([
    ['PKIX-TA', { usage: 0 }],
    ['PKIX-EE', { usage: 1 }],
    ['another usage', { usage: 4 }],
    ['another selector', { selector: 2 }],
    ['another matching type', { matchingType: 3 }],
    ['a hash of the wrong length', { data: Buffer.alloc(31) }],
    ['no data', { data: Buffer.alloc(0), matchingType: 0 }],
    ['a certificate that is none', { data: Buffer.alloc(40, 1), matchingType: 0 }],
    ['a key that is none', { data: Buffer.alloc(40, 1), matchingType: 0, selector: 1 }],
  ])('not: %s', (_name, change) => {
    expect(isUsable({ ...record(3, 0, 1, leaf), ...change })).toBe(false);
  });
});

describe('DANE-EE(3)', () => {
  test.each(all)('matches by selector %i, matching type %i', (selector, type) => {
    expect(verdict([record(3, selector, type, leaf)])).toBe('verified');
    expect(verdict([record(3, selector, type, issuer)])).toBe('validation-failure');
  });

  test('minds neither names nor dates', () => {
    const old = { from: new Date('2001-01-01'), to: new Date('2002-01-01') };
    const [expired] = parse(root.issue(['other.test'], old).cert) as [X509Certificate];
    expect(verdict([record(3, 1, 1, expired)], [expired])).toBe('verified');
  });

  test('one of several records is enough, as while a key is changed', () => {
    expect(verdict([record(3, 1, 1, rootCert), record(3, 1, 1, leaf)])).toBe('verified');
  });

  test('without a certificate there is nothing to match', () => {
    expect(verdict([record(3, 1, 1, leaf)], [])).toBe('validation-failure');
  });
});

describe('DANE-TA(2)', () => {
  test.each(all)('by the issuer that is sent: selector %i, matching type %i', (selector, type) => {
    expect(verdict([record(2, selector, type, issuer)])).toBe('verified');
  });

  test.each(all)(
    'by the root, when it is sent: selector %i, matching type %i',
    (selector, type) => {
      expect(verdict([record(2, selector, type, rootCert)], whole)).toBe('verified');
    },
  );

  test.each(SELECTORS)(
    'by the root that stands in the DNS whole, not sent: selector %i',
    (selector) => {
      expect(verdict([record(2, selector, 0, rootCert)])).toBe('verified');
      expect(verdict([record(2, selector, 1, rootCert)])).toBe('certificate-not-trusted');
    },
  );

  test('wants one of the names', () => {
    const records = [record(2, 1, 1, issuer)];
    expect(verdict(records, chain, ['y.test', 'mx.x.test'])).toBe('verified');
    expect(verdict(records, chain, ['y.test'])).toBe('certificate-host-mismatch');
  });

  test('wants every certificate within its dates', () => {
    const late = new Date('2040-01-01');
    expect(verdict([record(2, 1, 1, issuer)], chain, ['mx.x.test'], late)).toBe(
      'certificate-expired',
    );
    const old = { from: new Date('2001-01-01'), to: new Date('2002-01-01') };
    const expired = [...parse(middle.issue(['mx.x.test'], old).cert)];
    expect(verdict([record(2, 1, 1, issuer)], expired)).toBe('certificate-expired');
  });

  test('the server certificate itself is no trust anchor', () => {
    expect(verdict([record(2, 1, 1, leaf)])).not.toBe('verified');
  });

  test('wants signatures, not names alone: another authority of the same name', () => {
    const imposter = createAuthority('Root', NOW).delegate('Middle');
    const [forged] = parse(imposter.issue(['mx.x.test']).cert) as [X509Certificate];
    expect(verdict([record(2, 1, 1, issuer)], [forged, issuer])).toBe('certificate-not-trusted');
    expect(verdict([record(2, 1, 1, rootCert)], [forged, ...parse(imposter.cert), rootCert])).toBe(
      'certificate-not-trusted',
    );
  });

  test('an issuer that may not issue does not count', () => {
    // A leaf that signs: made by an authority that hides behind a leaf certificate of the chain.
    const [plain] = parse(root.issue(['Middle']).cert) as [X509Certificate];
    const [below] = parse(root.delegate('Middle').issue(['mx.x.test']).cert) as [X509Certificate];
    expect(verdict([record(2, 1, 1, plain)], [below, plain])).toBe('certificate-not-trusted');
  });
});

test('no random record verifies', () => {
  fc.assert(
    fc.property(
      fc.record({
        usage: fc.integer({ min: 0, max: 255 }),
        selector: fc.integer({ min: 0, max: 3 }),
        matchingType: fc.integer({ min: 0, max: 3 }),
        data: fc.uint8Array({ minLength: 1, maxLength: 80 }),
      }),
      (one) => {
        if (isUsable(one)) expect(verdict([one], whole)).not.toBe('verified');
      },
    ),
  );
});
