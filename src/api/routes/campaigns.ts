/** api/routes/campaigns — making and reading campaigns. See lifecycle.ts and recipients.ts. */
import { z } from '@hono/zod-openapi';
import { TRANSITIONS } from '../../campaigns/campaign.ts';
import type { Campaign, HeldProvider } from '../../campaigns/campaign.ts';
import { createCampaign, getCampaign, listCampaigns } from '../../campaigns/campaigns.ts';
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
import { Content } from './content.ts';

const STATES = [
  'draft',
  'expanding',
  'sending',
  'paused',
  'cancelling',
  'completed',
  'cancelled',
] as const satisfies Campaign['state'][];
const stream = z.enum(['transactional', 'statement', 'marketing']);
const mode = z.enum(['auto', 'single_copy', 'parallel']);
const ambiguityPolicy = z.enum(['hold', 'retry', 'assume_accepted']);
const THREE_DAYS_SECONDS = 259_200;

const NewCampaign = z
  .strictObject({
    name: lineOf(200).min(1).openapi({ example: 'Statements March' }),
    sender_id: idOf('snd'),
    template_id: idOf('tpl').nullable().default(null),
    content: Content.nullable()
      .default(null)
      .openapi({ description: 'Instead of `template_id`: exactly one of the two' }),
    stream: stream.openapi({ example: 'statement' }),
    mode: mode.default('auto').openapi({
      description: '`auto`: one copy per destination when the content is the same for all',
    }),
    ttl_seconds: z.int().min(1).max(2_592_000).default(THREE_DAYS_SECONDS).openapi({
      description: 'From start: what is not accepted by then has expired',
    }),
    ambiguity_policy: ambiguityPolicy.default('hold').openapi({
      description: 'What to do when the link was lost after the final dot',
    }),
    require_tls: z.boolean().nullable().default(null).openapi({
      description:
        'Only over authenticated TLS to hosts that promise the same for every further hop (REQUIRETLS, RFC 8689); null: as the sender says',
    }),
  })
  .openapi('NewCampaign', {
    example: {
      name: 'Statements March',
      sender_id: 'snd_0000000000007',
      template_id: 'tpl_0000000000007',
      content: null,
      stream: 'statement',
      mode: 'auto',
      ttl_seconds: THREE_DAYS_SECONDS,
      ambiguity_policy: 'hold',
      require_tls: null,
    },
  });

export const HeldProviders = z
  .array(
    z.object({ pause_id: idOf('pps'), provider: z.string(), reason: z.string(), since: instant }),
  )
  .openapi({ description: 'Nothing is sent to them; POST /v1/provider-pauses/{id}/resume' });

export const CampaignSchema = z
  .object({
    id: idOf('cmp'),
    name: z.string(),
    sender_id: idOf('snd'),
    subject: z.string(),
    variables: z.array(z.string()),
    stream,
    mode: mode.openapi({ description: 'As asked' }),
    effective_mode: z.enum(['single_copy', 'parallel']).openapi({ description: 'As it is sent' }),
    ttl_seconds: count,
    ambiguity_policy: ambiguityPolicy,
    require_tls: z.boolean(),
    state: z.enum(STATES),
    pause_reason: z.string().nullable().openapi({ description: 'Why an alarm paused it' }),
    held_providers: HeldProviders,
    allowed_transitions: z.array(z.enum(TRANSITIONS)),
    recipient_count: count,
    expanded_count: count,
    created_at: instant,
    started_at: instantOrNull,
    expires_at: instantOrNull,
    finished_at: instantOrNull,
  })
  .openapi('Campaign');

const create = endpoint(
  { scope: 'send', idempotent: true, errors: ['template_invalid', 'content_varies'] },
  {
    method: 'post',
    path: '/v1/campaigns',
    tags: ['Campaigns'],
    summary: 'Create a campaign',
    description: 'A draft: upload recipients, then start it.',
    request: { body: jsonBody(NewCampaign) },
    responses: { 201: { description: 'The campaign', content: json(CampaignSchema) } },
  },
);

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/campaigns',
    tags: ['Campaigns'],
    summary: 'List campaigns, newest first',
    request: { query: z.strictObject({ ...pageQuery, state: z.enum(STATES).optional() }) },
    responses: { 200: { description: 'A page', content: json(pageOf(CampaignSchema)) } },
  },
);

const read = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/campaigns/{id}',
    tags: ['Campaigns'],
    summary: 'Read a campaign',
    request: { params: pathId('cmp') },
    responses: { 200: { description: 'The campaign', content: json(CampaignSchema) } },
  },
);

export function campaignRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(create), async (c) => {
    const body = c.req.valid('json');
    const campaign = await createCampaign(deps, {
      name: body.name,
      senderId: bodyId('snd', body.sender_id, '/sender_id'),
      templateId:
        body.template_id === null ? null : bodyId('tpl', body.template_id, '/template_id'),
      content: body.content,
      stream: body.stream,
      mode: body.mode,
      ttlSeconds: body.ttl_seconds,
      ambiguityPolicy: body.ambiguity_policy,
      requireTls: body.require_tls,
    });
    const answer = presentCampaign(campaign);
    return c.json(answer, 201, { Location: `${c.req.path}/${answer.id}` });
  });
  router.openapi(gate(list), async (c) => {
    const query = c.req.valid('query');
    const page = await listCampaigns(deps, pageRequest('cmp', query), { state: query.state });
    return c.json(pageResponse('cmp', page, presentCampaign), 200);
  });
  router.openapi(gate(read), async (c) => {
    const id = requireId('cmp', c.req.valid('param').id);
    return c.json(presentCampaign(await getCampaign(deps, id)), 200);
  });
  return router;
}

export function presentCampaign(campaign: Campaign): z.infer<typeof CampaignSchema> {
  return {
    id: formatId('cmp', campaign.id),
    name: campaign.name,
    sender_id: formatId('snd', campaign.senderId),
    subject: campaign.subject,
    variables: campaign.variables,
    stream: campaign.stream,
    mode: campaign.mode,
    effective_mode: campaign.effectiveMode,
    ttl_seconds: campaign.ttlSeconds,
    ambiguity_policy: campaign.ambiguityPolicy,
    require_tls: campaign.requireTls,
    state: campaign.state,
    pause_reason: campaign.pauseReason,
    held_providers: campaign.heldProviders.map(presentHeld),
    allowed_transitions: campaign.allowedTransitions,
    recipient_count: campaign.recipientCount,
    expanded_count: campaign.expandedCount,
    created_at: campaign.createdAt.toISOString(),
    started_at: iso(campaign.startedAt),
    expires_at: iso(campaign.expiresAt),
    finished_at: iso(campaign.finishedAt),
  };
}

export function presentHeld({ pauseId, provider, reason, since }: HeldProvider) {
  return { pause_id: formatId('pps', pauseId), provider, reason, since: since.toISOString() };
}
