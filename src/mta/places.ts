/**
 * mta/places — the addresses of a destination, in the order to try them.
 *
 * Promises: hosts by MX preference, each with all its addresses, looked up only when their turn has
 *           come. For a host that the operator has named: as the system resolves it. With each MX host
 *           goes what the domain's TLS policies ask of it (tls/policies.ts), unless the operator has
 *           given the route a TLS mode of its own, or the request waives them.
 * Fails:    a host, or the whole destination, without an address is a step too, with the reason; so is
 *           a host that the policies keep us from.
 */
import { isIPv6 } from 'node:net';
import type { Resolver, Route } from './resolver.ts';
import type { SessionEnd } from './session-state.ts';
import type { TlsDemand } from './tls/demand.ts';
import type { HostPolicy, HostRefusal, MxHost, TlsPolicies } from './tls/policies.ts';
import type { Protection } from './transaction.ts';
import { nameOfTarget } from './transport.ts';
import type { Endpoint, SocketPath, WireTransport } from './transport.ts';

/** Where the connections of one site lead. */
export interface Destination {
  /** The domain whose MX hosts are meant. */
  domain: string;
  transport: WireTransport;
  protection: Protection;
  /** Source addresses to use; null: as the system chooses. */
  pool: string | null;
}

/** Whom we speak to, and from where. */
export interface Place {
  mxHost: string | null;
  mxAddress: string | null;
  sourceAddress: string | null;
}

export const NOWHERE: Place = { mxHost: null, mxAddress: null, sourceAddress: null };

export interface Reachable {
  place: Place & { mxAddress: string };
  to: Endpoint | SocketPath;
  /** null: none was looked for. */
  policy: HostPolicy | null;
}

/** `refusal`: what a policy says against the host. */
export type Step = Reachable | { place: Place; end: SessionEnd; refusal?: HostRefusal };

/** What places are found with. `policies` null: the domains are not asked. */
export interface Finder {
  resolver: Resolver;
  policies: TlsPolicies | null;
}

export async function* findPlaces(finder: Finder, destination: Destination): AsyncGenerator<Step> {
  const { resolver } = finder;
  const { domain, transport } = destination;
  const { to } = transport;
  if (to !== null && 'socketPath' in to) {
    yield { place: { ...NOWHERE, mxAddress: to.socketPath }, to, policy: null };
    return;
  }
  // Beside the look-up of the MX records, not after it.
  const policies = isGoverned(destination) ? (finder.policies?.forDomain(domain) ?? null) : null;
  const route = to === null ? await resolver.route(domain) : toHost(to);
  if (!route.ok) {
    yield { place: NOWHERE, end: dnsEnd(route.failure) };
    return;
  }
  for (const { name, port } of route.hosts) {
    const found = await (to === null ? resolver.addresses(name) : resolver.systemAddresses(name));
    if (!found.ok) {
      // An MX host without an address is often an accident, and nobody's mailbox is gone for it.
      const failure = found.failure === 'private_address' ? found.failure : 'dns_temporary';
      yield { place: { ...NOWHERE, mxHost: name }, end: dnsEnd(failure) };
      continue;
    }
    const { owner, secure } = found;
    const host: MxHost = { name, port, owner, mxSecure: route.secure, addressesSecure: secure };
    const policy = policies === null ? null : await policies.forHost(host);
    const kept = keptFrom(destination, policy);
    if (kept !== null) {
      yield { place: { ...NOWHERE, mxHost: name }, ...kept };
      continue;
    }
    for (const address of found.addresses) {
      const mxAddress = `${isIPv6(address) ? `[${address}]` : address}:${port}`;
      const place = { ...NOWHERE, mxHost: name, mxAddress };
      yield { place, to: { host: address, port }, policy: usable(policy) };
    }
  }
}

function toHost({ host, port }: Endpoint): Route {
  return { ok: true, hosts: [{ name: host, port, preference: 0 }], secure: false };
}

/** Whether the domain has a say. */
function isGoverned({ transport, protection }: Destination): boolean {
  if (transport.to !== null || transport.type === 'qmtp') return false;
  return protection === 'required' || (protection === 'policy' && transport.tls === null);
}

function keptFrom(
  { transport, protection }: Destination,
  policy: HostPolicy | HostRefusal | null,
): { end: SessionEnd; refusal?: HostRefusal } | null {
  if (policy !== null && 'refused' in policy) {
    return { end: { ...dnsEnd(policy.refused), tlsProblem: policy.problem }, refusal: policy };
  }
  // RFC 8689 4.2.1: who the host is must not hang on plain DNS.
  if (protection !== 'required' || transport.to !== null || policy?.authentic === 'yes')
    return null;
  return { end: dnsEnd(policy?.authentic === 'unknown' ? 'dns_temporary' : 'encryption_needed') };
}

function usable(policy: HostPolicy | HostRefusal | null): HostPolicy | null {
  return policy !== null && 'refused' in policy ? null : policy;
}

export function dnsEnd(failure: NonNullable<SessionEnd['failure']>): SessionEnd {
  return { stage: 'dns', reply: null, failure };
}

/** The domain, or the host that many domains share. */
export function nameOfSite({ domain, transport }: Destination): string {
  return transport.type === 'smtp' ? domain : (nameOfTarget(transport) ?? domain);
}

/**
 * What is learned about a host is kept under this: for another login, source, protection or demand on
 * its TLS it is another host, because it can fail in another way. One domain's policy does not keep
 * the mail of other domains from a host they share.
 */
export function memoryKey(
  { transport, protection }: Destination,
  { mxAddress, sourceAddress }: Reachable['place'],
  demand: TlsDemand,
): string {
  const user = transport.type === 'qmtp' ? null : (transport.login?.user ?? null);
  return [
    mxAddress,
    transport.type === 'smtp' ? null : transport.type,
    user,
    protection === 'policy' ? null : protection,
    demand.mode === 'opportunistic' ? null : demand.key,
    sourceAddress === null ? null : `from ${sourceAddress}`,
  ]
    .filter((part) => part !== null)
    .join(' ');
}
