/**
 * mta/attempt — one try at one address: a connection, TLS as demanded, until transactions can begin.
 *
 * Promises: a host whose TLS fails is tried once more in clear, and remembered (host-memory.ts), when
 *           TLS is opportunistic and there is no login; never when it is required, wanted from the
 *           first byte, or would show a password. How the TLS of a session went is reported once.
 */
import type { SecureContext } from 'node:tls';
import type { Capabilities } from './capabilities.ts';
import { openConnection } from './connection.ts';
import type { Connection, ConnectionListener } from './connection.ts';
import type { HostMemory } from './host-memory.ts';
import { memoryKey, nameOfSite } from './places.ts';
import type { Destination, Place, Reachable } from './places.ts';
import type { SessionEnd, SessionOptions } from './session.ts';
import type { TlsMode } from './session-state.ts';
import type { Source } from './source.ts';
import type { Timeouts } from './timeouts.ts';
import { demandOf } from './tls/demand.ts';
import type { TlsDemand } from './tls/demand.ts';
import type { Secured, TlsProblem } from './tls/problem.ts';
import { problemOfEnd, problemOfOpen } from './tls/report.ts';
import type { TlsReporter } from './tls/report.ts';
import type { Ticket, Tickets } from './tls/tickets.ts';
import { sessionNeeds } from './transport.ts';

/** What an attempt needs of the engine. */
export interface Attempter {
  memory: HostMemory;
  /** Where the source has no name of its own. */
  heloName: string;
  /** In lower case: hosts of these names are ourselves. */
  ownNames: () => readonly string[];
  /** Where the route does not say. */
  tls: TlsMode;
  tickets: Tickets;
  reportTls: TlsReporter;
  timeouts: Timeouts;
  connectTimeoutMs: number;
  secureContexts: { lenient: SecureContext; strict: SecureContext };
  nowMs: () => number;
}

/** What happens on a connection once it is ready. */
export type LiveListener = Omit<ConnectionListener, 'ready'>;

export interface Opened {
  ok: true;
  connection: Connection;
  capabilities: Capabilities;
  place: Place;
}

/** An address to try, and how. */
export interface Aim {
  destination: Destination;
  reachable: Reachable;
  source: Source | null;
  demand: TlsDemand;
}

const NO_REQUIRETLS: SessionEnd = { stage: 'ehlo', reply: null, failure: 'requiretls_unsupported' };

/** How secret a connection to this address has to be. */
export function demandFor(
  attempter: Attempter,
  { transport, protection }: Destination,
  { place, policy }: Reachable,
): TlsDemand {
  const { tls, implicitTls } = sessionNeeds(transport);
  const asked = protection === 'required' ? 'verified' : (tls ?? attempter.tls);
  const mode = implicitTls && asked !== 'verified' ? 'required' : asked;
  return demandOf(mode, place.mxHost, policy);
}

export async function attempt(
  attempter: Attempter,
  aim: Aim,
  live: LiveListener,
): Promise<Opened | SessionEnd> {
  const { memory, nowMs } = attempter;
  const { destination, reachable, demand } = aim;
  if (destination.protection === 'required' && destination.transport.type === 'qmtp') {
    return NO_REQUIRETLS;
  }
  const inClear: TlsDemand = { ...demand, mode: 'none' };
  const { login } = sessionNeeds(destination.transport);
  if (demand.mode !== 'opportunistic' || login !== null) {
    return openResuming(attempter, aim, live);
  }
  // Broken TLS is the host's, whatever we send from.
  const key = memoryKey(destination, { ...reachable.place, sourceAddress: null }, demand);
  if (memory.hasBrokenTls(key, nowMs())) {
    return openSession(attempter, { ...aim, demand: inClear }, null, live);
  }
  const first = await openResuming(attempter, aim, live);
  if ('connection' in first || first.stage !== 'starttls') return first;
  memory.rememberBrokenTls(key, nowMs());
  return openSession(
    { ...attempter, reportTls: reported },
    { ...aim, demand: inClear },
    null,
    live,
  );
}

