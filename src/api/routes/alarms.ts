/** api/routes/alarms — alarm rules, and the alarms they raised. See provider-pauses.ts for what they hold. */
import { z } from '@hono/zod-openapi';
import { listAlarms } from '../../campaigns/alarms/alarms.ts';
import type { Alarm } from '../../campaigns/alarms/alarms.ts';
import { ACTIONS, METRICS } from '../../campaigns/alarms/rule.ts';
import type { RuleInput } from '../../campaigns/alarms/rule.ts';
import { changeRule, createRule, deleteRule, listRules } from '../../campaigns/alarms/rules.ts';
import type { AlarmRule } from '../../campaigns/alarms/rules.ts';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import {
  bodyId,
  count,
  idOf,
  instant,
  instantOrNull,
  iso,
  json,
  jsonBody,
  lineOf,
  pathId,
  requireId,
} from '../schema.ts';

const NewRule = z
  .strictObject({
    name: lineOf(64),
    metric: z.enum(METRICS),
    sender_id: idOf('snd')
      .nullable()
      .default(null)
      .openapi({ description: 'null: each sender by itself' }),
    provider: lineOf(64)
      .nullable()
      .default(null)
      .openapi({ description: 'null: each provider by itself' }),
    window_minutes: z.int().default(60),
    min_volume: z.int().openapi({ description: 'Below it a rate says nothing', example: 200 }),
    threshold: z.number().openapi({ description: 'A share: 0.05 is 5 %', example: 0.05 }),
    action: z.enum(ACTIONS).default('none').openapi({
      description:
        '`pause_campaign`: the provider first, the campaigns when it is broken elsewhere too',
    }),
  })
  .openapi('NewAlarmRule', {
    example: {
      name: 'complaints-qq',
      metric: 'complaint',
      sender_id: null,
      provider: 'qq',
      window_minutes: 60,
      min_volume: 1_000,
      threshold: 0.002,
      action: 'pause_provider',
    },
  });

const RuleSchema = z
  .object({
    id: idOf('alr'),
    name: z.string(),
    metric: z.enum(METRICS),
    sender_id: idOf('snd').nullable(),
    provider: z.string().nullable(),
    window_minutes: count,
    min_volume: count,
    threshold: z.number(),
    action: z.enum(ACTIONS),
    created_at: instant,
  })
  .openapi('AlarmRule');

const AlarmSchema = z
  .object({
    id: idOf('alm'),
    rule: z.string(),
    metric: z.enum(METRICS),
    threshold: z.number(),
    sender_id: idOf('snd'),
    provider: z.string(),
    count: count.openapi({ description: 'Of `volume`, when it was raised' }),
    volume: count,
    action: z.enum(ACTIONS).openapi({ description: 'What was done' }),
    raised_at: instant,
    cleared_at: instantOrNull,
    cleared_by: z
      .string()
      .nullable()
      .openapi({ description: 'rate, quiet, resumed or rule_removed' }),
  })
  .openapi('Alarm');

const rules = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/alarm-rules',
    tags: ['Alarms'],
    summary: 'All alarm rules, by name',
    request: { query: z.strictObject({}) },
    responses: {
      200: { description: 'The rules', content: json(z.object({ data: z.array(RuleSchema) })) },
    },
  },
);

const create = endpoint(
  { scope: 'admin', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/alarm-rules',
    tags: ['Alarms'],
    summary: 'Add an alarm rule',
    request: { body: jsonBody(NewRule) },
    responses: { 201: { description: 'The rule', content: json(RuleSchema) } },
  },
);

const change = endpoint(
  { scope: 'admin', errors: ['conflict'] },
  {
    method: 'put',
    path: '/v1/alarm-rules/{id}',
    tags: ['Alarms'],
    summary: 'Change an alarm rule',
    request: { params: pathId('alr'), body: jsonBody(NewRule) },
    responses: { 200: { description: 'The rule', content: json(RuleSchema) } },
  },
);

const remove = endpoint(
  { scope: 'admin' },
  {
    method: 'delete',
    path: '/v1/alarm-rules/{id}',
    tags: ['Alarms'],
    summary: 'Remove an alarm rule',
    request: { params: pathId('alr') },
    responses: { 200: { description: 'What it was', content: json(RuleSchema) } },
  },
);

const alarms = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/alarms',
    tags: ['Alarms'],
    summary: 'Alarms, newest first',
    request: {
      query: z.strictObject({ ...pageQuery, state: z.enum(['raised', 'cleared']).optional() }),
    },
    responses: { 200: { description: 'A page', content: json(pageOf(AlarmSchema)) } },
  },
);

export function alarmRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(rules), async (c) =>
    c.json({ data: (await listRules(deps)).map(presentRule) }, 200),
  );
  router.openapi(gate(create), async (c) => {
    const answer = presentRule(await createRule(deps, inputOf(c.req.valid('json'))));
    return c.json(answer, 201, { Location: `${c.req.path}/${answer.id}` });
  });
  router.openapi(gate(change), async (c) => {
    const id = requireId('alr', c.req.valid('param').id);
    return c.json(presentRule(await changeRule(deps, id, inputOf(c.req.valid('json')))), 200);
  });
  router.openapi(gate(remove), async (c) => {
    const rule = await deleteRule(deps, requireId('alr', c.req.valid('param').id));
    return c.json(presentRule(rule), 200);
  });
  router.openapi(gate(alarms), async (c) => {
    const { state, ...page } = c.req.valid('query');
    const live = state === undefined ? null : state === 'raised';
    const found = await listAlarms(deps, pageRequest('alm', page), live);
    return c.json(pageResponse('alm', found, presentAlarm), 200);
  });
  return router;
}

function inputOf(body: z.infer<typeof NewRule>): RuleInput {
  return {
    name: body.name,
    metric: body.metric,
    senderId: body.sender_id === null ? null : bodyId('snd', body.sender_id, '/sender_id'),
    provider: body.provider,
    windowMinutes: body.window_minutes,
    minVolume: body.min_volume,
    threshold: body.threshold,
    action: body.action,
  };
}

export function presentRule(rule: AlarmRule): z.infer<typeof RuleSchema> {
  return {
    id: formatId('alr', rule.id),
    name: rule.name,
    metric: rule.metric,
    sender_id: rule.senderId === null ? null : formatId('snd', rule.senderId),
    provider: rule.provider,
    window_minutes: rule.windowMinutes,
    min_volume: rule.minVolume,
    threshold: rule.threshold,
    action: rule.action,
    created_at: rule.createdAt.toISOString(),
  };
}

export function presentAlarm(alarm: Alarm): z.infer<typeof AlarmSchema> {
  return {
    id: formatId('alm', alarm.id),
    rule: alarm.ruleName,
    metric: alarm.metric,
    threshold: alarm.threshold,
    sender_id: formatId('snd', alarm.senderId),
    provider: alarm.provider,
    count: Number(alarm.count),
    volume: Number(alarm.volume),
    action: alarm.action,
    raised_at: alarm.raisedAt.toISOString(),
    cleared_at: iso(alarm.clearedAt),
    cleared_by: alarm.clearedBy,
  };
}
