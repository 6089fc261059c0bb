/** Alarms on real rollups: raised, paused, cleared, resumed; and what webhooks are told. */
import { beforeEach, describe, expect, test } from 'vitest';
import { decideAlarms } from '../../src/campaigns/alarms/decide.ts';
import type { Measure } from '../../src/campaigns/alarms/decide.ts';
import { evaluateAlarms } from '../../src/campaigns/alarms/keeper.ts';
import { listPauses, pauseProvider, resumeProvider } from '../../src/campaigns/alarms/pauses.ts';
import { createRule, deleteRule, listRules } from '../../src/campaigns/alarms/rules.ts';
import type { RuleInput } from '../../src/campaigns/alarms/rule.ts';
import { campaignReport } from '../../src/campaigns/reports.ts';
import { getCampaign } from '../../src/campaigns/campaigns.ts';
import { createWebhook } from '../../src/campaigns/webhooks/webhooks.ts';
import type { EventKind } from '../../src/kernel/events.ts';
import { addCounts } from '../harness/counts.ts';
import { watchCampaigns } from '../../src/scheduler/campaigns-in-work.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { useDatabase } from '../harness/database.ts';
import { insertCampaign } from '../harness/rows.ts';
import { testDeps } from './fixture.ts';

const database = useDatabase();
let now = new Date('2026-03-01T12:05:00Z');
const deps = () => ({ ...testDeps(database.sql), clock: () => now });
let campaignId: bigint;
let senderId: bigint;

const RULE: RuleInput = {
  name: 'r',
  metric: 'bounce',
  senderId: null,
  provider: null,
  windowMinutes: 60,
  minVolume: 100,
  threshold: 0.1,
  action: 'pause_provider',
};

beforeEach(async () => {
  now = new Date('2026-03-01T12:05:00Z');
  await database.sql`
    truncate alarms, alarm_rules, provider_pauses, alarm_baselines, webhooks, webhook_deliveries,
      provider_rollups, daily_rollups, minute_rollups, events, campaigns cascade`;
  campaignId = await insertCampaign(database.sql, { state: 'sending', recipients: ['a@qq.com'] });
  senderId = (await getCampaign(deps(), campaignId)).senderId;
});

async function counted(domain: string, counts: Partial<Record<EventKind, number>>) {
  const rows = Object.entries(counts).map(([kind, count]) => {
    return { campaignId, at: now, domain, kind: kind as EventKind, class: '', count };
  });
  await addCounts(database.sql, rows);
}

const minutes = (n: number) => void (now = new Date(now.getTime() + n * 60_000));
const pauses = async () => (await listPauses(deps(), { limit: 10, after: null }, true)).data;
const told = async () =>
  (await database.sql<{ kind: string }[]>`select kind from events order by id`).map((e) => e.kind);

test('a broken rule raises one alarm, pauses the provider, and says why everywhere', async () => {
  await createRule(deps(), RULE);
  await createWebhook(deps(), { url: 'http://127.0.0.1:9/', events: [], secret: null });
  await counted('qq.com', { 'delivery.accepted': 80, 'delivery.bounced': 40 });
  await counted('gmail.com', { 'delivery.accepted': 800, 'delivery.bounced': 40 });

  expect(await evaluateAlarms(deps())).toEqual({ raised: 1, cleared: 0 });
  expect(await evaluateAlarms(deps())).toEqual({ raised: 0, cleared: 0 });

  const [pause] = await pauses();
  expect(pause).toMatchObject({ provider: 'qq', senderId, createdBy: 'alarm' });
  const reason = 'r at qq: 40 of 120 (33.33 %) in 60 minutes, threshold 10 %';
  expect((await getCampaign(deps(), campaignId)).heldProviders).toMatchObject([
    { provider: 'qq', reason, pauseId: pause?.id },
  ]);
  expect((await campaignReport(deps(), campaignId)).held.providers).toHaveLength(1);
  expect(await told()).toEqual(['alarm.raised', 'provider.paused']);
  const queued = await database.sql<{ event: string; payload: string }[]>`
    select event, payload from webhook_deliveries order by id`;
  expect(queued.map(({ event }) => event)).toEqual(['alarm.raised', 'provider.paused']);
  expect(JSON.parse(queued[0]?.payload ?? '')).toMatchObject({
    type: 'alarm.raised',
    data: { rule: 'r', provider: 'qq', count: 40, volume: 120, rate: 0.333333, reason },
  });
});

