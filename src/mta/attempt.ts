/**
 * mta/attempt — one try at one address: a connection, TLS as wanted, until transactions can begin.
 *
 * Promises: a host whose TLS fails is tried once more in clear, and remembered (host-memory.ts), when
 *           TLS is opportunistic and there is no login; never when it is required, wanted from the
 *           first byte, or would show a password.
 */
import type { SecureContext } from 'node:tls';
import type { Capabilities } from './capabilities.ts';
import { openConnection } from './connection.ts';
import type { Connection, ConnectionListener } from './connection.ts';
import type { HostMemory } from './host-memory.ts';
import { memoryKey } from './places.ts';
import type { Destination, Place, Reachable } from './places.ts';
import type { SessionEnd, SessionOptions, TlsMode } from './session.ts';
import type { Source } from './source.ts';
import type { Timeouts } from './timeouts.ts';
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

const NO_REQUIRETLS: SessionEnd = { stage: 'ehlo', reply: null, failure: 'requiretls_unsupported' };

export async function attempt(
  attempter: Attempter,
  destination: Destination,
  reachable: Reachable,
  source: Source | null,
  live: LiveListener,
): Promise<Opened | SessionEnd> {
  const { memory, nowMs } = attempter;
  const { tls, implicitTls, login } = sessionNeeds(destination.transport);
  const { protection, transport } = destination;
  if (protection === 'required' && transport.type === 'qmtp') return NO_REQUIRETLS;
  const asked = protection === 'required' ? 'verified' : (tls ?? attempter.tls);
  const wanted = implicitTls && asked !== 'verified' ? 'required' : asked;
  // Broken TLS is the host's, whatever we send from.
  const key = memoryKey(destination, { ...reachable.place, sourceAddress: null });
  const open = (mode: TlsMode): Promise<Opened | SessionEnd> =>
    openSession(attempter, destination, reachable, source, mode, live);
  if (wanted !== 'opportunistic' || login !== null) return open(wanted);
  if (memory.hasBrokenTls(key, nowMs())) return open('none');
  const first = await open(wanted);
  if ('connection' in first || first.stage !== 'starttls') return first;
  memory.rememberBrokenTls(key, nowMs());
  return open('none');
}

function openSession(
  attempter: Attempter,
  destination: Destination,
  { place, to }: Reachable,
  source: Source | null,
  tls: TlsMode,
  live: LiveListener,
): Promise<Opened | SessionEnd> {
  const { connectTimeoutMs, secureContexts, nowMs } = attempter;
  const demanded = tls === 'required' || tls === 'verified';
  return new Promise((resolve) => {
    let ready = false;
    const connection = openConnection(
      {
        to,
        source,
        connectTimeoutMs,
        secureContext: demanded ? secureContexts.strict : secureContexts.lenient,
        nowMs,
        session: {
          ...sessionOptions(attempter, destination, source, tls),
          ...place,
        },
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

function sessionOptions(
  { heloName, ownNames, timeouts }: Attempter,
  { transport, protection }: Destination,
  source: Source | null,
  tls: TlsMode,
): Omit<SessionOptions, keyof Place> {
  const { implicitTls, login } = sessionNeeds(transport);
  const { type } = transport;
  return {
    protocol: type === 'lmtp' || type === 'qmtp' ? type : 'smtp',
    heloName: source?.heloName ?? heloName,
    // The operator's own routes may lead to a server of this very machine.
    refusedNames: transport.to === null ? ownNames().filter(isTelling) : [],
    tls,
    requireTls: protection === 'required',
    implicitTls,
    login,
    timeouts,
  };
}

/** `localhost` and the like are anybody's name. */
function isTelling(name: string): boolean {
  return name.includes('.') && !name.startsWith('localhost');
}
