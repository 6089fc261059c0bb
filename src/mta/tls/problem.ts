/**
 * mta/tls/problem — what can be wrong with the TLS of a session, in the words of RFC 8460 4.3.
 *
 * Pure. One vocabulary for outcomes and for the reports that domains ask for (TLS-RPT).
 */
export const TLS_PROBLEMS = [
  'starttls-not-supported',
  'certificate-host-mismatch',
  'certificate-expired',
  'certificate-not-trusted',
  'validation-failure',
  'tlsa-invalid',
  'dnssec-invalid',
  'dane-required',
  'sts-policy-fetch-error',
  'sts-policy-invalid',
  'sts-webpki-invalid',
] as const;
export type TlsProblemType = (typeof TLS_PROBLEMS)[number];

export interface TlsProblem {
  type: TlsProblemType;
  /** For people: what was seen. At most 200 characters. */
  detail: string;
}

export function tlsProblem(type: TlsProblemType, detail: string): TlsProblem {
  return { type, detail: detail.replace(/[^\x20-\x7e]/g, ' ').slice(0, 200) };
}

/** What a handshake led to. */
export interface Secured {
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384` */
  description: string;
  /** null: the certificate is what was demanded, or would be. */
  problem: TlsProblem | null;
}

/** Codes that Node and OpenSSL give to what is wrong with a certificate. */
const TYPES: Record<string, TlsProblemType> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate-host-mismatch',
  HOSTNAME_MISMATCH: 'certificate-host-mismatch',
  CERT_HAS_EXPIRED: 'certificate-expired',
  CERT_NOT_YET_VALID: 'certificate-expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate-not-trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate-not-trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate-not-trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate-not-trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate-not-trusted',
  CERT_UNTRUSTED: 'certificate-not-trusted',
  CERT_REJECTED: 'certificate-not-trusted',
  INVALID_CA: 'certificate-not-trusted',
};

export function certificateProblem(code: string): TlsProblem {
  return tlsProblem(TYPES[code] ?? 'validation-failure', code);
}
