/**
 * mta/site — one destination: its connections, and the requests that share them.
 *
 * A request holds a lane for each connection that works for it. Connections that become free serve
 * the request with the fewest lanes.
 *
 * Promises: at most `maxConnectionsPerSite` connections, closing ones counted; the pool is asked for
 *           the first one when the DNS has told an address, or failed to. Nothing is pulled
 *           before a first connection is ready. Later connections are opened one for each
 *           transaction that is already pulled and waiting, so that one message never opens two.
 *           A transaction is pulled ahead (to travel behind the dot of the one before) only while the
 *           receiver answers within a second: what is pulled is soon sent, and pausing stays prompt.
 * Fails:    when no connection is left and none can be opened, all requests of the site fail with
 *           the reason; so they do when three connections in a row broke before serving anything.
 * See:      site-state.ts (connections as lists), request.ts, dial.ts, pool.ts.
 */
import { invariant } from '../kernel/errors.ts';
import type { LiveListener } from './attempt.ts';
import type { Room } from './byte-budget.ts';
import { dial, lookUp } from './dial.ts';
import type { Dialed } from './dial.ts';
import { NOWHERE } from './places.ts';
import type { Place } from './places.ts';
import {
  failRequest,
  need,
  pull,
  takeBack,
  takeRoom,
  tellOutcome,
  waitsForRoom,
} from './request.ts';
import type { RequestState } from './request.ts';
import type { SessionEnd, Work } from './session.ts';
import { describeSource } from './source.ts';
import { createLink, demandOf, move, pick, retire, settle } from './site-state.ts';
import type { Link, Site } from './site-state.ts';
import type { SiteFailure } from './transaction.ts';

const PROMPT_MS = 1_000;
const GROW_PAUSE_MS = 10_000;
const MAX_BARREN = 3;

export function addRequest(site: Site, request: RequestState): void {
  site.requests.add(request);
  request.onRoom = () => pump(site);
  pump(site);
}

/** Idle connections say QUIT; the busy ones do when they are free (`isClosing`). */
export function closeIdle(site: Site): void {
  for (const link of [...site.links.idle]) retire(site, link);
  settle(site);
}

/** Gives work to idle connections, and opens one more when that is of use. */
function pump(site: Site): void {
  for (const link of [...site.links.idle].reverse()) {
    if (!serve(site, link)) break;
  }
  grow(site);
  settle(site);
}

/**
 * Binds a free connection to a request; false when there is none for it, or no room for a message.
 * What was pulled before is sent without room of its own: it has it.
 */
function serve(site: Site, link: Link): boolean {
  const first = pick(site);
  // A session that has ended tells so right after what it is telling now.
  if (first === null || link.connection?.demand() !== 'now') return false;
  const room = hasWork(first) ? null : takeRoom(first, true);
  const request = room === null ? pick(site, hasWork) : first;
  if (request === null) return false;
  if (link.state !== 'busy') move(site, link, 'busy');
  link.request = request;
  request.lanes += 1;
  feed(site, link, request, room);
  return true;
}

function unbind(link: Link): void {
  if (link.request !== null) link.request.lanes -= 1;
  link.request = null;
}

/** The next work of its request for a connection: from the backlog, else pulled into `room`. */
function feed(site: Site, link: Link, request: RequestState, room: Room | null): void {
  if (room === null) {
    const work = request.backlog.shift();
    invariant(work !== undefined, 'no work, and no room for one');
    give(site, link, request, work);
    return;
  }
  link.pulling = true;
  void pull(request, room).then((pulled) => {
    link.pulling = false;
    if (pulled !== null && canTake(link, request)) {
      give(site, link, request, pulled);
      return;
    }
    if (pulled !== null) request.backlog.push(pulled);
    release(site, link);
    pump(site);
  });
}

/** It may have broken, or begun to close, while the work was pulled. */
function canTake(link: Link, request: RequestState): boolean {
  return link.request === request && link.connection?.demand() !== 'none';
}

function give(site: Site, link: Link, request: RequestState, work: Work): void {
  const { dialer, nowMs } = site.deps;
  request.onWire += 1;
  request.served = true;
  link.given += 1;
  link.works.set(work, request);
  const maxRecipients = dialer.memory.maxRecipients(site.name, nowMs());
  link.connection?.send(work, maxRecipients, maxInTrain(site));
  grow(site);
}

function maxInTrain({ name, deps }: Site): number {
  const { dialer, limits, nowMs } = deps;
  return dialer.memory.hasBrokenTrain(name, nowMs()) ? 1 : limits.maxMessagesPerRoundTrip;
}

