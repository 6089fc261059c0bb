/**
 * mta/dial — finds a host of a destination that takes our connection.
 *
 * Promises: hosts in MX order, each with all its addresses, at most five connections tried. A host
 *           whose TLS fails is tried once more in clear, and remembered (host-memory.ts), when TLS is
 *           opportunistic; never when it is required. We never connect to our own listeners, nor, by
 *           MX, to a host that has greeted us with our own name; hosts behind it are not tried, they
 *           would bring the mail back (RFC 5321 5.1).
 * Fails:    with one SiteFailure that says most: a receiver's reply before silence, the best host
 *           before its backups; `rejected` only when no host left hope.
 */
import { isIPv6 } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Clock } from '../kernel/clock.ts';
import type { Capabilities } from './capabilities.ts';
import { openConnection } from './connection.ts';
import type { Connection, ConnectionListener } from './connection.ts';
import type { HostMemory } from './host-memory.ts';
import type { LocalFailure } from './outcome.ts';
import type { Addresses, Resolver, Route } from './resolver.ts';
import type { SessionEnd, TlsMode } from './session.ts';
import { resultOf } from './session-state.ts';
import type { Timeouts } from './timeouts.ts';
import type { SiteFailure } from './transaction.ts';
import type { WireTransport } from './transport.ts';

/** Where the connections of one site lead. */
export interface Destination {
  /** The domain whose MX hosts are meant. */
  domain: string;
  transport: WireTransport;
}

export interface Dialer {
  resolver: Resolver;
  memory: HostMemory;
  /** Whether we listen there ourselves. */
  isOurs: (address: string, port: number) => boolean;
  heloName: string;
  tls: TlsMode;
  timeouts: Timeouts;
  connectTimeoutMs: number;
  secureContext: SecureContext;
  now: Clock;
}

/** Whom we speak to. */
export interface Place {
  mxHost: string | null;
  mxAddress: string | null;
}

/** What happens on a connection once it is ready. */
export type LiveListener = Omit<ConnectionListener, 'ready'>;

export type Dialed =
  | { ok: true; connection: Connection; capabilities: Capabilities; place: Place }
  | { ok: false; failure: SiteFailure };

const MAX_TRIED = 5;
const NOWHERE: Place = { mxHost: null, mxAddress: null };

/**
 * `isLive`: whether there is a connection to that address already. Then it works, and only takes no
 * more connections now; it is not remembered as failing.
 */
export async function dial(
  dialer: Dialer,
  destination: Destination,
  isLive: (address: string) => boolean,
  live: LiveListener,
): Promise<Dialed> {
  const startedAt = dialer.now();
  const failures: { place: Place; end: SessionEnd }[] = [];
  const giveUp = (): Dialed => ({ ok: false, failure: worst(dialer, startedAt, failures) });
  const route = await findHosts(dialer, destination);
  if (!route.ok) {
    failures.push({ place: NOWHERE, end: dnsEnd(route.failure) });
    return giveUp();
  }
  let tried = 0;
  for (const { name, port } of route.hosts) {
    const found = await findAddresses(dialer, destination, name);
    for (const address of found.ok ? found.addresses : []) {
      const place = { mxHost: name, mxAddress: `${bracketed(address)}:${port}` };
      if (dialer.isOurs(address, port)) {
        failures.push({ place, end: dnsEnd('loops_to_self') });
        return giveUp();
      }
      const used = isLive(place.mxAddress);
      const known = used ? null : dialer.memory.failure(place.mxAddress, nowMs(dialer));
      if (known === null && tried >= MAX_TRIED) return giveUp();
      if (known === null) tried += 1;
      const end = known ?? (await tryHost(dialer, destination, place, address, port, live));
      if ('connection' in end) return end;
      failures.push({ place, end });
      if (!used && known === null) {
        dialer.memory.rememberFailure(place.mxAddress, end, nowMs(dialer));
      }
      if (end.failure === 'loops_to_self') return giveUp();
    }
    if (!found.ok) {
      const place = { mxHost: name, mxAddress: null };
      failures.push({ place, end: dnsEnd(hostFailure(found.failure)) });
    }
  }
  return giveUp();
}

