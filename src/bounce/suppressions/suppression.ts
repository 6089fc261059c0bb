/**
 * bounce/suppressions/suppression — one entry of the suppression list, and when it applies.
 *
 * An entry is live while it is not released and not expired. A live entry applies to a message when
 * its scope is `global`, or `sender` and its value is the sender's domain, or `stream` and its value
 * is the campaign's stream of that sender (`shop.example/marketing`: what recipients ask for) or of
 * all senders (`marketing`: for operators). One live entry applies: the message is not sent.
 *
 * In SQL, with the table as `s` (suppressions/store.ts `liveFor` is the same text):
 *
 *     s.released_at is null and (s.expires_at is null or s.expires_at > now())
 *     and (s.scope = 'global'
 *       or (s.scope = 'sender' and s.scope_value = <sender domain>)
 *       or (s.scope = 'stream' and s.scope_value in (<stream>, <sender domain>/<stream>)))
 *
 * Of two reasons for one address and scope the stronger is kept: REASONS_BY_STRENGTH.
 */
export const SUPPRESSION_SCOPES = ['global', 'sender', 'stream'] as const;
export type SuppressionScope = (typeof SUPPRESSION_SCOPES)[number];

/** The scope value of one sender's stream: who leaves the newsletter of one keeps another's. */
export function streamOfSender(senderDomain: string, stream: string): string {
  return `${senderDomain}/${stream}`;
}

/** Weakest first. What the recipient said himself outweighs what machines said about him. */
export const REASONS_BY_STRENGTH = [
  'soft_bounce_limit',
  'policy',
  'invalid',
  'hard_bounce',
  'manual',
  'unsubscribe',
  'complaint',
] as const;
export type SuppressionReason = (typeof REASONS_BY_STRENGTH)[number];

/** Who made it. */
export type SuppressionOrigin = 'recipient' | 'operator' | 'import' | 'system';

export interface NewSuppression {
  /** kernel/address `key`. */
  addressKey: string;
  /** `global` when absent. */
  scope?: SuppressionScope;
  /** Sender domain, or stream (`streamOfSender`); empty or absent for `global`. */
  scopeValue?: string;
  reason: SuppressionReason;
  origin: SuppressionOrigin;
  /** The bounce class that decided. */
  class?: string | null;
  /** The reply, report or note that justifies it. */
  evidence: string | null;
  campaignId: bigint | null;
  deliveryId: bigint | null;
  /** Who added it by hand: `key_…`, or the command line. */
  createdBy?: string | null;
  /** null: until it is released. */
  expiresAt: Date | null;
}

export interface Suppression {
  id: bigint;
  addressKey: string;
  scope: SuppressionScope;
  scopeValue: string;
  reason: SuppressionReason;
  origin: SuppressionOrigin;
  class: string | null;
  evidence: string | null;
  campaignId: bigint | null;
  deliveryId: bigint | null;
  createdAt: Date;
  createdBy: string | null;
  expiresAt: Date | null;
  releasedAt: Date | null;
  releasedBy: string | null;
}

/** Whom a message is from, as far as scopes care. */
export interface SendingContext {
  senderDomain: string;
  stream: string;
}
