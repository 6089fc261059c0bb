/** api/routes/deliveries — what became of each recipient, and every attempt at it. */
import { z } from '@hono/zod-openapi';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { getDelivery, listDeliveries } from '../../campaigns/deliveries.ts';
import type {
  Delivery,
  DeliveryDetail,
  DeliveryEvent,
  DeliveryState,
} from '../../campaigns/deliveries.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import {
  count,
  emailText,
  idOf,
  instant,
  instantOrNull,
  iso,
  json,
  lineOf,
  pathId,
  requireId,
} from '../schema.ts';

const STATES = [
  'pending',
  'sending',
  'accepted',
  'bounced',
  'expired',
  'suppressed',
  'cancelled',
  'ambiguous',
] as const satisfies DeliveryState[];

const DeliverySchema = z
  .object({
    id: idOf('dlv'),
    campaign_id: idOf('cmp'),
    email: z.string(),
    name: z.string().nullable(),
    domain: z.string(),
    state: z.enum(STATES).openapi({ description: 'What SMTP said; a late bounce leaves it' }),
    bounced_late: z.boolean().openapi({ description: 'Accepted, and reported to have failed' }),
    attempts: count,
    class: z
      .string()
      .nullable()
      .openapi({ description: 'Why the last attempt failed', example: 'bad_mailbox' }),
    next_attempt_at: instantOrNull,
  })
  .openapi('Delivery');

const EventSchema = z
  .object({
    id: idOf('evt'),
    at: instant,
    kind: z.string().openapi({ example: 'delivery.bounced' }),
    class: z.string().nullable(),
    rule: z.string().nullable().openapi({ description: 'Which classification rule decided' }),
    attempt: count.nullable(),
    stage: z.string().nullable().openapi({ example: 'rcpt' }),
    mx_host: z.string().nullable(),
    mx_address: z.string().nullable(),
    source_address: z
      .string()
      .nullable()
      .openapi({ description: 'What it was sent from; null: the system chose' }),
    reply_code: count.nullable().openapi({ example: 550 }),
    enhanced_code: z.string().nullable().openapi({ example: '5.1.1' }),
    reply_text: z.string().nullable(),
    tls: z.string().nullable().openapi({ description: 'Version and cipher; null in clear' }),
    tls_verified: z.boolean().nullable().openapi({
      description: 'Whether the certificate verified, demanded or not; null in clear',
    }),
    tls_policy: z.string().nullable().openapi({
      description: '`sts` or `dane`: the policy of the domain it was under; null: none',
    }),
    duration_ms: count.nullable(),
    data: z.record(z.string(), z.unknown()).nullable(),
  })
  .openapi('DeliveryEvent');

const DetailSchema = DeliverySchema.extend({
  events: z
    .array(EventSchema)
    .openapi({ description: 'Every attempt and what came later; oldest first, at most 500' }),
}).openapi('DeliveryDetail');

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/campaigns/{id}/deliveries',
    tags: ['Deliveries'],
    summary: 'List deliveries, one destination domain after the other',
    description: 'A recipient has one as soon as the campaign is expanded so far.',
    request: {
      params: pathId('cmp'),
      query: z.strictObject({
        ...pageQuery,
        state: z.enum(STATES).optional(),
        domain: lineOf(253).optional().openapi({ example: 'example.com' }),
        email: emailText.optional(),
      }),
    },
    responses: { 200: { description: 'A page', content: json(pageOf(DeliverySchema)) } },
  },
);

const read = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/deliveries/{id}',
    tags: ['Deliveries'],
    summary: 'Read a delivery with every attempt',
    request: { params: pathId('dlv') },
    responses: { 200: { description: 'The delivery', content: json(DetailSchema) } },
  },
);

export function deliveryRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(list), async (c) => {
    const campaignId = requireId('cmp', c.req.valid('param').id);
    const { state, domain, email, ...query } = c.req.valid('query');
    const filter = { state, domain, email };
    const page = await listDeliveries(deps, campaignId, filter, pageRequest('dlv', query));
    return c.json(pageResponse('dlv', page, present), 200);
  });
  router.openapi(gate(read), async (c) => {
    const id = requireId('dlv', c.req.valid('param').id);
    return c.json(presentDetail(await getDelivery(deps, id)), 200);
  });
  return router;
}

function present(delivery: Delivery): z.infer<typeof DeliverySchema> {
  return {
    id: formatId('dlv', delivery.id),
    campaign_id: formatId('cmp', delivery.campaignId),
    email: delivery.email,
    name: delivery.name,
    domain: delivery.domain,
    state: delivery.state,
    bounced_late: delivery.bouncedLate,
    attempts: delivery.attempts,
    class: delivery.class,
    next_attempt_at: iso(delivery.nextAttemptAt),
  };
}

function presentDetail(detail: DeliveryDetail): z.infer<typeof DetailSchema> {
  return { ...present(detail), events: detail.events.map(presentEvent) };
}

function presentEvent(event: DeliveryEvent): z.infer<typeof EventSchema> {
  return {
    id: formatId('evt', event.id),
    at: event.at.toISOString(),
    kind: event.kind,
    class: event.class,
    rule: event.rule,
    attempt: event.attempt,
    stage: event.stage,
    mx_host: event.mxHost,
    mx_address: event.mxAddress,
    source_address: event.sourceAddress,
    reply_code: event.replyCode,
    enhanced_code: event.enhancedCode,
    reply_text: event.replyText,
    tls: event.tls,
    tls_verified: event.tlsVerified,
    tls_policy: event.tlsPolicy,
    duration_ms: event.durationMs,
    data: event.data,
  };
}