test('the scheduler knows a pause by itself, for this sender and provider only', async () => {
  const watch = await watchCampaigns(database.sql, createLogger('error'), () => undefined);
  const other = await insertCampaign(database.sql, { state: 'sending', recipients: ['a@qq.com'] });
  const at = new Date();
  await watch.refresh();
  expect(watch.maySend(campaignId, 'qq', at)).toBe(true);
  await pauseProvider(deps(), { senderId, provider: 'qq', reason: 'x', by: 'me' });
  await expect.poll(() => watch.maySend(campaignId, 'qq', at)).toBe(false);

  expect(watch.maySend(campaignId, 'gmail', at)).toBe(true);
  expect(watch.maySend(other, 'qq', at)).toBe(true);
  await watch.stop();
});

test('a resume clears the alarm, and what was counted before it raises no other', async () => {
  await createRule(deps(), RULE);
  await counted('qq.com', { 'delivery.accepted': 80, 'delivery.bounced': 40 });
  await evaluateAlarms(deps());
  minutes(1);
  await resumeProvider(deps(), (await pauses())[0]?.id ?? 0n, 'me');

  expect(await evaluateAlarms(deps())).toEqual({ raised: 0, cleared: 0 });
  await counted('qq.com', { 'delivery.accepted': 150, 'delivery.bounced': 5 });
  expect(await evaluateAlarms(deps())).toEqual({ raised: 0, cleared: 0 });
  await counted('qq.com', { 'delivery.bounced': 30 });
  expect(await evaluateAlarms(deps())).toEqual({ raised: 1, cleared: 0 });
  expect(await told()).toEqual([
    ...['alarm.raised', 'provider.paused', 'provider.resumed', 'alarm.cleared'],
    ...['alarm.raised', 'provider.paused'],
  ]);
  await expect(resumeProvider(deps(), 1n << 40n, 'me')).rejects.toMatchObject({
    code: 'not_found',
  });
});

test('campaigns follow only when the rule is broken elsewhere although a provider is paused', async () => {
  await createRule(deps(), { ...RULE, action: 'pause_campaign' });
  await counted('qq.com', { 'delivery.accepted': 80, 'delivery.bounced': 40 });
  await evaluateAlarms(deps());
  expect((await getCampaign(deps(), campaignId)).state).toBe('sending');

  await counted('gmail.com', { 'delivery.accepted': 120, 'bounce.late': 40 });
  await evaluateAlarms(deps());

  const campaign = await getCampaign(deps(), campaignId);
  expect(campaign.state).toBe('paused');
  expect(campaign.pauseReason).toContain('r at gmail: 40 of 120');
  expect(campaign.heldProviders.map(({ provider }) => provider)).toEqual(['qq', 'gmail']);
});

test('without an action an alarm is raised and cleared, with room between, and cools down', async () => {
  await createRule(deps(), { ...RULE, action: 'none' });
  await counted('qq.com', { 'delivery.accepted': 90, 'delivery.bounced': 10 });
  expect(await evaluateAlarms(deps())).toEqual({ raised: 1, cleared: 0 });
  await counted('qq.com', { 'delivery.accepted': 10 });
  expect(await evaluateAlarms(deps())).toEqual({ raised: 0, cleared: 0 });
  await counted('qq.com', { 'delivery.accepted': 30 });
  expect(await evaluateAlarms(deps())).toEqual({ raised: 0, cleared: 1 });
  await counted('qq.com', { 'delivery.bounced': 100 });
  expect(await evaluateAlarms(deps())).toEqual({ raised: 0, cleared: 0 });
  expect(await pauses()).toEqual([]);

  minutes(61);
  await counted('qq.com', { 'delivery.accepted': 90, 'delivery.bounced': 100 });
  expect(await evaluateAlarms(deps())).toEqual({ raised: 1, cleared: 0 });
});

