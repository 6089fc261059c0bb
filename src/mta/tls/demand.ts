/**
 * mta/tls/demand — what the TLS of one connection has to be: the operator's mode, the domain's policy,
 * and what the message asks for, put together.
 *
 * Pure. The strongest of them holds. Where DANE vouches for a host, no authority has to; where the
 * operator wants a certificate verified and the records are unusable, an authority has to.
 */
import { isIP } from 'node:net';
import type { TlsMode } from '../session-state.ts';
import type { HostPolicy, TlsPolicyName } from './policies.ts';

export interface TlsDemand {
  mode: TlsMode;
  policy: TlsPolicyName;
  /** See policies.ts; null: the host's name, by an authority. */
  dane: HostPolicy['dane'];
  /** For SNI; null: none is sent. */
  serverName: string | null;
  /** What a verified certificate must be for; null: nothing to compare with. */
  identity: string | null;
  /** Connections with other demands fail, and resume TLS sessions, apart. */
  key: string;
}

const STRENGTH: Record<TlsMode, number> = { none: 0, opportunistic: 1, required: 2, verified: 3 };
const MODE_OF: Record<HostPolicy['asks'], TlsMode> = {
  nothing: 'none',
  encryption: 'required',
  certificate: 'verified',
};

/** `policy` null: none was looked for. */
export function demandOf(mode: TlsMode, host: string | null, policy: HostPolicy | null): TlsDemand {
  const asked = MODE_OF[policy?.asks ?? 'nothing'];
  const strongest = STRENGTH[asked] > STRENGTH[mode] ? asked : mode;
  const dane = policy?.dane ?? null;
  const name = dane?.baseDomain ?? host;
  return {
    mode: strongest,
    policy: policy?.name ?? 'none',
    dane,
    serverName: name === null || isIP(name) !== 0 ? null : name,
    identity: name,
    // The names too: of one host and one record, a certificate may be right for one domain alone.
    key: [strongest, ...(dane?.names ?? []), ...(dane?.records ?? []).map(textOf)].join(' '),
  };
}

function textOf(record: NonNullable<HostPolicy['dane']>['records'][number]): string {
  const { usage, selector, matchingType, data } = record;
  return `${usage}.${selector}.${matchingType}.${Buffer.from(data).toString('base64')}`;
}