/** A host that stumbles over a session to resume is not broken: it is asked again without one. */
async function openResuming(
  attempter: Attempter,
  aim: Aim,
  live: LiveListener,
): Promise<Opened | SessionEnd> {
  const { tickets, nowMs } = attempter;
  const key = ticketKey(aim);
  const ticket = tickets.get(key, nowMs());
  const first = await openSession(attempter, aim, ticket, live);
  if (ticket === null || 'connection' in first || first.stage !== 'starttls') return first;
  tickets.drop(key);
  return openSession(attempter, aim, null, live);
}

function ticketKey({ reachable, demand }: Aim): string {
  return `${reachable.place.mxAddress} ${demand.serverName ?? ''} ${demand.key}`;
}

/** The failure that led to the session in clear was told. */
const reported: TlsReporter = () => undefined;

function openSession(
  attempter: Attempter,
  aim: Aim,
  ticket: Ticket | null,
  live: LiveListener,
): Promise<Opened | SessionEnd> {
  const { connectTimeoutMs, secureContexts, nowMs, tickets } = attempter;
  const { reachable, source, demand } = aim;
  const { place, to } = reachable;
  const demanded = demand.mode === 'required' || demand.mode === 'verified';
  return new Promise((resolve) => {
    let ready = false;
    const connection = openConnection(
      {
        to,
        source,
        connectTimeoutMs,
        nowMs,
        session: { ...sessionOptions(attempter, aim), ...place },
        tls: {
          demand,
          secureContext: demanded ? secureContexts.strict : secureContexts.lenient,
          ticket,
          onTicket: (one) => tickets.put(ticketKey(aim), one),
          nowMs,
        },
      },
      {
        ...live,
        ready(capabilities, tls) {
          ready = true;
          tell(attempter, aim, connection, { open: tls });
          resolve({ ok: true, connection, capabilities, place });
        },
        ended(end) {
          if (ready) {
            live.ended(end);
            return;
          }
          const again = ticket !== null && end?.stage === 'starttls';
          if (end !== null && !again) tell(attempter, aim, connection, { end });
          resolve(end ?? { stage: 'connect', reply: null, failure: 'aborted' });
        },
      },
    );
  });
}

function tell(
  attempter: Attempter,
  { reachable }: Aim,
  connection: Connection,
  how: { open: Secured | null } | { end: SessionEnd },
): void {
  const { policy, place, to } = reachable;
  if (policy === null) return;
  const problem: TlsProblem | null | undefined =
    'open' in how ? problemOfOpen(policy, how.open) : problemOfEnd(how.end);
  if (problem === undefined) return;
  attempter.reportTls({
    policy: policy.facts,
    mxHost: place.mxHost,
    receivingIp: 'host' in to ? to.host : null,
    sendingIp: connection.localAddress(),
    problem,
  });
}

function sessionOptions(
  { heloName, ownNames, timeouts, memory, nowMs }: Attempter,
  { destination, source, demand }: Aim,
): Omit<SessionOptions, keyof Place> {
  const { transport, protection } = destination;
  const { implicitTls, login } = sessionNeeds(transport);
  const { type } = transport;
  return {
    protocol: type === 'lmtp' || type === 'qmtp' ? type : 'smtp',
    heloName: source?.heloName ?? heloName,
    // The operator's own routes may lead to a server of this very machine.
    refusedNames: transport.to === null ? ownNames().filter(isTelling) : [],
    tls: demand.mode,
    tlsPolicy: demand.policy,
    requireTls: protection === 'required',
    unpipelined: memory.isUnpipelined(nameOfSite(destination), nowMs()),
    implicitTls,
    login,
    timeouts,
  };
}

/** `localhost` and the like are anybody's name. */
function isTelling(name: string): boolean {
  return name.includes('.') && !name.startsWith('localhost');
}
