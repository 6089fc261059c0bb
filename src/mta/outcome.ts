/**
 * mta/outcome — what became of one recipient in one attempt. The vocabulary of delivery.
 *
 * A value, never a throw. `accepted`: the receiver said 2xx to the final dot. `deferred`: it failed
 * and may succeed later. `rejected`: it failed for good. `ambiguous`: the connection was lost after
 * the final dot and before its reply, so the receiver may or may not have the message.
 *
 * Promises: every recipient of a transaction gets exactly one outcome, whatever the network does.
 *           `deferred`/`rejected` say what the receiver said (or what we saw ourselves); whether a
 *           5xx is the recipient's fault is bounce/classify's business, not ours.
 */
import type { Reply } from './reply.ts';
import type { TlsProblem } from './tls/problem.ts';

/** Where the attempt ended, in the order of the conversation. */
export const STAGES = [
  'address',
  'dns',
  'connect',
  'greeting',
  'ehlo',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'dot',
] as const;
export type Stage = (typeof STAGES)[number];

/** What we saw ourselves when there was no reply; each has an enhanced code in mta/failure.ts. */
export type LocalFailure =
  | 'bad_address'
  | 'no_such_domain'
  | 'null_mx'
  | 'dns_temporary'
  | 'loops_to_self'
  | 'private_address'
  | 'source_failed'
  | 'connect_failed'
  | 'connect_timeout'
  | 'connection_lost'
  | 'reply_timeout'
  | 'protocol_error'
  | 'tls_failed'
  | 'certificate_unverified'
  | 'sts_mx_mismatch'
  | 'encryption_needed'
  | 'auth_failed'
  | 'requiretls_unsupported'
  | 'too_large'
  | 'eight_bit_unsupported'
  | 'smtputf8_unsupported'
  | 'storage_failed'
  | 'aborted'
  | 'render_failed';

export type Result = 'accepted' | 'deferred' | 'rejected' | 'ambiguous';

/** Facts of the session, the same for all recipients of a transaction. */
export interface SessionFacts {
  mxHost: string | null;
  /** IP address and port we spoke to: `192.0.2.1:25`. */
  mxAddress: string | null;
  /** What we sent from: an address, or the proxy that has it. null: the system chose. */
  sourceAddress: string | null;
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or null in clear. */
  tls: string | null;
  /** Whether the host's certificate verified, demanded or not. Absent: in clear. */
  tlsVerified?: boolean;
  /** The policy of the domain that the attempt was under. Absent: none. */
  tlsPolicy?: 'sts' | 'dane';
}

export interface RecipientOutcome extends SessionFacts {
  recipientId: bigint;
  result: Result;
  stage: Stage;
  /** The reply that decided; null when there was none. */
  reply: Reply | null;
  /** Set when the decision is our own observation. */
  failure: LocalFailure | null;
  /** The reply was for several recipients at one time: what it says of one may be true of another. */
  shared?: true;
  /** What was wrong with TLS, where that decided. */
  tlsProblem?: TlsProblem;
  startedAt: Date;
  /** From the first byte of the transaction to the decision. */
  durationMs: number;
}
