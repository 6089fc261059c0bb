/**
 * mta/dial — finds a host of a destination that takes our connection.
 *
 * Promises: addresses in the order of places.ts, at most five connections tried. We never connect to
 *           our own listeners, nor, by MX, speak to a host that has greeted us with our own name;
 *           hosts behind it are not tried, they would bring the mail back (RFC 5321 5.1).
 * Fails:    with one SiteFailure that says most: a receiver's reply before silence, the best host
 *           before its backups; `rejected` only when no host left hope.
 * See:      attempt.ts (one connection).
 */
import type { Clock } from '../kernel/clock.ts';
import { attempt } from './attempt.ts';
import type { Attempter, LiveListener, Opened } from './attempt.ts';
import { dnsEnd, findPlaces, memoryKey } from './places.ts';
import type { Destination, Place, Reachable } from './places.ts';
import type { Resolver } from './resolver.ts';
import type { SessionEnd } from './session.ts';
import { resultOf } from './session-state.ts';
import type { SiteFailure } from './transaction.ts';

export interface Dialer extends Attempter {
  resolver: Resolver;
  /** Whether we listen there ourselves. */
  isOurs: (address: string, port: number) => boolean;
  now: Clock;
}

export type Dialed = Opened | { ok: false; failure: SiteFailure };

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
  const { memory, nowMs } = dialer;
  let tried = 0;
  for await (const step of findPlaces(dialer.resolver, destination)) {
    if ('end' in step) {
      failures.push(step);
      continue;
    }
    const { place } = step;
    if (isOurs(dialer, step)) {
      failures.push({ place, end: dnsEnd('loops_to_self') });
      break;
    }
    const key = memoryKey(destination, place);
    const used = isLive(place.mxAddress);
    const known = used ? null : memory.failure(key, nowMs());
    if (known === null && tried >= MAX_TRIED) break;
    if (known === null) tried += 1;
    const end = known ?? (await attempt(dialer, destination, step, live));
    if ('connection' in end) return end;
    failures.push({ place, end });
    if (!used && known === null) memory.rememberFailure(key, end, nowMs());
    if (end.failure === 'loops_to_self') break;
  }
  return { ok: false, failure: worst(dialer, startedAt, failures) };
}

function isOurs(dialer: Dialer, { to }: Reachable): boolean {
  return !('socketPath' in to) && dialer.isOurs(to.host, to.port);
}

function worst(
  dialer: Dialer,
  startedAt: Date,
  failures: readonly { place: Place; end: SessionEnd }[],
): SiteFailure {
  const hopeful = failures.filter(({ end }) => resultOf(end.reply, end.failure) === 'deferred');
  const chosen = hopeful.find(({ end }) => end.reply !== null) ?? hopeful[0] ?? failures[0] ?? null;
  const end = chosen?.end ?? dnsEnd('dns_temporary');
  return {
    ...(chosen?.place ?? NOWHERE),
    ...end,
    tls: null,
    result: resultOf(end.reply, end.failure),
    startedAt,
    durationMs: dialer.nowMs() - startedAt.getTime(),
  };
}
