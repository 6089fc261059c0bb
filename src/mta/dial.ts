/**
 * mta/dial — finds a host of a domain that takes our connection.
 *
 * Promises: hosts in MX order, each with all its addresses, at most five connections tried. A host
 *           whose TLS fails is tried once more in clear, and remembered (host-memory.ts), when TLS is
 *           opportunistic; never when it is required.
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
import type { Resolver } from './resolver.ts';
import type { SessionEnd, TlsMode } from './session.ts';
import { resultOf } from './session-state.ts';
import type { Timeouts } from './timeouts.ts';
import type { SiteFailure } from './transaction.ts';

export interface Dialer {
  resolver: Resolver;
  memory: HostMemory;
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
  domain: string,
  isLive: (address: string) => boolean,
  live: LiveListener,
): Promise<Dialed> {
  const startedAt = dialer.now();
  const failures: { place: Place; end: SessionEnd }[] = [];
  const giveUp = (): Dialed => ({ ok: false, failure: worst(dialer, startedAt, failures) });
  const route = await dialer.resolver.route(domain);
  if (!route.ok) {
    failures.push({ place: NOWHERE, end: { stage: 'dns', reply: null, failure: route.failure } });
    return giveUp();
  }
  let tried = 0;
  for (const { name, port } of route.hosts) {
    const found = await dialer.resolver.addresses(name);
    for (const address of found.ok ? found.addresses : []) {
      const place = { mxHost: name, mxAddress: `${bracketed(address)}:${port}` };
      const used = isLive(place.mxAddress);
      const known = used ? null : dialer.memory.failure(place.mxAddress, nowMs(dialer));
      if (known === null && tried >= MAX_TRIED) return giveUp();
      if (known === null) tried += 1;
      const end = known ?? (await tryHost(dialer, place, address, port, live));
      if ('connection' in end) return end;
      failures.push({ place, end });
      if (!used && known === null) {
        dialer.memory.rememberFailure(place.mxAddress, end, nowMs(dialer));
      }
    }
    if (!found.ok) {
      const place = { mxHost: name, mxAddress: null };
      failures.push({ place, end: { stage: 'dns', reply: null, failure: 'dns_temporary' } });
    }
  }
  return giveUp();
}

type Tried = Extract<Dialed, { ok: true }> | SessionEnd;

async function tryHost(
  dialer: Dialer,
  place: Place & { mxAddress: string },
  address: string,
  port: number,
  live: LiveListener,
): Promise<Tried> {
  const key = place.mxAddress;
  const attempt = (tls: TlsMode): Promise<Tried> =>
    openSession(dialer, place, address, port, tls, live);
  const mayGoClear = dialer.tls === 'opportunistic';
  if (mayGoClear && dialer.memory.hasBrokenTls(key, nowMs(dialer))) return attempt('none');
  const first = await attempt(dialer.tls);
  if ('connection' in first || first.stage !== 'starttls' || !mayGoClear) return first;
  dialer.memory.rememberBrokenTls(key, nowMs(dialer));
  return attempt('none');
}

function openSession(
  dialer: Dialer,
  place: Place,
  address: string,
  port: number,
  tls: TlsMode,
  live: LiveListener,
): Promise<Tried> {
  const { heloName, timeouts, connectTimeoutMs, secureContext } = dialer;
  return new Promise((resolve) => {
    let ready = false;
    const connection = openConnection(
      {
        address,
        port,
        connectTimeoutMs,
        secureContext,
        nowMs: () => nowMs(dialer),
        session: { heloName, tls, timeouts, ...place },
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
