/**
 * mta/tls/tlsa — TLSA records against the certificates a server has shown (RFC 6698, RFC 7671, 7672).
 *
 * Pure, but for the clock it is given. Only usages 2 (DANE-TA) and 3 (DANE-EE) count for SMTP, with
 * selectors 0 and 1 and matching types 0, 1 and 2; records of other kinds are unusable (RFC 7672 3.1).
 *
 * Promises: DANE-EE(3) compares the server's certificate or key, and neither names nor dates (3.1.1).
 *           DANE-TA(2) wants a chain of valid signatures from the server's certificate to one that a
 *           record names, every certificate in it within its dates and the issuers allowed to issue,
 *           and one of `names` in the server's certificate (3.1.2, 3.2.2).
 * Why:      Node verifies chains against roots only, and asks for them before the handshake; a record
 *           may name any certificate of the chain, or one that is not sent (matching type 0).
 */
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { publicKeyBytes } from './certificate.ts';
import { tlsProblem } from './problem.ts';
import type { TlsProblem } from './problem.ts';

export interface TlsaRecord {
  usage: number;
  selector: number;
  matchingType: number;
  data: Uint8Array;
}

const TRUST_ANCHOR = 2;
const END_ENTITY = 3;
const HASHES: Record<number, { name: string; bytes: number }> = {
  1: { name: 'sha256', bytes: 32 },
  2: { name: 'sha512', bytes: 64 },
};

export function isUsable({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  if (usage !== TRUST_ANCHOR && usage !== END_ENTITY) return false;
  if (selector !== 0 && selector !== 1) return false;
  if (matchingType === 0) return data.length > 0 && anchorOf(selector, data) !== null;
  return HASHES[matchingType]?.bytes === data.length;
}

/** null: the server is who the records say. `chain`: its certificate first. */
export function matchTlsa(
  records: readonly TlsaRecord[],
  names: readonly string[],
  chain: readonly X509Certificate[],
  now: Date,
): TlsProblem | null {
  const [leaf] = chain;
  if (leaf === undefined) return tlsProblem('validation-failure', 'no certificate was shown');
  if (records.some((record) => record.usage === END_ENTITY && matches(record, leaf))) return null;
  const anchors = records.filter(({ usage }) => usage === TRUST_ANCHOR);
  if (anchors.length === 0) return tlsProblem('validation-failure', 'no TLSA record matches');
  const broken = walk(anchors, chain, leaf, now);
  if (broken !== null) return broken;
  if (names.some((name) => leaf.checkHost(name, { subject: 'default' }) !== undefined)) return null;
  return tlsProblem('certificate-host-mismatch', `not for ${names.join(', ')}`);
}

function matches({ selector, matchingType, data }: TlsaRecord, shown: X509Certificate): boolean {
  const bytes = selector === 0 ? shown.raw : publicKeyBytes(shown);
  const hash = HASHES[matchingType];
  const digest = hash === undefined ? bytes : createHash(hash.name).update(bytes).digest();
  return Buffer.from(digest).equals(data);
}

/** From the server's certificate upwards, until one is, or is signed by, a trust anchor. */
function walk(
  anchors: readonly TlsaRecord[],
  chain: readonly X509Certificate[],
  leaf: X509Certificate,
  now: Date,
): TlsProblem | null {
  const left = new Set(chain);
  let current = leaf;
  for (;;) {
    left.delete(current);
    if (!isInTime(current, now)) {
      return tlsProblem('certificate-expired', `${current.validFrom} to ${current.validTo}`);
    }
    if (anchors.some((record) => issuedByAnchor(record, current, now))) return null;
    const issuer = [...left].find((one) => isIssuer(one, current));
    if (issuer === undefined) {
      return tlsProblem('certificate-not-trusted', 'no TLSA record matches the chain');
    }
    const anchor = anchors.some((record) => matches(record, issuer));
    if (anchor)
      return isInTime(issuer, now) ? null : tlsProblem('certificate-expired', 'the issuer');
    current = issuer;
  }
}

/** A trust anchor that stands whole in the DNS need not be sent. */
function issuedByAnchor(record: TlsaRecord, current: X509Certificate, now: Date): boolean {
  if (record.matchingType !== 0) return false;
  const anchor = anchorOf(record.selector, record.data);
  if (anchor instanceof X509Certificate) return isIssuer(anchor, current) && isInTime(anchor, now);
  return anchor !== null && current.verify(anchor);
}

function isIssuer(issuer: X509Certificate, issued: X509Certificate): boolean {
  return issuer.ca && issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}

function isInTime({ validFromDate, validToDate }: X509Certificate, now: Date): boolean {
  return validFromDate <= now && now <= validToDate;
}

function anchorOf(selector: number, data: Uint8Array) {
  try {
    return selector === 0
      ? new X509Certificate(data)
      : createPublicKey({ key: Buffer.from(data), format: 'der', type: 'spki' });
  } catch {
    // Neither a certificate nor a key: nothing can match it.
    return null;
  }
}
