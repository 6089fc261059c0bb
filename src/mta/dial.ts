/**
 * mta/dial — finds a host of a destination that takes our connection.
 *
 * Promises: addresses in the order of places.ts, at most five connections tried, from the source whose
 *           turn it is; names that the DNS does not tell are given half a minute. When all of them
 *           failed, up to two other sources of the pool try two each; a source that failed where
 *           another one then worked drops out of this site for a while (rotation.ts). We never
 *           connect to our own listeners, nor, by MX, speak to a host that has greeted us with our
 *           own name; hosts behind it are not tried, they would bring the mail back (RFC 5321 5.1).
 * Fails:    with one SiteFailure that says most: a receiver's reply before silence, the best host
 *           before its backups; `rejected` only when no host left hope. A pool without a usable
 *           source: `source_failed`, temporary. Nothing is ever sent from an address outside it.
 * See:      attempt.ts (one connection).
 */
import type { Clock } from '../kernel/clock.ts';
import type { Logger } from '../kernel/log.ts';
import { attempt, demandFor } from './attempt.ts';
import type { Attempter, LiveListener, Opened } from './attempt.ts';
import { dnsEnd, findPlaces, memoryKey, nameOfSite, NOWHERE } from './places.ts';
import type { Destination, Finder, Place, Reachable } from './places.ts';
import type { Rotation } from './rotation.ts';
import type { SessionEnd } from './session.ts';
import { resultOf } from './session-state.ts';
import { canReach, describeSource } from './source.ts';
import type { Source, SourcePools } from './source.ts';
import type { HostRefusal } from './tls/policies.ts';
import type { SiteFailure } from './transaction.ts';

export interface Dialer extends Attempter, Finder {
  pools: SourcePools;
  rotation: Rotation;
  /** Whether we listen there ourselves. */
  isOurs: (address: string, port: number) => boolean;
  now: Clock;
  log: Logger | null;
}

export type Dialed = Opened | { ok: false; failure: SiteFailure };

interface Failure {
  place: Place;
  end: SessionEnd;
}

const MAX_SOURCES = 3;
/** Connections from the first source, and from each of the others. */
const MAX_TRIED = 5;
const MAX_TRIED_AGAIN = 2;
/** After this no further host is looked up, when none had an address. */
const MAX_LOOKUP_MS = 30_000;

/**
 * `isLive`: whether there is a connection to that address already. Then it works, and only takes no
 * more connections now; it is not remembered as failing.
 */
export async function dial(
  dialer: Dialer,
  destination: Destination,
  isLive: (place: Place) => boolean,
  live: LiveListener,
): Promise<Dialed> {
  const startedAt = dialer.now();
  const failures: Failure[] = [];
  const beaten: Source[] = [];
  for (const [i, source] of chooseSources(dialer, destination).entries()) {
    const maxTried = i === 0 ? MAX_TRIED : MAX_TRIED_AGAIN;
    const tried = await dialFrom(dialer, destination, source, maxTried, isLive, live);
    if ('connection' in tried) {
      for (const one of beaten) dropSource(dialer, destination, one);
      return tried;
    }
    failures.push(...tried);
    if (source === null || tried.some(({ end }) => end.failure === 'loops_to_self')) break;
    if (tried.some(({ end }) => end.failure === 'source_failed')) dropEverywhere(dialer, source);
    else if (isBeaten(tried, isLive)) beaten.push(source);
  }
  return { ok: false, failure: worst(dialer, startedAt, failures) };
}

/**
 * Asks the DNS and the policies until a first address is known, or there is none. What it finds is
 * remembered where `dial` looks, so that a place of the pool is not held by a DNS that is silent.
 */
export async function lookUp(dialer: Dialer, destination: Destination): Promise<void> {
  const startedAtMs = dialer.nowMs();
  for await (const step of findPlaces(dialer, destination)) {
    if ('to' in step || dialer.nowMs() - startedAtMs >= MAX_LOOKUP_MS) return;
  }
}