/** So that the next envelope can travel behind the dot of this message. */
function pullAhead(site: Site, link: Link): void {
  const { request } = link;
  if (request === null || link.pulling || !link.prompt) return;
  if (link.connection?.demand() !== 'ahead' || shouldRetire(site, link)) return;
  const [next] = request.backlog;
  if (request.exhausted && next === undefined) return;
  // What a connection took down with it once is not put behind another message again.
  if (next !== undefined && next.attempts > 0) return;
  for (const other of site.requests) {
    if (other !== request && need(other) > 0 && other.lanes < request.lanes) return;
  }
  const room = next === undefined ? takeRoom(request, false) : null;
  if (next !== undefined || room !== null) feed(site, link, request, room);
}

/** Nothing is on this connection: it serves another request, rests, or is closed. */
function release(site: Site, link: Link): void {
  if (link.state !== 'busy' || link.works.size > 0 || link.pulling) return;
  unbind(link);
  if (link.connection?.demand() === 'none') return;
  if (shouldRetire(site, link)) retire(site, link);
  else if (!serve(site, link)) move(site, link, 'idle');
}

function shouldRetire(site: Site, link: Link): boolean {
  const { deps } = site;
  if (link.given >= link.maxMessages || deps.nowMs() >= link.retireAtMs) return true;
  if (deps.isClosing() && pick(site) === null) return true;
  if (!isOfPool(site, link)) return true;
  return deps.pool.isContended() && working(site) > deps.fairShare();
}

function working({ links }: Site): number {
  return links.dialing.size + links.busy.size;
}

/** Its source may have been taken out of the pool. */
function isOfPool(site: Site, { place }: Link): boolean {
  const { pool } = site.destination;
  const address = place?.sourceAddress ?? null;
  if (pool === null || address === null) return true;
  return site.deps.dialer.pools.find(pool).some((source) => describeSource(source) === address);
}

function grow(site: Site): void {
  const request = pick(site);
  const { dialing, busy, idle, closing } = site.links;
  if (request === null || site.growing || site.waitsForPool || idle.size > 0) return;
  const { limits, pool, fairShare } = site.deps;
  if (working(site) + closing.size >= limits.maxConnections) return;
  // Who has his share does not stand in line: for him somebody else's connection would be closed.
  // (50 sites that wanted 50 connections each, 500 in all: 5,000 messages made 3,075 connections.)
  if (pool.isFull() && working(site) >= fairShare()) return;
  if (working(site) === 0) {
    // Nothing is pulled for a site that was never seen to work.
    if (waitsForRoom(request) && !hasWork(request)) return;
    if (!request.served || hasWork(request)) open(site);
    else pullToGrow(site, request);
    return;
  }
  // As many again as are working already, no more, and never more than there is room for.
  if (dialing.size >= busy.size || site.deps.nowMs() < site.growAfterMs) return;
  const [room, waiting] = demandOf(site);
  if (dialing.size >= room) return;
  if (waiting > dialing.size) open(site);
  else if (!request.exhausted) pullToGrow(site, request);
}

function hasWork(request: RequestState): boolean {
  return request.backlog.length > 0;
}

function pullToGrow(site: Site, request: RequestState): void {
  const room = takeRoom(request, working(site) === 0);
  if (room === null) return;
  site.growing = true;
  void pull(request, room).then((work) => {
    site.growing = false;
    if (work !== null) request.backlog.push(work);
    pump(site);
  });
}

function open(site: Site): void {
  if (site.lookUp !== 'done') {
    beginLookUp(site);
    return;
  }
  const placed = site.deps.pool.take(() => {
    site.waitsForPool = false;
    pump(site);
  });
  if (!placed) {
    site.waitsForPool = true;
    return;
  }
  const link = createLink(site);
  const isLive = (place: Place): boolean => hasLinkTo(site, place);
  void dial(site.deps.dialer, site.destination, isLive, listenerOf(site, link)).then((dialed) => {
    if (dialed.ok) onReady(site, link, dialed);
    else onDialFailed(site, link, dialed.failure);
  });
}

/** A hundred domains whose DNS is silent kept a hot one from a pool of 20 places for 45 seconds. */
function beginLookUp(site: Site): void {
  if (site.lookUp === 'under_way') return;
  site.lookUp = 'under_way';
  void lookUp(site.deps.dialer, site.destination).then(() => {
    site.lookUp = 'done';
    pump(site);
  });
}

function hasLinkTo(site: Site, to: Place): boolean {
  const { busy, idle, closing } = site.links;
  const linked = (links: ReadonlySet<Link>): boolean =>
    [...links].some(
      ({ place }) => place?.mxAddress === to.mxAddress && place.sourceAddress === to.sourceAddress,
    );
  return linked(busy) || linked(idle) || linked(closing);
}

