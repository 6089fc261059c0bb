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
import type { Secured } from './problem.ts';
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
    // Judged below, by `demand`: what opportunistic TLS takes anyway, and what DANE asks, node cannot.
    rejectUnauthorized: false,
    ...(ticket === null ? {} : { session: ticket.session }),
    ...(demand.identity === null ? {} : { host: demand.identity }),
    ...(demand.serverName === null ? {} : { servername: demand.serverName }),
  });
  let keep: ((session: Buffer) => void) | null = null;
  const early: Buffer[] = [];
  // Of TLS 1.2 they come before the handshake is done, of TLS 1.3 after it.
  secure.on('session', (session: Buffer) => {
    if (keep === null) early.push(session);
    else keep(session);
  });
  secure.once('secureConnect', () => {
    const resumed = ticket !== null && secure.isSessionReused();
    const problem = resumed ? ticket.problem : judge(secure, demand, new Date(nowMs()));
    const atMs = resumed ? ticket.atMs : nowMs();
    // A connection that is refused for its certificate would only be resumed to be refused again.
    const isRefused = problem !== null && demand.mode === 'verified';
    keep = isRefused ? () => undefined : (session) => onTicket({ session, problem, atMs });
    for (const session of early.splice(0)) keep(session);
    const { standardName } = secure.getCipher();
    secured({ description: `${secure.getProtocol() ?? 'TLS'} ${standardName}`, problem });
  });
  return secure;
}
