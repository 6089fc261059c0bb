/**
 * mta/tls/tickets — TLS sessions to resume, so that the next connection to a host is cheaper.
 *
 * Pure; the time is an argument. Promises: a session is given out for the same host and the same
 *           demand only, once (RFC 8446 C.4), within an hour, together with the verdict on the
 *           certificate of its first handshake. Bounded: 2,000 keys, 4 sessions each.
 * Why:      a receiver that takes 5 or 20 messages on a connection makes a handshake for every few
 *           messages; a resumed one needs neither its signature nor our verification.
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
  take(key: string, nowMs: number): Ticket | null;
  put(key: string, ticket: Ticket): void;
  /** The host did not like one. */
  drop(key: string): void;
}

const MAX_KEYS = 2_000;
const MAX_PER_KEY = 4;
const MAX_AGE_MS = 3_600_000;

export function createTickets(): Tickets {
  const byKey = new Map<string, Ticket[]>();
  return {
    take(key, nowMs) {
      const tickets = byKey.get(key) ?? [];
      for (let last = tickets.pop(); last !== undefined; last = tickets.pop()) {
        if (nowMs - last.atMs < MAX_AGE_MS) return last;
      }
      byKey.delete(key);
      return null;
    },
    put(key, ticket) {
      const tickets = byKey.get(key) ?? [];
      byKey.delete(key);
      byKey.set(key, [...tickets, ticket].slice(-MAX_PER_KEY));
      if (byKey.size <= MAX_KEYS) return;
      const [oldest] = byKey.keys();
      if (oldest !== undefined) byKey.delete(oldest);
    },
    drop: (key) => void byKey.delete(key),
  };
}
