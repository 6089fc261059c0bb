/**
 * mta/tls/client — TLS on a connected socket, as one demand wants it.
 *
 * Promises: `secured` is told once, with the problem of the certificate, whoever wants to act on it.
 *           Errors and the end of the socket are the caller's to hear.
 * Why:      the certificate is never checked by Node while it shakes hands: without a demand it must
 *           not matter, and DANE is judged from the chain that was shown.
 */
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { TlsDemand } from './demand.ts';
import type { Secured, TlsProblem } from './problem.ts';
import type { Ticket } from './tickets.ts';
import { judge } from './verdict.ts';

export interface TlsStart {
  demand: TlsDemand;
  secureContext: SecureContext;
  /** A session to resume. */
  ticket: Ticket | null;
  /** Sessions that can be resumed later. */
  onTicket: (ticket: Ticket) => void;
  nowMs: () => number;
}

export function startTls(
  clear: Socket,
  start: TlsStart,
  secured: (told: Secured) => void,
): TLSSocket {
  const { demand, secureContext, ticket, onTicket, nowMs } = start;
  const secure = connect({
    socket: clear,
    secureContext,
    rejectUnauthorized: false,
    ...(ticket === null ? {} : { session: ticket.session }),
    ...(demand.identity === null ? {} : { host: demand.identity }),
    ...(demand.serverName === null ? {} : { servername: demand.serverName }),
  });
  let problem: TlsProblem | null = null;
  let seenAtMs = 0;
  secure.once('secureConnect', () => {
    const resumed = ticket !== null && secure.isSessionReused();
    problem = resumed ? ticket.problem : judge(secure, demand, new Date(nowMs()));
    seenAtMs = resumed ? ticket.atMs : nowMs();
    const { standardName } = secure.getCipher();
    secured({ description: `${secure.getProtocol() ?? 'TLS'} ${standardName}`, problem });
  });
  // Of TLS 1.3 they come after the handshake, of TLS 1.2 with it.
  secure.on('session', (session: Buffer) => {
    if (seenAtMs > 0) onTicket({ session, problem, atMs: seenAtMs });
  });
  return secure;
}
