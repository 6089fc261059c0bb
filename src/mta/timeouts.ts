/**
 * mta/timeouts — how long each step of a session may take.
 *
 * The values of RFC 5321 4.5.3.2 where it has one. Shorter ones make duplicates: a receiver that is
 * slow after the dot has taken the message, and does not know that we have given up.
 */
export interface Timeouts {
  greetingMs: number;
  /** EHLO, HELO. */
  ehloMs: number;
  /** The reply to STARTTLS. */
  startTlsMs: number;
  /** The TLS handshake. */
  tlsMs: number;
  /** Each reply to AUTH. */
  authMs: number;
  mailMs: number;
  rcptMs: number;
  dataMs: number;
  /** Until one block of the message has left for the network. */
  blockMs: number;
  /** The reply to the final dot. */
  dotMs: number;
  rsetMs: number;
  /** Nothing depends on the reply to QUIT. */
  quitMs: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  greetingMs: 300_000,
  ehloMs: 300_000,
  startTlsMs: 120_000,
  tlsMs: 60_000,
  authMs: 120_000,
  mailMs: 300_000,
  rcptMs: 300_000,
  dataMs: 120_000,
  blockMs: 180_000,
  dotMs: 600_000,
  rsetMs: 60_000,
  quitMs: 2_000,
};
