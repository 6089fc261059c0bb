/**
 * bounce/notices — the port by which Volley writes mail on its own account: confirmations, answers to
 * list commands, forwarded mail to postmaster, probes, reports.
 *
 * Declared here by its lowest consumer, implemented by campaigns/notices.ts, wired in cli/engine.ts.
 * Promises: `send` joins the caller's transaction, so a notice exists exactly when the caller's own
 *           rows do. It is sent by the ordinary engine: queued, retried, signed, VERP, accounted for.
 *           An address that is suppressed for everything gets none.
 */
import type { Tx } from '../kernel/postgres/connect.ts';

/** Stored: never renamed. */
export type NoticeKind =
  'unsubscribe' | 'list' | 'postmaster' | 'warning' | 'probe' | 'report' | 'tls_report';

export interface Notice {
  /** An address as kernel/address gives it. */
  to: string;
  subject: string;
  /** Plain text; lines end with `\n`. */
  text: string;
  /** An address of ours; null: the sender's From. */
  replyTo: string | null;
}

export interface NoticeOrder {
  kind: NoticeKind;
  senderId: bigint;
  /** One per address. */
  notices: readonly Notice[];
  /** How many of this kind an address gets in 24 h; null: no limit. */
  perAddressADay: number | null;
  /** How many of this kind all together get in an hour; null: no limit. */
  perHour: number | null;
}

export interface Notices {
  /** Answers how many are sent: what is over a limit is not. */
  send(tx: Tx, order: NoticeOrder): Promise<number>;
}
