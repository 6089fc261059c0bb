/**
 * mta/site-state — what a site remembers of one destination: its requests and connections.
 *
 * A connection (`Link`) is dialing, busy, idle or closing, and then gone; `move` is the only place
 * that changes it, keeps the lists and the pool's count, and runs the idle timer.
 * See: site.ts for what is done with them.
 */
import type { Random } from '../kernel/clock.ts';
import type { Connection } from './connection.ts';
import type { Dialer } from './dial.ts';
import type { Destination, Place } from './places.ts';
import type { Pool } from './pool.ts';
import { isOver, need } from './request.ts';
import type { RequestState } from './request.ts';
import type { Work } from './session.ts';

export interface SiteLimits {
  maxConnections: number;
  maxMessagesPerConnection: number;
  maxMessagesPerRoundTrip: number;
  maxAgeMs: number;
  idleMs: number;
}

export interface SiteDeps {
  dialer: Dialer;
  pool: Pool;
  limits: SiteLimits;
  random: Random;
  nowMs: () => number;
  isClosing: () => boolean;
  /** Connections of one site when all sites want as many as they can get. */
  fairShare: () => number;
  /** The site has no request and no connection. */
  onEmpty: (site: Site) => void;
}

export type LinkState = 'dialing' | 'busy' | 'idle' | 'closing';

export interface Link {
  state: LinkState | 'gone';
  connection: Connection | null;
  place: Place | null;
  /** Whose lane it is. */
  request: RequestState | null;
  /** What is on the wire, and for whom. */
  works: Map<Work, RequestState>;
  pulling: boolean;
  /** Works given to it so far. */
  given: number;
  maxMessages: number;
  /** Works whose dot was answered. */
  finished: number;
  /** Of whose outcome nobody knows. */
  inDoubt: Set<Work>;
  /** The receiver has said something about a recipient. */
  useful: boolean;
  retireAtMs: number;
  /** The receiver answered the last dot within PROMPT_MS. */
  prompt: boolean;
  idleTimer: NodeJS.Timeout | null;
  evict: () => void;
}

export interface Site {
  /** Sites of one key are one site. */
  readonly key: string;
  /** The domain, or the host that many domains share; what is learned is kept under it. */
  readonly name: string;
  readonly destination: Destination;
  readonly deps: SiteDeps;
  readonly requests: Set<RequestState>;
  readonly links: Record<LinkState, Set<Link>>;
  /** A transaction is being pulled for a further connection. */
  growing: boolean;
  waitsForPool: boolean;
  /** Whether the DNS was asked for it: before that it has no need of a place in the pool. */
  lookUp: 'not_begun' | 'under_way' | 'done';
  /** After a refused further connection: not before then. */
  growAfterMs: number;
  /** Connections in a row that broke without serving anything. */
  barren: number;
  /** After how many messages the last connection was worn out. */
  wornAfter: number;
}

export type SiteIdentity = Pick<Site, 'key' | 'name' | 'destination'>;

export function createSite(identity: SiteIdentity, deps: SiteDeps): Site {
  return {
    ...identity,
    deps,
    requests: new Set(),
    links: { dialing: new Set(), busy: new Set(), idle: new Set(), closing: new Set() },
    growing: false,
    waitsForPool: false,
    lookUp: identity.destination.transport.to === null ? 'not_begun' : 'done',
    growAfterMs: 0,
    barren: 0,
    wornAfter: 0,
  };
}

export function move(site: Site, link: Link, to: LinkState | 'gone'): void {
  const { pool, limits, random } = site.deps;
  if (link.state !== 'gone') site.links[link.state].delete(link);
  link.state = to;
  if (link.idleTimer !== null) clearTimeout(link.idleTimer);
  link.idleTimer = null;
  pool.withdraw(link);
  if (to === 'gone') {
    pool.giveBack();
    return;
  }
  site.links[to].add(link);
  if (to === 'idle') {
    // Jittered, so that the connections of a finished campaign do not all end at one moment.
    const idleMs = limits.idleMs * (0.75 + random() / 2);
    link.idleTimer = setTimeout(() => retire(site, link), idleMs);
    pool.offer(link);
  }
}

/** A connection that is being dialed; the pool has given it a place. */
export function createLink(site: Site): Link {
  const { limits, random, nowMs } = site.deps;
  const link: Link = {
    state: 'dialing',
    connection: null,
    place: null,
    request: null,
    works: new Map(),
    pulling: false,
    given: 0,
    finished: 0,
    inDoubt: new Set(),
    useful: false,
    maxMessages: limits.maxMessagesPerConnection,
    retireAtMs: nowMs() + limits.maxAgeMs * (0.9 + random() / 5),
    prompt: false,
    idleTimer: null,
    evict: () => retire(site, link),
  };
  site.links.dialing.add(link);
  return link;
}

/** QUIT; the place in the pool is free when the socket is closed. */
export function retire(site: Site, link: Link): void {
  move(site, link, 'closing');
  link.connection?.quit();
}

/** The request that has the fewest lanes of those that could use one more, and suit. */
export function pick(
  site: Site,
  suits: (request: RequestState) => boolean = () => true,
): RequestState | null {
  let best: RequestState | null = null;
  for (const request of site.requests) {
    if (need(request) > 0 && suits(request) && (best === null || request.lanes < best.lanes))
      best = request;
  }
  return best;
}

/** How many more connections the requests may use, and how many works wait for one. */
export function demandOf(site: Site): [number, number] {
  let room = 0;
  let waiting = 0;
  for (const request of site.requests) {
    room += need(request);
    waiting += request.backlog.length;
  }
  return [room, waiting];
}

/** For people who ask what a site is doing. */
export interface SiteSnapshot {
  /** The domain, or the host that many domains share. */
  name: string;
  requests: number;
  connections: Record<LinkState, number>;
  /** Learned; null when no limit was met. */
  maxRecipients: number | null;
  maxMessages: number | null;
}

export function describeSite(site: Site): SiteSnapshot {
  const { dialing, busy, idle, closing } = site.links;
  const { dialer, nowMs } = site.deps;
  return {
    name: site.name,
    requests: site.requests.size,
    connections: {
      dialing: dialing.size,
      busy: busy.size,
      idle: idle.size,
      closing: closing.size,
    },
    maxRecipients: dialer.memory.maxRecipients(site.name, nowMs()),
    maxMessages: dialer.memory.maxMessages(site.name, nowMs()),
  };
}

/** Ends the requests that are over. */
export function settle(site: Site): void {
  for (const request of site.requests) {
    if (!isOver(request)) continue;
    site.requests.delete(request);
    request.resolve();
  }
  const { dialing, busy, idle, closing } = site.links;
  const links = dialing.size + busy.size + idle.size + closing.size;
  if (site.requests.size === 0 && links === 0) site.deps.onEmpty(site);
}
