/**
 * campaigns/alarms/keeper — looks at the rates every half minute, raises and clears alarms, pauses.
 *
 * Promises: one process at a time (advisory lock), all of one evaluation in one transaction: an alarm,
 *           its event, its webhooks and its pause are there together or not at all. The cost does not
 *           depend on the lists.
 * Never:    resumes anything; that is for people (pauses.ts, campaigns/lifecycle.ts).
 * See:      decide.ts (what is raised when), docs/alarms.md.
 */
import { formatId } from '../../kernel/ids.ts';
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Loop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Tx } from '../../kernel/postgres/connect.ts';
import type { CampaignDeps } from '../deps.ts';
import { insertCampaignEvent, notifyCampaign } from '../store.ts';
import type { WebhookFact } from '../webhooks/fact.ts';
import { queueFacts } from '../webhooks/store.ts';
import { decideAlarms, rateOf } from './decide.ts';
import type { Decisions } from './decide.ts';
import { pauseProviders } from './pauses.ts';
import { pauseCampaignsOf, selectLivePauses } from './pauses/store.ts';
import { KINDS_OF_METRIC } from './rule.ts';
import type { AlarmAction } from './rule.ts';
import { selectRules } from './rules/store.ts';
import {
  clearAlarms,
  insertAlarms,
  lockEvaluation,
  measureRules,
  selectCoolingDown,
  selectLiveAlarms,
} from './store.ts';
import type { AlarmRow } from './store.ts';
import { clearedFact, tell } from './tell.ts';

export type AlarmDeps = Pick<CampaignDeps, 'sql' | 'clock'>;
type Raise = Decisions['raise'][number];

export function startAlarms(
  deps: AlarmDeps & { log: Logger },
  intervalMs: number,
): Pick<Loop, 'stop'> {
  return startLoop({
    intervalMs,
    step: async () => {
      const { raised, cleared } = await evaluateAlarms(deps);
      if (raised + cleared > 0) deps.log.warn({ raised, cleared }, 'alarms');
    },
    onError: (error) => deps.log.error({ err: error }, 'cannot evaluate alarms; again soon'),
  });
}

/** How many were raised and cleared; nothing when another process is at it. */
export async function evaluateAlarms({
  sql,
  clock,
}: AlarmDeps): Promise<{ raised: number; cleared: number }> {
  return sql.begin(async (tx) => {
    if (!(await lockEvaluation(tx))) return { raised: 0, cleared: 0 };
    const now = clock();
    const { raise, clear } = decideAlarms({
      measures: await measureRules(tx, now),
      live: await selectLiveAlarms(tx),
      ruleIds: (await selectRules(tx)).map(({ id }) => id),
      coolingDown: await selectCoolingDown(tx, now),
      pauses: await selectLivePauses(tx),
    });
    await clearAll(tx, clear, now);
    await raiseAll(tx, raise, now);
    return { raised: raise.length, cleared: clear.length };
  });
}

async function clearAll(tx: Tx, clear: Decisions['clear'], now: Date): Promise<void> {
  if (clear.length === 0) return;
  const rows = await clearAlarms(
    tx,
    clear.map(({ alarm, by }) => ({ id: alarm.id, by })),
    now,
  );
  await tell(
    tx,
    rows.map((row) => clearedFact(row, now)),
  );
}

async function raiseAll(tx: Tx, raise: readonly Raise[], now: Date): Promise<void> {
  if (raise.length === 0) return;
  const planned = raise.map((one) => ({ measure: one.measure, action: actionOf(one) }));
  const alarms = await insertAlarms(tx, planned, now);
  const raised = alarms.flatMap((alarm) => {
    const one = raise.find(({ measure }) => isOf(measure, alarm));
    return one === undefined ? [] : [{ ...one, alarm, reason: reasonOf(alarm, one) }];
  });
  await tell(
    tx,
    raised.map(({ alarm, reason }) => ({
      event: 'alarm.raised',
      at: now,
      data: { ...dataOf(alarm), action: alarm.action, reason },
    })),
  );
  const held = raised.filter(({ pauseProvider }) => pauseProvider);
  await pauseProviders(
    tx,
    // Two rules may be broken at one place: it is paused once.
    [...new Map(held.map((one) => [placeOf(one.alarm), one])).values()].map(
      ({ alarm: { id: alarmId, senderId, provider }, reason }) => ({
        senderId,
        provider,
        reason,
        alarmId,
        createdAt: now,
        createdBy: 'alarm',
      }),
    ),
  );
  for (const one of raised) if (one.pauseCampaigns) await pauseCampaigns(tx, one, now);
}

async function pauseCampaigns(
  tx: Tx,
  { alarm, measure, reason }: Raise & { alarm: AlarmRow; reason: string },
  now: Date,
): Promise<void> {
  const ids = await pauseCampaignsOf(tx, {
    senderId: alarm.senderId,
    provider: alarm.provider,
    kinds: KINDS_OF_METRIC[alarm.metric].part,
    since: new Date(now.getTime() - measure.windowMinutes * 60_000),
    reason,
  });
  const data = { reason, alarm_id: formatId('alm', alarm.id) };
  for (const campaignId of ids) {
    await insertCampaignEvent(tx, { kind: 'campaign.paused', campaignId, at: now, data });
    await notifyCampaign(tx, campaignId);
  }
  await queueFacts(
    tx,
    ids.map((id): WebhookFact => ({
      event: 'campaign.paused',
      at: now,
      data: { campaign_id: formatId('cmp', id), ...data },
    })),
  );
}

function actionOf({ pauseProvider, pauseCampaigns }: Raise): AlarmAction {
  if (pauseCampaigns) return 'pause_campaign';
  return pauseProvider ? 'pause_provider' : 'none';
}

function isOf(measure: Raise['measure'], alarm: AlarmRow): boolean {
  return measure.ruleId === alarm.ruleId && placeOf(measure) === placeOf(alarm);
}

function placeOf({ senderId, provider }: { senderId: bigint; provider: string }): string {
  return `${senderId} ${provider}`;
}

/** `bounces at qq: 52 of 210 (24.76 %) in 60 minutes, threshold 10 %`. */
function reasonOf(alarm: AlarmRow, { measure }: Raise): string {
  const rate = percent(rateOf(measure));
  const limit = percent(alarm.threshold);
  const what = `${alarm.ruleName} at ${alarm.provider}`;
  return `${what}: ${measure.count} of ${measure.volume} (${rate}) in ${measure.windowMinutes} minutes, threshold ${limit}`;
}

function percent(share: number): string {
  return `${Math.round(share * 10_000) / 100} %`;
}

function dataOf(alarm: AlarmRow): Record<string, string | number | null> {
  const [count, volume] = [Number(alarm.count), Number(alarm.volume)];
  return {
    alarm_id: formatId('alm', alarm.id),
    rule: alarm.ruleName,
    metric: alarm.metric,
    threshold: alarm.threshold,
    sender_id: formatId('snd', alarm.senderId),
    provider: alarm.provider,
    count,
    volume,
    rate: Math.round(rateOf({ count, volume }) * 1e6) / 1e6,
  };
}
