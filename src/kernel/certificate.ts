/**
 * kernel/certificate — certificates made on the spot (X.509 v3, RFC 5280; P-256): self-signed ones, an
 * authority, and what it issues.
 *
 * For the hosts of the practice range, and for the bounce listener until it is given one: mail hosts
 * encrypt to a certificate without believing it (RFC 7435). Authorities are for practice alone: their
 * keys live as long as the process.
 *
 * Why ours: the one well-kept package for it brings twenty others, two of which change global
 *           objects at import. A certificate is some lines of DER; Node signs it and reads it back.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  key: string;
  /** PEM; of an issued one followed by its issuers, without the root. */
  cert: string;
}

export interface Authority {
  /** PEM of the authority's own certificate. */
  cert: string;
  /** For `names`, the first is the subject. */
  issue(names: readonly [string, ...string[]], validity?: Validity): Certificate;
  /** An authority below this one. */
  delegate(name: string): Authority;
}

/** Default: from yesterday, for a year from now. */
export interface Validity {
  from: Date;
  to: Date;
}

const DAY_MS = 86_400_000;
const SEQUENCE = 0x30;
const SET = 0x31;

/** Tag, length, value. */
function der(tag: number, ...values: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(values);
  const { length } = value;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), value]);
  const bytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...bytes]), value]);
}

/** An object identifier, given as its DER body. */
const oid = (...body: number[]): Buffer => der(0x06, Buffer.from(body));
const ECDSA_SHA256 = oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
const COMMON_NAME = oid(0x55, 0x04, 0x03);
const SUBJECT_ALT_NAME = oid(0x55, 0x1d, 0x11);
const BASIC_CONSTRAINTS = oid(0x55, 0x1d, 0x13);
const KEY_USAGE = oid(0x55, 0x1d, 0x0f);
const TRUE = der(0x01, Buffer.from([0xff]));

function distinguishedName(name: string): Buffer {
  const value = der(0x0c, Buffer.from(name.slice(0, 64), 'utf8'));
  return der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, value)));
}

/** GeneralizedTime: `20260101000000Z`. */
function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
}

function subjectAlternatives(names: readonly string[]): Buffer {
  const list = der(SEQUENCE, ...names.map((item) => der(0x82, Buffer.from(item, 'ascii'))));
  return der(SEQUENCE, SUBJECT_ALT_NAME, der(0x04, list));
}

/** It may issue others; keyCertSign is the sixth bit. */
function authorityExtensions(): Buffer[] {
  return [
    der(SEQUENCE, BASIC_CONSTRAINTS, TRUE, der(0x04, der(SEQUENCE, TRUE))),
    der(SEQUENCE, KEY_USAGE, TRUE, der(0x04, der(0x03, Buffer.from([2, 0x04])))),
  ];
}

interface Content {
  subject: string;
  issuer: string;
  publicKey: KeyObject;
  signingKey: KeyObject;
  validity: Validity;
  extensions: readonly Buffer[];
}

function certificatePem(content: Content): string {
  const { publicKey, signingKey, validity } = content;
  const algorithm = der(SEQUENCE, ECDSA_SHA256);
  const serial = Buffer.concat([Buffer.from([0x01]), randomBytes(15)]);
  const body = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    distinguishedName(content.issuer),
    der(SEQUENCE, time(validity.from), time(validity.to)),
    distinguishedName(content.subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, ...content.extensions)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, signingKey)]);
  const certificate = der(SEQUENCE, body, algorithm, der(0x03, signature));
  const lines = certificate.toString('base64').replace(/(.{64})(?=.)/g, '$1\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function newKeys(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function daysFrom(now: Date, days = 365): Validity {
  const ms = now.getTime();
  return { from: new Date(ms - DAY_MS), to: new Date(ms + days * DAY_MS) };
}

/** Valid from yesterday for `days`, for `names` (the first is the subject). */
export function selfSignedCertificate(
  names: readonly [string, ...string[]],
  now: Date,
  days = 365,
): Certificate {
  const { privateKey, publicKey } = newKeys();
  const cert = certificatePem({
    subject: names[0],
    issuer: names[0],
    publicKey,
    signingKey: privateKey,
    validity: daysFrom(now, days),
    extensions: [subjectAlternatives(names)],
  });
  return { key: keyPem(privateKey), cert };
}

/** A root. */
export function createAuthority(name: string, now: Date): Authority {
  const keys = newKeys();
  const cert = certificatePem({
    subject: name,
    issuer: name,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    validity: daysFrom(now),
    extensions: authorityExtensions(),
  });
  return authorityOf({ name, cert, key: keys.privateKey, above: '', now });
}

interface AuthorityFacts {
  name: string;
  cert: string;
  key: KeyObject;
  /** PEM of what stands between it and the root, itself included; empty for the root. */
  above: string;
  now: Date;
}

function authorityOf(facts: AuthorityFacts): Authority {
  const { name, cert, key, above, now } = facts;
  const certify = (subject: string, publicKey: KeyObject, more: Partial<Content>): string =>
    certificatePem({
      subject,
      issuer: name,
      publicKey,
      signingKey: key,
      validity: daysFrom(now),
      extensions: authorityExtensions(),
      ...more,
    });
  return {
    cert,
    issue(names, validity = daysFrom(now)) {
      const { privateKey, publicKey } = newKeys();
      const extensions = [subjectAlternatives(names)];
      const own = certify(names[0], publicKey, { validity, extensions });
      return { key: keyPem(privateKey), cert: own + above };
    },
    delegate(child) {
      const { privateKey, publicKey } = newKeys();
      const own = certify(child, publicKey, {});
      return authorityOf({ name: child, cert: own, key: privateKey, above: own + above, now });
    },
  };
}
