/**
 * campaigns/alarms/decide — which alarms are raised and which are over. Pure.
 *
 * Promises: raised at the threshold, cleared only below four fifths of it, and not raised again within
 *           the rule's window after that: a rate that hovers about its threshold is one alarm. While a
 *           pause holds nothing is measured, so nothing is raised and nothing is cleared; whoever ends
 *           the pause clears the alarm (pauses.ts), and counting begins anew.
 *           The first pause is always the provider. The campaigns follow (`pause_campaign`) when the
 *           rule is broken at another provider although one is paused for it.
 */
import type { AlarmAction, Metric } from './rule.ts';

/** A rule, and what was counted for one sender and provider in its window. */
export interface Measure {
  ruleId: bigint;
  ruleName: string;
  metric: Metric;
  threshold: number;
  windowMinutes: number;
  minVolume: number;
  action: AlarmAction;
  senderId: bigint;
  provider: string;
  /** Of `volume`. */
  count: number;
  volume: number;
}

export interface LiveAlarm {
  id: bigint;
  ruleId: bigint;
  senderId: bigint;
  provider: string;
}

export type ClearedBy = 'rate' | 'quiet' | 'resumed' | 'rule_removed';

export interface Situation {
  measures: readonly Measure[];
  live: readonly LiveAlarm[];
  ruleIds: readonly bigint[];
  /** Cleared less than their window ago, otherwise than by a person. */
  coolingDown: readonly Omit<LiveAlarm, 'id'>[];
  /** In force. `ruleId` null: a person made it. */
  pauses: readonly { senderId: bigint; provider: string; ruleId: bigint | null }[];
}

export interface Decisions {
  raise: { measure: Measure; pauseProvider: boolean; pauseCampaigns: boolean }[];
  clear: { alarm: LiveAlarm; by: ClearedBy }[];
}

const CLEARED_BELOW = 0.8;

export function decideAlarms(situation: Situation): Decisions {
  const { measures, live, ruleIds, coolingDown, pauses } = situation;
  const paused = new Set(pauses.map(placeOf));
  const silent = new Set([...live, ...coolingDown].map(keyOf));
  const escalated = new Set(pauses.map(({ ruleId, senderId }) => `${ruleId} ${senderId}`));
  const raise = measures
    .filter((measure) => isBroken(measure) && !silent.has(keyOf(measure)))
    .filter((measure) => !paused.has(placeOf(measure)))
    .map((measure) => ({
      measure,
      pauseProvider: measure.action !== 'none',
      pauseCampaigns:
        measure.action === 'pause_campaign' &&
        escalated.has(`${measure.ruleId} ${measure.senderId}`),
    }));
  const byKey = new Map(measures.map((measure) => [keyOf(measure), measure]));
  const clear = live.flatMap((alarm) => {
    const measure = byKey.get(keyOf(alarm)) ?? null;
    const by = ruleIds.includes(alarm.ruleId) ? endOf(measure) : 'rule_removed';
    const holds = paused.has(placeOf(alarm)) && by !== 'rule_removed';
    return by === null || holds ? [] : [{ alarm, by }];
  });
  return { raise, clear };
}

/** A share of the volume; 0 when there is none. */
export function rateOf({ count, volume }: { count: number; volume: number }): number {
  return volume <= 0 ? 0 : count / volume;
}

function isBroken(measure: Measure): boolean {
  return measure.volume >= measure.minVolume && rateOf(measure) >= measure.threshold;
}

function endOf(measure: Measure | null): ClearedBy | null {
  if (measure === null || measure.volume < measure.minVolume) return 'quiet';
  return rateOf(measure) < measure.threshold * CLEARED_BELOW ? 'rate' : null;
}

function keyOf(of: { ruleId: bigint; senderId: bigint; provider: string }): string {
  return `${of.ruleId} ${placeOf(of)}`;
}

function placeOf({ senderId, provider }: { senderId: bigint; provider: string }): string {
  return `${senderId} ${provider}`;
}
