/**
 * bounce/inspection — what one message that came back says, as a plain value.
 *
 * Promises: `kind` says what to do with it: only `bounce` with action `failed` may ever suppress
 *           somebody. `recipients` holds addresses that the message itself states, never a guess.
 *           Texts are one line of at most 2,000 characters, without control characters.
 * Never:    decides who is meant: whether these recipients are ours is attribution's business
 *           (VERP token first, then these fields, only among that batch's recipients).
 * See:      inspect.ts (makes it), classes.ts (Verdict), docs/bounces.md.
 */
import type { Verdict } from './classes.ts';

/**
 * bounce:    somebody was not reached, or not yet (`action: delayed`).
 * feedback:  a complaint or another feedback report (RFC 5965 and its forms).
 * autoreply: a person's or program's automatic answer; the message did arrive.
 * delivered: a success or relay report; nothing failed.
 * none:      nothing that we understand as a report.
 */
export type InspectionKind = 'bounce' | 'feedback' | 'autoreply' | 'delivered' | 'none';

/** RFC 3464 2.3.3. */
export const DSN_ACTIONS = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const;
export type DsnAction = (typeof DSN_ACTIONS)[number];

export interface InspectedRecipient {
  /** The address the report is about: `user@example.com`, as written, without brackets. */
  recipient: string;
  /** What the sender had asked for, when the report says so and it is not the same. */
  originalRecipient: string | null;
  /** `5.1.1`, as reported; null when the report has no enhanced status code. */
  status: string | null;
  action: DsnAction;
  /** The text that the verdict was made from: the SMTP reply, or the reason in words. */
  diagnostic: string;
  verdict: Verdict;
}

export interface Inspection {
  kind: InspectionKind;
  recipients: InspectedRecipient[];
  /** Original-Envelope-Id (RFC 3461 ENVID), decoded. */
  envelopeId: string | null;
  /** `X-Volley-Trace` of the returned headers: our signed trace. */
  traceToken: string | null;
  /** Message-ID of the returned message, without brackets. */
  messageId: string | null;
  /** `abuse`, `not-spam`, `auth-failure`, `opt-out`...; null unless `kind` is `feedback`. */
  feedbackType: string | null;
  /** Who wrote the report, as we understood it: `rfc3464`, `qmail`, `exim`...; null for none. */
  family: string | null;
}
