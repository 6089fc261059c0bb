/**
 * mta/source — the addresses we send from.
 *
 * Pure. A pool is a list of sources; a route or a sender names the pool. A source is a local address
 * with a HELO name of its own, or a proxy that has the address.
 *
 * `socks5`: the proxy connects for us (RFC 1928). `proxy_v1`, `proxy_v2`: a HAProxy that sends from
 * `address`, which we name in the header of its PROXY protocol.
 */
import ipaddr from 'ipaddr.js';
import { formatEndpoint } from './transport.ts';
import type { Endpoint, SocketPath } from './transport.ts';

export type Proxy =
  | ({ type: 'socks5'; login: { user: string; secret: string } | null } & Endpoint)
  | ({ type: 'proxy_v1' | 'proxy_v2' } & Endpoint);

export interface Source {
  /** Tells it from all others, of other pools too. */
  id: string;
  /** What receivers see. null: only the SOCKS proxy knows it. */
  address: string | null;
  /** null: the engine's own. */
  heloName: string | null;
  /** How often it is its turn, compared with the others; at least 1. */
  weight: number;
  proxy: Proxy | null;
}

/** Port: the engine asks it for every connection, so a changed pool takes effect at once. */
export interface SourcePools {
  /** Empty when there is no such pool. */
  find(pool: string): readonly Source[];
  /** HELO names of all pools: hosts of these names are ourselves. */
  heloNames(): readonly string[];
}

/** The pool of mail whose route and sender name none, when it has sources. */
export const DEFAULT_POOL = 'default';

export function createPools(pools: ReadonlyMap<string, readonly Source[]>): SourcePools {
  const names = [...pools.values()].flat().flatMap(({ heloName }) => heloName ?? []);
  const heloNames = [...new Set(names.map((name) => name.toLowerCase()))];
  return { find: (pool) => pools.get(pool) ?? [], heloNames: () => heloNames };
}

/** What an attempt was sent from, in a report. */
export function describeSource({ id, address, proxy }: Source): string {
  return address ?? (proxy === null ? id : `${proxy.type} ${formatEndpoint(proxy)}`);
}

/** An IPv4 address reaches IPv4 hosts only, and so on. */
export function canReach({ address }: Source, to: Endpoint | SocketPath): boolean {
  if ('socketPath' in to || address === null) return true;
  return ipaddr.IPv4.isValid(address) === ipaddr.IPv4.isValid(to.host);
}
