/**
 * campaigns/alarms/rule — what an alarm rule says, and whether that makes sense. Pure.
 *
 * | metric    | share                                        | of                                       |
 * | --------- | -------------------------------------------- | ---------------------------------------- |
 * | bounce    | refused for good, and reported lost later    | accepted and refused                     |
 * | deferral  | attempts that have to be repeated            | all attempts                             |
 * | complaint | complaints                                   | accepted                                 |
 *
 * Why bounces are not a share of what was delivered, as in the reports: a provider that refuses
 * everything delivers nothing, and a share of nothing raises no alarm.
 */
import { PROVIDER_NAMES } from '../../kernel/providers/provider.ts';

export const METRICS = ['bounce', 'deferral', 'complaint'] as const;
export type Metric = (typeof METRICS)[number];

export const ACTIONS = ['none', 'pause_provider', 'pause_campaign'] as const;
export type AlarmAction = (typeof ACTIONS)[number];

export interface RuleInput {
  name: string;
  metric: Metric;
  senderId: bigint | null;
  provider: string | null;
  windowMinutes: number;
  minVolume: number;
  threshold: number;
  action: AlarmAction;
}

/** The kinds of events behind the two sides of each rate. */
export const KINDS_OF_METRIC: Record<
  Metric,
  { part: readonly string[]; whole: readonly string[] }
> = {
  bounce: {
    part: ['delivery.bounced', 'bounce.late'],
    whole: ['delivery.accepted', 'delivery.bounced'],
  },
  deferral: {
    part: ['delivery.deferred'],
    whole: ['delivery.accepted', 'delivery.bounced', 'delivery.expired', 'delivery.deferred'],
  },
  complaint: { part: ['feedback.complaint'], whole: ['delivery.accepted'] },
};

/** The counts come in steps of a quarter of an hour: a shorter window would often be empty. */
const MIN_WINDOW_MINUTES = 15;
const MAX_WINDOW_MINUTES = 1_440;
const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Field and what is wrong with it. */
export function ruleProblems(rule: RuleInput): [pointer: string, detail: string][] {
  const problems: [string, string][] = [];
  const { windowMinutes, minVolume, threshold, provider } = rule;
  if (!NAME.test(rule.name)) problems.push(['/name', 'must be 1 to 64 of a-z, 0-9, `_` and `-`']);
  if (!isWithin(windowMinutes, MIN_WINDOW_MINUTES, MAX_WINDOW_MINUTES)) {
    problems.push([
      '/window_minutes',
      `must be ${MIN_WINDOW_MINUTES} to ${MAX_WINDOW_MINUTES}, a whole number`,
    ]);
  }
  if (!isWithin(minVolume, 1, 1_000_000_000)) problems.push(['/min_volume', 'must be at least 1']);
  if (!(threshold > 0 && threshold <= 1)) {
    problems.push(['/threshold', 'must be a share: over 0, at most 1 (0.05 is 5 %)']);
  }
  if (provider !== null && !PROVIDER_NAMES.includes(provider)) {
    problems.push(['/provider', `must be one of ${PROVIDER_NAMES.join(', ')}`]);
  }
  return problems;
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
