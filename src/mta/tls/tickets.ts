/**
 * mta/tls/tickets — TLS sessions to resume, so that the next connection to a host is cheaper.
 *
 * Pure; the time is an argument. Promises: a session is given out for the same host and the same
 *           demand only, within an hour of its first handshake, together with the verdict on the
 *           certificate seen then. Bounded: 5,000 keys, the longest unused goes first.
 * Why:      a receiver that takes 5 or 20 messages on a connection makes a handshake for every few
 *           messages; a resumed one needs neither its signature nor our verification. A session is
 *           used as often as the host likes: that connections can be told to come from one client
 *           (RFC 8446 C.4) is no loss to a client that says its name in EHLO.
 */
import type { TlsProblem } from './problem.ts';

export interface Ticket {
  session: Buffer;
  /** null: verified. */
  problem: TlsProblem | null;
  /** When the certificate was seen. */
  atMs: number;
}

export interface Tickets {
  get(key: string, nowMs: number): Ticket | null;
  /** The latest one stands. */
  put(key: string, ticket: Ticket): void;
  /** The host did not like it. */
  drop(key: string): void;
}

const MAX_KEYS = 5_000;
const MAX_AGE_MS = 3_600_000;

export function createTickets(): Tickets {
  const byKey = new Map<string, Ticket>();
  return {
    get(key, nowMs) {
      const ticket = byKey.get(key);
      byKey.delete(key);
      if (ticket === undefined || nowMs - ticket.atMs >= MAX_AGE_MS) return null;
      byKey.set(key, ticket);
      return ticket;
    },
    put(key, ticket) {
      byKey.delete(key);
      byKey.set(key, ticket);
      if (byKey.size <= MAX_KEYS) return;
      const [oldest] = byKey.keys();
      if (oldest !== undefined) byKey.delete(oldest);
    },
    drop: (key) => void byKey.delete(key),
  };
}