test('a removed rule takes its alarms with it; two evaluations at once are one', async () => {
  const rule = await createRule(deps(), { ...RULE, action: 'none' });
  await counted('qq.com', { 'delivery.bounced': 100 });
  const both = await Promise.all([evaluateAlarms(deps()), evaluateAlarms(deps())]);
  expect(both.reduce((sum, { raised }) => sum + raised, 0)).toBe(1);
  await deleteRule(deps(), rule.id);

  expect(await evaluateAlarms(deps())).toEqual({ raised: 0, cleared: 1 });
});

test('complaints and deferrals have their own wholes; other senders and notices do not count', async () => {
  await createRule(deps(), { ...RULE, name: 'c', metric: 'complaint', threshold: 0.01 });
  await createRule(deps(), { ...RULE, name: 'd', metric: 'deferral', threshold: 0.5 });
  await createRule(deps(), { ...RULE, name: 'other', senderId });
  await counted('qq.com', { 'delivery.accepted': 100, 'feedback.complaint': 1 });
  await counted('gmail.com', { 'delivery.deferred': 60, 'delivery.accepted': 50 });
  await database.sql`update campaigns set purpose = 'notice' where id = ${campaignId}`;
  expect(await evaluateAlarms(deps())).toEqual({ raised: 0, cleared: 0 });
  await database.sql`update campaigns set purpose = 'campaign' where id = ${campaignId}`;

  expect(await evaluateAlarms(deps())).toEqual({ raised: 2, cleared: 0 });
});

test('rules that make no sense are refused, and names are unique', async () => {
  const wrong = { ...RULE, threshold: 5, windowMinutes: 1, provider: 'nobody', name: 'A b' };
  await expect(createRule(deps(), wrong)).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [
      { pointer: '/name' },
      { pointer: '/window_minutes' },
      { pointer: '/threshold' },
      { pointer: '/provider' },
    ],
  });
  await createRule(deps(), RULE);
  await expect(createRule(deps(), RULE)).rejects.toMatchObject({ code: 'conflict' });
  expect((await listRules(deps())).map(({ name }) => name)).toEqual(['r']);
});

describe('decide', () => {
  const measure: Measure = {
    ...{ ruleId: 1n, ruleName: 'r', metric: 'bounce', threshold: 0.1, windowMinutes: 60 },
    ...{ minVolume: 100, action: 'pause_provider', senderId: 1n, provider: 'qq' },
    ...{ count: 50, volume: 100 },
  };
  const nothing = { measures: [], live: [], ruleIds: [1n], coolingDown: [], pauses: [] };

  test('below the least volume nothing is raised', () => {
    const measures = [{ ...measure, volume: 99 }];
    expect(decideAlarms({ ...nothing, measures }).raise).toEqual([]);
  });

  test('what is paused is neither raised nor cleared', () => {
    const pauses = [{ senderId: 1n, provider: 'qq', ruleId: 1n }];
    const live = [{ id: 9n, ruleId: 1n, senderId: 1n, provider: 'qq' }];
    expect(decideAlarms({ ...nothing, live, pauses })).toEqual({ raise: [], clear: [] });
    expect(decideAlarms({ ...nothing, measures: [measure], pauses }).raise).toEqual([]);
    expect(decideAlarms({ ...nothing, live }).clear).toMatchObject([{ by: 'quiet' }]);
  });
});
