/**
 * campaigns/reports/figures — what the reports over all campaigns count, and their rates. Pure.
 *
 * Promises: a rate is a share of `delivered`, what receivers accepted in the same period; the deferral
 *           rate is a share of the attempts. Rates are rounded to a millionth, and null when there is
 *           nothing to divide by. Facts count at their own time, so a late bounce may be in another
 *           period than its acceptance, and a rate over 1 is possible.
 * See:      docs/reports.md "Rates".
 */

/** Sums of rollups. */
export interface Counts {
  delivered: number;
  bounced: number;
  bouncedLate: number;
  expired: number;
  deferred: number;
  complained: number;
  unsubscribed: number;
  /** Recipients not sent to, because they were on the list. */
  suppressed: number;
  /** Suppressions that came onto the list. */
  added: number;
}
export type Count = keyof Counts;

/** The kind of event behind each count. */
export const KIND_OF_COUNT: Record<Count, string> = {
  delivered: 'delivery.accepted',
  bounced: 'delivery.bounced',
  bouncedLate: 'bounce.late',
  expired: 'delivery.expired',
  deferred: 'delivery.deferred',
  complained: 'feedback.complaint',
  unsubscribed: 'recipient.unsubscribed',
  suppressed: 'delivery.suppressed',
  added: 'suppression.added',
};
export const COUNTS = Object.keys(KIND_OF_COUNT) as Count[];

export const TOPICS = ['bounces', 'complaints', 'suppressions', 'domains'] as const;
export type Topic = (typeof TOPICS)[number];

export type Grouping = 'class' | 'provider' | 'domain' | 'sender' | 'campaign' | 'hour' | 'day';

interface TopicDefinition {
  counts: readonly Count[];
  figures: (counts: Counts) => Record<string, number | null>;
}

/** The columns of each report, in their order. */
export const TOPIC_DEFINITIONS: Record<Topic, TopicDefinition> = {
  bounces: {
    counts: ['delivered', 'bounced', 'bouncedLate'],
    figures: ({ delivered, bounced, bouncedLate }) => ({
      delivered,
      bounced,
      bounced_late: bouncedLate,
      total: bounced + bouncedLate,
      rate: rate(bounced + bouncedLate, delivered),
    }),
  },
  complaints: {
    counts: ['delivered', 'complained', 'unsubscribed'],
    figures: ({ delivered, complained, unsubscribed }) => ({
      delivered,
      complained,
      unsubscribed,
      rate: rate(complained, delivered),
    }),
  },
  suppressions: {
    counts: ['delivered', 'added'],
    figures: ({ delivered, added }) => ({
      delivered,
      added,
      rate: rate(added, delivered),
    }),
  },
  domains: {
    counts: [
      'delivered',
      'bounced',
      'bouncedLate',
      'expired',
      'deferred',
      'complained',
      'unsubscribed',
      'suppressed',
    ],
    figures: (counts) => ({
      delivered: counts.delivered,
      bounced: counts.bounced,
      bounced_late: counts.bouncedLate,
      expired: counts.expired,
      deferred: counts.deferred,
      complained: counts.complained,
      unsubscribed: counts.unsubscribed,
      suppressed: counts.suppressed,
      bounce_rate: rate(counts.bounced + counts.bouncedLate, counts.delivered),
      deferral_rate: rate(
        counts.deferred,
        counts.delivered + counts.bounced + counts.expired + counts.deferred,
      ),
      complaint_rate: rate(counts.complained, counts.delivered),
    }),
  },
};

export const NOTHING: Counts = {
  delivered: 0,
  bounced: 0,
  bouncedLate: 0,
  expired: 0,
  deferred: 0,
  complained: 0,
  unsubscribed: 0,
  suppressed: 0,
  added: 0,
};

export function figureNames(topic: Topic): string[] {
  return Object.keys(TOPIC_DEFINITIONS[topic].figures(NOTHING));
}

export function isRate(figure: string): boolean {
  return figure.endsWith('rate');
}

function rate(part: number, whole: number): number | null {
  return whole <= 0 ? null : Math.round((part / whole) * 1e6) / 1e6;
}