/** A source with a connection there works; it only gets no more of them now. */
function isBeaten(tried: readonly Failure[], isLive: (place: Place) => boolean): boolean {
  const reached = tried.filter(({ end }) => end.stage !== 'dns');
  return reached.length > 0 && !reached.some(({ place }) => isLive(place));
}

/** null: no pool is asked for, the system chooses. */
function chooseSources(dialer: Dialer, destination: Destination): readonly (Source | null)[] {
  const { pool, transport } = destination;
  if (pool === null || (transport.to !== null && 'socketPath' in transport.to)) return [null];
  const { pools, rotation, nowMs } = dialer;
  const order = rotation.order(pool, nameOfSite(destination), pools.find(pool), nowMs());
  return order.slice(0, MAX_SOURCES);
}

function dropSource(dialer: Dialer, destination: Destination, source: Source): void {
  const site = nameOfSite(destination);
  dialer.rotation.drop(site, source, dialer.nowMs());
  dialer.log?.warn({ site, source: source.id }, 'a source fails here where another one works');
}

function dropEverywhere(dialer: Dialer, source: Source): void {
  dialer.rotation.dropEverywhere(source, dialer.nowMs());
  dialer.log?.error({ source: source.id }, 'a source cannot be used: its address or its proxy');
}

async function dialFrom(
  dialer: Dialer,
  destination: Destination,
  source: Source | null,
  maxTried: number,
  isLive: (place: Place) => boolean,
  live: LiveListener,
): Promise<Opened | Failure[]> {
  const failures: Failure[] = [];
  const { memory, nowMs } = dialer;
  let tried = 0;
  const startedAtMs = nowMs();
  for await (const step of findPlaces(dialer, destination)) {
    if ('end' in step) {
      if (step.refusal !== undefined) reportRefusal(dialer, step.place, step.refusal);
      failures.push(step);
      // Sixteen hosts whose DNS is silent would hold a place of the pool for minutes.
      if (tried === 0 && nowMs() - startedAtMs >= MAX_LOOKUP_MS) break;
      continue;
    }
    if (source !== null && !canReach(source, step.to)) continue;
    const place = { ...step.place, sourceAddress: source === null ? null : describeSource(source) };
    if (isOurs(dialer, step)) {
      failures.push({ place, end: dnsEnd('loops_to_self') });
      break;
    }
    const demand = demandFor(dialer, destination, step);
    const key = memoryKey(destination, place, demand);
    const used = isLive(place);
    const known = used ? null : memory.failure(key, nowMs());
    if (known === null && tried >= maxTried) break;
    if (known === null) tried += 1;
    const aim = { destination, reachable: { ...step, place }, source, demand };
    const end = known ?? (await attempt(dialer, aim, live));
    if ('connection' in end) return end;
    failures.push({ place, end });
    if (!used && known === null) memory.rememberFailure(key, end, nowMs());
    // The next address would fail alike.
    if (end.failure === 'loops_to_self' || end.failure === 'source_failed') break;
  }
  return failures;
}

/** Nobody was spoken to, and still it is a session that failed for TLS. */
function reportRefusal(dialer: Dialer, { mxHost }: Place, refusal: HostRefusal): void {
  const { facts: policy, problem } = refusal;
  dialer.reportTls({ policy, mxHost, receivingIp: null, sendingIp: null, problem });
}

function isOurs(dialer: Dialer, { to }: Reachable): boolean {
  return !('socketPath' in to) && dialer.isOurs(to.host, to.port);
}

function worst(dialer: Dialer, startedAt: Date, failures: readonly Failure[]): SiteFailure {
  const hopeful = failures.filter(({ end }) => resultOf(end.reply, end.failure) === 'deferred');
  const chosen = hopeful.find(({ end }) => end.reply !== null) ?? hopeful[0] ?? failures[0] ?? null;
  // Nothing was tried: no source of the pool can be used, or none reaches the family of the hosts.
  const end = chosen?.end ?? { stage: 'connect', reply: null, failure: 'source_failed' };
  return {
    ...(chosen?.place ?? NOWHERE),
    ...end,
    tls: null,
    result: resultOf(end.reply, end.failure),
    startedAt,
    durationMs: dialer.nowMs() - startedAt.getTime(),
  };
}
