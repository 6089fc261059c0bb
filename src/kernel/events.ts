/**
 * kernel/events — the one vocabulary of what can happen. Rows of `events` carry these kinds.
 *
 * Promises: append-only facts. A late bounce is a new event; it never rewrites what SMTP said.
 *           Kinds that name a delivery state are written in the transaction that sets the state.
 * See:      drizzle/schema.ts (events, rollups), DESIGN.md "States and commit points".
 */
export const DELIVERY_EVENT_KINDS = [
  'delivery.accepted',
  'delivery.deferred',
  'delivery.bounced',
  'delivery.expired',
  'delivery.suppressed',
  'delivery.cancelled',
  'delivery.ambiguous',
  'delivery.resolved',
] as const;

export const EVENT_KINDS = [
  ...DELIVERY_EVENT_KINDS,
  /** A DSN said that an accepted message failed after all. */
  'bounce.late',
  /** A DSN about something else than failure (delay, relay, success), or one that names nobody. */
  'bounce.notice',
  'feedback.complaint',
  'recipient.unsubscribed',
  /** He wants a rest: no mail of the stream for a while. */
  'recipient.paused',
  /** He took his unsubscription back. */
  'recipient.subscribed',
  'suppression.added',
  'suppression.released',
  /** A person was forgotten on request. */
  'address.erased',
  'campaign.started',
  'campaign.expanded',
  'campaign.paused',
  'campaign.resumed',
  /** Somebody asked for it; `campaign.cancelled` is its end. */
  'campaign.cancelling',
  'campaign.cancelled',
  'campaign.completed',
  /** A rate went over its threshold (campaigns/alarms), or is good again. */
  'alarm.raised',
  'alarm.cleared',
  /** A sender's mail to a provider is held, or goes on. */
  'provider.paused',
  'provider.resumed',
] as const;

/** One event may tell of this many deliveries that follow one another: no batch has more. */
export const MAX_DELIVERIES_OF_EVENT = 1_000;

export type DeliveryEventKind = (typeof DELIVERY_EVENT_KINDS)[number];
export type EventKind = (typeof EVENT_KINDS)[number];

/** Postgres channels; payloads are short strings. */
export const CHANNELS = {
  /** Payload: campaign id. Its state changed, or it has new work. */
  campaigns: 'volley_campaigns',
  /** Payload: address key, or `*` for "many, read the table". A suppression was added. */
  suppressions: 'volley_suppressions',
  /** Payload: sender id. Its DKIM keys changed. */
  senders: 'volley_senders',
  /** Payload: rule id. An operator's rule was added or taken away. */
  rules: 'volley_bounce_rules',
  /** No payload. A route or a source address was added or taken away. */
  routing: 'volley_routing',
} as const;
