/**
 * mta/places — the addresses of a destination, in the order to try them.
 *
 * Promises: hosts by MX preference, each with all its addresses, looked up only when their turn has
 *           come. For a host that the operator has named: as the system resolves it.
 * Fails:    a host, or the whole destination, without an address is a step too, with the reason.
 */
import { isIPv6 } from 'node:net';
import type { Resolver, Route } from './resolver.ts';
import type { SessionEnd } from './session-state.ts';
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
}

export type Step = Reachable | { place: Place; end: SessionEnd };

export async function* findPlaces(
  resolver: Resolver,
  { domain, transport }: Destination,
): AsyncGenerator<Step> {
  const { to } = transport;
  if (to !== null && 'socketPath' in to) {
    yield { place: { ...NOWHERE, mxAddress: to.socketPath }, to };
    return;
  }
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
    for (const host of found.addresses) {
      const mxAddress = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
      yield { place: { ...NOWHERE, mxHost: name, mxAddress }, to: { host, port } };
    }
  }
}

function toHost({ host, port }: Endpoint): Route {
  return { ok: true, hosts: [{ name: host, port, preference: 0 }] };
}

export function dnsEnd(failure: NonNullable<SessionEnd['failure']>): SessionEnd {
  return { stage: 'dns', reply: null, failure };
}

/** The domain, or the host that many domains share. */
export function nameOfSite({ domain, transport }: Destination): string {
  return transport.type === 'smtp' ? domain : (nameOfTarget(transport) ?? domain);
}

/**
 * What is learned about a host is kept under this: for another login, source or protection it is
 * another host, because it can fail in another way.
 */
export function memoryKey(
  { transport, protection }: Destination,
  { mxAddress, sourceAddress }: Reachable['place'],
): string {
  const user = transport.type === 'qmtp' ? null : (transport.login?.user ?? null);
  return [
    mxAddress,
    transport.type === 'smtp' ? null : transport.type,
    user,
    protection === 'policy' ? null : protection,
    sourceAddress === null ? null : `from ${sourceAddress}`,
  ]
    .filter((part) => part !== null)
    .join(' ');
}
