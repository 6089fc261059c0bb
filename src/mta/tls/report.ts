/**
 * mta/tls/report — how the TLS of one session went, for the domain that may have asked to hear of it
 * (TLS-RPT, RFC 8460).
 *
 * Pure. Promises: one result a session that came as far as TLS, good or bad; a host that a policy kept
 *           us from counts as a failed session. A session that goes on in clear after TLS broke is
 *           the same failure, not another one. Hosts that the operator has named are nobody's report.
 */
import type { SessionEnd } from '../session-state.ts';
import type { HostPolicy, PolicyFacts } from './policies.ts';
import { tlsProblem } from './problem.ts';
import type { Secured, TlsProblem } from './problem.ts';

export interface TlsResult {
  policy: PolicyFacts;
  mxHost: string | null;
  /** IP address of the host. */
  receivingIp: string | null;
  sendingIp: string | null;
  /** null: the session was as the policy wants it. */
  problem: TlsProblem | null;
}

/** Port: what becomes of results. Must not throw, and must not wait. */
export type TlsReporter = (result: TlsResult) => void;

const IN_CLEAR = tlsProblem('starttls-not-supported', 'the session went on in clear');

/** Of a session that is open; `tls` null: in clear. */
export function problemOfOpen(policy: HostPolicy, tls: Secured | null): TlsProblem | null {
  if (policy.problem !== null) return policy.problem;
  if (tls === null) return IN_CLEAR;
  // Without a policy nobody said what the certificate should be.
  return policy.asks === 'certificate' || policy.testing ? tls.problem : null;
}

/** Of a session that ended before it was open; undefined: that was not about TLS. */
export function problemOfEnd(end: SessionEnd): TlsProblem | undefined {
  if (end.stage !== 'starttls') return undefined;
  return end.tlsProblem ?? tlsProblem('validation-failure', 'the TLS handshake failed');
}
