/**
 * campaigns/webhooks/fact — what webhooks are told of, and the body that tells it. Pure.
 *
 * Promises: the names are stable. The body is made once and kept, so a repeated attempt posts the
 *           same bytes; its form is that of standardwebhooks.com: `type`, `timestamp`, `data`.
 * Never:    holds an address of a recipient.
 */
export const WEBHOOK_EVENTS = [
  'alarm.raised',
  'alarm.cleared',
  'provider.paused',
  'provider.resumed',
  'campaign.paused',
  'campaign.resumed',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

export interface WebhookFact {
  event: WebhookEvent;
  at: Date;
  data: Record<string, string | number | null>;
}

export function bodyOf({ event, at, data }: WebhookFact): string {
  return JSON.stringify({ type: event, timestamp: at.toISOString(), data });
}
