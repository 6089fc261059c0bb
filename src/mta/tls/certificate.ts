/**
 * mta/tls/certificate — the certificates a server has shown, and the parts of them that DANE hashes.
 *
 * Promises: at most 10 certificates, from the server's own to its issuers, as they were sent.
 */
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { invariant } from '../../kernel/errors.ts';

const MAX_CHAIN = 10;

/** The server's certificate first. */
export function shownChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  // Without a certificate Node answers an object without fields.
  let next: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && chain.length < MAX_CHAIN) {
    const certificate = new X509Certificate(next.raw);
    // A root is its own issuer.
    if (seen.has(certificate.fingerprint256)) break;
    seen.add(certificate.fingerprint256);
    chain.push(certificate);
    next = next.issuerCertificate;
  }
  return chain;
}

const SEQUENCE = 0x30;
const VERSION = 0xa0;

/**
 * SubjectPublicKeyInfo, byte for byte as it stands in the certificate: exporting the key anew may
 * write it otherwise, and the hash in the DNS is over these bytes (RFC 6698 2.1.2).
 */
export function publicKeyBytes(certificate: X509Certificate): Uint8Array {
  const der = certificate.raw;
  const tbs = contentOf(der, contentOf(der, 0).start);
  let at = tbs.start;
  if (der[at] === VERSION) at = contentOf(der, at).end;
  // serialNumber, signature, issuer, validity, subject (RFC 5280 4.1).
  for (let field = 0; field < 5; field += 1) at = contentOf(der, at).end;
  invariant(der[at] === SEQUENCE, 'a certificate has a public key');
  return der.subarray(at, contentOf(der, at).end);
}

/** Where the content of the DER element at `at` begins and ends. OpenSSL has read it before us. */
function contentOf(der: Uint8Array, at: number): { start: number; end: number } {
  const first = der[at + 1] ?? 0;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  const lengthBytes = first & 0x7f;
  let length = 0;
  for (let i = 0; i < lengthBytes; i += 1) length = length * 256 + (der[at + 2 + i] ?? 0);
  const start = at + 2 + lengthBytes;
  return { start, end: start + length };
}