function onReady(site: Site, link: Link, dialed: Extract<Dialed, { ok: true }>): void {
  // It may have ended between its last reply and now.
  if (link.state !== 'dialing') return;
  link.connection = dialed.connection;
  link.place = dialed.place;
  const { dialer, nowMs } = site.deps;
  link.maxMessages = Math.min(
    link.maxMessages,
    dialed.capabilities.limits.mailMax ?? Infinity,
    dialer.memory.maxMessages(site.name, nowMs()) ?? Infinity,
  );
  if (!serve(site, link)) {
    move(site, link, 'idle');
    if (site.deps.isClosing() && pick(site) === null) retire(site, link);
  }
  pump(site);
}

function onDialFailed(site: Site, link: Link, failure: SiteFailure): void {
  move(site, link, 'gone');
  const { dialing, busy, idle, closing } = site.links;
  if (dialing.size + busy.size + idle.size > 0) {
    // The site works, it only takes no more connections now.
    site.growAfterMs = site.deps.nowMs() + GROW_PAUSE_MS;
  } else if (closing.size > 0) {
    // It may count the one that is just leaving: `onEnded` tries again.
    return;
  } else {
    fail(site, failure);
  }
  pump(site);
}

function fail(site: Site, failure: SiteFailure): void {
  site.barren = 0;
  for (const request of site.requests) failRequest(request, failure);
}

function listenerOf(site: Site, link: Link): LiveListener {
  return {
    outcome(work, outcome) {
      if (outcome.reply !== null && outcome.reply.code !== 421) link.useful = true;
      if (outcome.result === 'ambiguous') link.inDoubt.add(work);
      const request = link.works.get(work);
      if (request !== undefined) tellOutcome(request, work.transaction, outcome);
    },
    returned(work, recipients, attempts) {
      if (attempts > work.attempts) learnWear(site, link);
      const request = link.works.get(work);
      if (request !== undefined) takeBack(request, work, recipients, attempts);
    },
    done(work, dotReplyMs) {
      onDone(site, link, work, dotReplyMs);
    },
    learned(count) {
      const { dialer, nowMs } = site.deps;
      dialer.memory.rememberMaxRecipients(site.name, count, nowMs());
    },
    room() {
      pullAhead(site, link);
    },
    ended(end) {
      onEnded(site, link, end);
    },
  };
}

/** Two connections in a row that broke after as many messages: that is the receiver's limit. */
function learnWear(site: Site, link: Link): void {
  const { dialer, nowMs } = site.deps;
  if (link.finished > 0 && link.finished === site.wornAfter) {
    dialer.memory.rememberMaxMessages(site.name, link.finished, nowMs());
  }
  site.wornAfter = link.finished;
}

function onDone(site: Site, link: Link, work: Work, dotReplyMs: number | null): void {
  const request = link.works.get(work);
  link.works.delete(work);
  if (request !== undefined) request.onWire -= 1;
  if (dotReplyMs !== null) {
    link.finished += 1;
    link.prompt = dotReplyMs < PROMPT_MS;
  }
  if (link.useful) site.barren = 0;
  if (link.works.size === 0) release(site, link);
  settle(site);
}

function onEnded(site: Site, link: Link, end: SessionEnd | null): void {
  unbind(link);
  if (end !== null && link.finished === 0 && lostCommands(end)) {
    const { dialer, nowMs } = site.deps;
    dialer.memory.rememberUnpipelined(site.name, nowMs());
  }
  move(site, link, 'gone');
  if (end !== null && !link.useful) site.barren += 1;
  const { dialer, nowMs } = site.deps;
  if (link.inDoubt.size > 1) dialer.memory.rememberBrokenTrain(site.name, nowMs());
  const { dialing, busy, idle } = site.links;
  if (end !== null && site.barren >= MAX_BARREN && dialing.size + busy.size + idle.size === 0) {
    fail(site, barrenFailure(site, link, end));
  }
  pump(site);
}

/**
 * MAIL was answered, and what came in the same packet was not: some filters in front of a host read
 * only the first command of a packet. Where it was another thing, one command at a time does no harm.
 */
function lostCommands({ failure, stage }: SessionEnd): boolean {
  return failure === 'reply_timeout' && (stage === 'rcpt' || stage === 'data');
}

/** Never `rejected`: that the site is unusable is our conclusion, not what the receiver said. */
function barrenFailure(site: Site, link: Link, end: SessionEnd): SiteFailure {
  return {
    ...(link.place ?? NOWHERE),
    tls: null,
    ...end,
    result: 'deferred',
    startedAt: site.deps.dialer.now(),
    durationMs: 0,
  };
}
