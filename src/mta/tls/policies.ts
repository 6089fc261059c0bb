/**
 * mta/tls/policies — what a domain's own policies ask of the TLS to its MX hosts: DANE, else MTA-STS.
 *
 * Promises: DANE wins over MTA-STS, host by host (RFC 8461 2), and MTA-STS never mends a DANE failure.
 *           TLSA records that are all unusable ask for encryption without a certificate (RFC 7672
 *           2.2). A host outside of an enforced policy is not used; in testing mode it is reported.
 *           A policy is a domain's: domains that share hosts share nothing here.
 * Never:    makes mail fail for good: policies change, and every failure of theirs is tried again.
 * See:      demand.ts (what becomes of it with the operator's own mode), verdict.ts (the certificate).
 */
import type { LocalFailure } from '../outcome.ts';
import type { DaneLookup } from './dane.ts';
import { tlsProblem } from './problem.ts';
import type { TlsProblem } from './problem.ts';
import { describeSts, matchesMx } from './sts-policy.ts';
import type { StsFinding, StsPolicies } from './sts.ts';
import type { TlsaRecord } from './tlsa.ts';

/** Which policy an attempt was under; goes into the events. */
export type TlsPolicyName = 'none' | 'sts' | 'dane';

/** What a report says of the policy (RFC 8460 4.2). */
export interface PolicyFacts {
  domain: string;
  type: 'tlsa' | 'sts' | 'no-policy-found';
  strings: readonly string[];
  /** The MX patterns of an MTA-STS policy. */
  mxHosts: readonly string[];
}

export interface HostPolicy {
  name: TlsPolicyName;
  /** `certificate`: one that DANE or an authority vouches for. */
  asks: 'nothing' | 'encryption' | 'certificate';
  /** Records and the names that go with them; null: the host's name, by an authority. */
  dane: { records: readonly TlsaRecord[]; names: readonly string[]; baseDomain: string } | null;
  /** Failures are reported and do no harm. */
  testing: boolean;
  /**
   * Whether it is known from more than plain DNS that this is a host of the domain (RFC 8689 4.2.1).
   * `unknown`: the domain's policy could not be asked for; asked later, it may say so.
   */
  authentic: 'yes' | 'no' | 'unknown';
  /** A failure that is known before the host is spoken to, and not enforced. */
  problem: TlsProblem | null;
  facts: PolicyFacts;
}

export interface HostRefusal {
  refused: LocalFailure;
  problem: TlsProblem;
  facts: PolicyFacts;
}

export interface MxHost {
  name: string;
  port: number;
  /** DNSSEC vouches for the MX records, and for the host's addresses. */
  mxSecure: boolean;
  addressesSecure: boolean;
  /** The name at the end of the host's aliases. */
  owner: string;
}

/** Port of the dialer. */
export interface TlsPolicies {
  /** Begins to look; `forHost` waits for it. */
  forDomain(domain: string): DomainPolicies;
}

export interface DomainPolicies {
  forHost(host: MxHost): Promise<HostPolicy | HostRefusal>;
}

export interface TlsPoliciesOptions {
  dane: DaneLookup | null;
  sts: StsPolicies | null;
}

export function createTlsPolicies({ dane, sts }: TlsPoliciesOptions): TlsPolicies {
  return {
    forDomain(domain) {
      const finding = sts?.policyOf(domain) ?? Promise.resolve(NO_STS);
      // Nobody may come to ask for it: then the failure is nobody's.
      finding.catch(() => undefined);
      return { forHost: (host) => forHost(dane, finding, domain, host) };
    },
  };
}

const NO_STS: StsFinding = { policy: null, problem: null, isKnown: true };

async function forHost(
  dane: DaneLookup | null,
  sts: Promise<StsFinding>,
  domain: string,
  host: MxHost,
): Promise<HostPolicy | HostRefusal> {
  const found =
    dane !== null && host.mxSecure && host.addressesSecure
      ? await dane.recordsOf(host.name, host.owner, host.port)
      : { kind: 'none' as const };
  switch (found.kind) {
    case 'failed': {
      const facts: PolicyFacts = { domain, type: 'tlsa', strings: [], mxHosts: [] };
      const problem = tlsProblem('dnssec-invalid', `TLSA of ${host.name}: ${found.reason}`);
      return { refused: 'dns_temporary', problem, facts };
    }
    case 'records': {
      const { records, baseDomain, texts } = found;
      const usable = records.length > 0;
      return {
        name: 'dane',
        asks: usable ? 'certificate' : 'encryption',
        dane: usable ? { records, baseDomain, names: [baseDomain, domain] } : null,
        testing: false,
        authentic: 'yes',
        problem: null,
        facts: { domain, type: 'tlsa', strings: texts, mxHosts: [] },
      };
    }
    case 'none':
      return underSts(await sts, domain, host);
  }
}

function underSts(
  { policy, problem, isKnown }: StsFinding,
  domain: string,
  host: MxHost,
): HostPolicy | HostRefusal {
  if (policy === null) {
    // Announced and not to be had: mail goes on, and the domain hears of it (RFC 8460 4.3.2.2).
    const type = problem === null ? 'no-policy-found' : 'sts';
    return {
      name: 'none',
      asks: 'nothing',
      dane: null,
      testing: false,
      authentic: host.mxSecure ? 'yes' : isKnown ? 'no' : 'unknown',
      problem,
      facts: { domain, type, strings: [], mxHosts: [] },
    };
  }
  const strings = describeSts(policy);
  const facts: PolicyFacts = { domain, type: 'sts', strings, mxHosts: policy.mx };
  const matches = matchesMx(policy.mx, host.name);
  const mismatch = tlsProblem('validation-failure', `the policy does not name ${host.name}`);
  if (!matches && policy.mode === 'enforce') {
    return { refused: 'sts_mx_mismatch', problem: mismatch, facts };
  }
  return {
    name: 'sts',
    asks: policy.mode === 'enforce' ? 'certificate' : 'nothing',
    dane: null,
    testing: policy.mode === 'testing',
    authentic: matches || host.mxSecure ? 'yes' : 'no',
    problem: matches ? null : mismatch,
    facts,
  };
}
