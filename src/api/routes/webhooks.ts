/** api/routes/webhooks — who is told of alarms and pauses, and how the telling went. */
import { z } from '@hono/zod-openapi';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { WEBHOOK_EVENTS } from '../../campaigns/webhooks/fact.ts';
import type { WebhookEvent } from '../../campaigns/webhooks/fact.ts';
import {
  createWebhook,
  deleteWebhook,
  listWebhookDeliveries,
  listWebhooks,
} from '../../campaigns/webhooks/webhooks.ts';
import type { Webhook } from '../../campaigns/webhooks/webhooks.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import {
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

const events = z.array(z.enum(WEBHOOK_EVENTS)).max(WEBHOOK_EVENTS.length);

const NewWebhook = z
  .strictObject({
    url: lineOf(2_000).openapi({
      description: 'https: to a public address, or http: to this machine',
      example: 'https://ops.example.com/volley',
    }),
    events: events.default([]).openapi({ description: 'Empty: all' }),
    secret: lineOf(128).nullable().default(null).openapi({
      description: '`whsec_` and base64; null: one is made',
    }),
  })
  .openapi('NewWebhook', {
    example: { url: 'https://ops.example.com/volley', events: ['alarm.raised'], secret: null },
  });

const WebhookSchema = z
  .object({ id: idOf('whk'), url: z.string(), events, created_at: instant })
  .openapi('Webhook');
const MadeWebhook = WebhookSchema.extend({
  secret: z.string().openapi({ description: 'Shown this once' }),
}).openapi('MadeWebhook');

const DeliverySchema = z
  .object({
    id: idOf('whd').openapi({ description: 'The `webhook-id` of the request' }),
    event: z.enum(WEBHOOK_EVENTS),
    state: z.enum(['pending', 'delivered', 'failed']),
    attempts: count,
    status: z.int().nullable().openapi({ description: 'Of the last answer' }),
    reason: z.string().nullable(),
    payload: z.string(),
    created_at: instant,
    next_attempt_at: instantOrNull,
    finished_at: instantOrNull,
  })
  .openapi('WebhookDelivery');

const create = endpoint(
  { scope: 'admin', errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/webhooks',
    tags: ['Webhooks'],
    summary: 'Add a webhook',
    description: 'Its answer has the secret that signs, once.',
    request: { body: jsonBody(NewWebhook) },
    responses: { 201: { description: 'The webhook', content: json(MadeWebhook) } },
  },
);

const list = endpoint(
  { scope: 'admin' },
  {
    method: 'get',
    path: '/v1/webhooks',
    tags: ['Webhooks'],
    summary: 'List webhooks, newest first',
    request: { query: z.strictObject(pageQuery) },
    responses: { 200: { description: 'A page', content: json(pageOf(WebhookSchema)) } },
  },
);

const remove = endpoint(
  { scope: 'admin' },
  {
    method: 'delete',
    path: '/v1/webhooks/{id}',
    tags: ['Webhooks'],
    summary: 'Remove a webhook, with what it has not been told yet',
    request: { params: pathId('whk') },
    responses: { 200: { description: 'What it was', content: json(WebhookSchema) } },
  },
);

const deliveries = endpoint(
  { scope: 'admin' },
  {
    method: 'get',
    path: '/v1/webhooks/{id}/deliveries',
    tags: ['Webhooks'],
    summary: 'What it was told in the last 30 days, newest first',
    request: { params: pathId('whk'), query: z.strictObject(pageQuery) },
    responses: { 200: { description: 'A page', content: json(pageOf(DeliverySchema)) } },
  },
);

type DeliveryRow = Awaited<ReturnType<typeof listWebhookDeliveries>>['data'][number];

export function webhookRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(create), async (c) => {
    const { webhook, secret } = await createWebhook(deps, c.req.valid('json'));
    const answer = { ...presentWebhook(webhook), secret };
    return c.json(answer, 201, { Location: `${c.req.path}/${answer.id}` });
  });
  router.openapi(gate(list), async (c) => {
    const page = await listWebhooks(deps, pageRequest('whk', c.req.valid('query')));
    return c.json(pageResponse('whk', page, presentWebhook), 200);
  });
  router.openapi(gate(remove), async (c) => {
    const webhook = await deleteWebhook(deps, requireId('whk', c.req.valid('param').id));
    return c.json(presentWebhook(webhook), 200);
  });
  router.openapi(gate(deliveries), async (c) => {
    const id = requireId('whk', c.req.valid('param').id);
    const page = await listWebhookDeliveries(deps, id, pageRequest('whd', c.req.valid('query')));
    return c.json(pageResponse('whd', page, presentWebhookDelivery), 200);
  });
  return router;
}

export function presentWebhook(webhook: Webhook): z.infer<typeof WebhookSchema> {
  return {
    id: formatId('whk', webhook.id),
    url: webhook.url,
    events: webhook.events as WebhookEvent[],
    created_at: webhook.createdAt.toISOString(),
  };
}

export function presentWebhookDelivery(row: DeliveryRow): z.infer<typeof DeliverySchema> {
  return {
    id: formatId('whd', row.id),
    event: row.event as WebhookEvent,
    state: row.state as 'pending' | 'delivered' | 'failed',
    attempts: row.attempts,
    status: row.status,
    reason: row.reason,
    payload: row.payload,
    created_at: row.createdAt.toISOString(),
    next_attempt_at: row.state === 'pending' ? row.dueAt.toISOString() : null,
    finished_at: iso(row.finishedAt),
  };
}