async function findHosts(dialer: Dialer, { domain, transport }: Destination): Promise<Route> {
  if (transport.to === null) return dialer.resolver.route(domain);
  const { host, port } = transport.to;
  return { ok: true, hosts: [{ name: host, port, preference: 0 }] };
}

function findAddresses(
  dialer: Dialer,
  { transport }: Destination,
  host: string,
): Promise<Addresses> {
  const { resolver } = dialer;
  return transport.to === null ? resolver.addresses(host) : resolver.systemAddresses(host);
}

/** An MX host without an address is often an accident. */
function hostFailure(failure: LocalFailure): LocalFailure {
  return failure === 'private_address' ? failure : 'dns_temporary';
}

function dnsEnd(failure: LocalFailure): SessionEnd {
  return { stage: 'dns', reply: null, failure };
}

type Tried = Extract<Dialed, { ok: true }> | SessionEnd;

async function tryHost(
  dialer: Dialer,
  destination: Destination,
  place: Place & { mxAddress: string },
  address: string,
  port: number,
  live: LiveListener,
): Promise<Tried> {
  const key = place.mxAddress;
  const attempt = (tls: TlsMode): Promise<Tried> =>
    openSession(dialer, destination, place, address, port, tls, live);
  const wanted = destination.transport.tls ?? dialer.tls;
  const mayGoClear = wanted === 'opportunistic';
  if (mayGoClear && dialer.memory.hasBrokenTls(key, nowMs(dialer))) return attempt('none');
  const first = await attempt(wanted);
  if ('connection' in first || first.stage !== 'starttls' || !mayGoClear) return first;
  dialer.memory.rememberBrokenTls(key, nowMs(dialer));
  return attempt('none');
}

function openSession(
  dialer: Dialer,
  { transport }: Destination,
  place: Place,
  address: string,
  port: number,
  tls: TlsMode,
  live: LiveListener,
): Promise<Tried> {
  const { heloName, timeouts, connectTimeoutMs, secureContext } = dialer;
  // The operator's own routes may lead to a server of this very machine.
  const refusedName = transport.to === null && isTelling(heloName) ? heloName : null;
  return new Promise((resolve) => {
    let ready = false;
    const connection = openConnection(
      {
        address,
        port,
        connectTimeoutMs,
        secureContext,
        nowMs: () => nowMs(dialer),
        session: { heloName, refusedName, tls, timeouts, ...place },
      },
      {
        ...live,
        ready(capabilities) {
          ready = true;
          resolve({ ok: true, connection, capabilities, place });
        },
        ended(end) {
          if (ready) live.ended(end);
          else resolve(end ?? { stage: 'connect', reply: null, failure: 'aborted' });
        },
      },
    );
  });
}

/** `localhost` and the like are anybody's name. */
function isTelling(name: string): boolean {
  return name.includes('.') && !name.toLowerCase().startsWith('localhost');
}

function worst(
  dialer: Dialer,
  startedAt: Date,
  failures: readonly { place: Place; end: SessionEnd }[],
): SiteFailure {
  const hopeful = failures.filter(({ end }) => resultOf(end.reply, end.failure) === 'deferred');
  const chosen = hopeful.find(({ end }) => end.reply !== null) ?? hopeful[0] ?? failures[0] ?? null;
  const end = chosen?.end ?? { stage: 'dns', reply: null, failure: 'dns_temporary' };
  return {
    ...(chosen?.place ?? NOWHERE),
    ...end,
    tls: null,
    result: resultOf(end.reply, end.failure),
    startedAt,
    durationMs: nowMs(dialer) - startedAt.getTime(),
  };
}

function bracketed(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

function nowMs(dialer: Dialer): number {
  return dialer.now().getTime();
}
