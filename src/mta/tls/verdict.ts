/**
 * mta/tls/verdict — whether the certificate a server has shown is what was demanded.
 *
 * Promises: always judged, also where nothing depends on it: that a certificate verified is a fact of
 *           the attempt. A resumed session keeps the verdict of the handshake it comes from: only
 *           sessions of the same demand are resumed (tickets.ts).
 */
import type { TLSSocket } from 'node:tls';
import { shownChain } from './certificate.ts';
import type { TlsDemand } from './demand.ts';
import { certificateProblem } from './problem.ts';
import type { TlsProblem } from './problem.ts';
import { matchTlsa } from './tlsa.ts';

/** null: verified. */
export function judge(socket: TLSSocket, demand: TlsDemand, now: Date): TlsProblem | null {
  if (demand.dane !== null) {
    return matchTlsa(demand.dane.records, demand.dane.names, shownChain(socket), now);
  }
  if (socket.authorized) return null;
  // Node's types promise an Error; it is the code.
  const code: unknown = socket.authorizationError;
  return certificateProblem(code instanceof Error ? code.message : String(code));
}
