/** api/routes/provider-pauses — a sender's mail to one provider is held, and goes on. */
import { z } from '@hono/zod-openapi';
import { listPauses, pauseProvider, resumeProvider } from '../../campaigns/alarms/pauses.ts';
import type { ProviderPause } from '../../campaigns/alarms/pauses.ts';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import {
  bodyId,
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

const NewPause = z
  .strictObject({
    sender_id: idOf('snd'),
    provider: lineOf(64).openapi({ example: 'qq' }),
    reason: lineOf(300).min(1).openapi({ example: 'asked us to wait until Monday' }),
  })
  .openapi('NewProviderPause', {
    example: {
      sender_id: 'snd_0000000000007',
      provider: 'qq',
      reason: 'they asked us to wait until Monday',
    },
  });

const PauseSchema = z
  .object({
    id: idOf('pps'),
    sender_id: idOf('snd'),
    provider: z.string(),
    reason: z.string(),
    alarm_id: idOf('alm').nullable(),
    created_at: instant,
    created_by: z.string(),
    resumed_at: instantOrNull,
    resumed_by: z.string().nullable(),
  })
  .openapi('ProviderPause');

const create = endpoint(
  { scope: 'send', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/provider-pauses',
    tags: ['Alarms'],
    summary: "Hold a sender's mail to one provider",
    description: 'Within a second no message of its campaigns to the provider is begun.',
    request: { body: jsonBody(NewPause) },
    responses: { 201: { description: 'The pause', content: json(PauseSchema) } },
  },
);

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/provider-pauses',
    tags: ['Alarms'],
    summary: 'Providers whose mail is or was held, newest first',
    request: {
      query: z.strictObject({ ...pageQuery, state: z.enum(['paused', 'resumed']).optional() }),
    },
    responses: { 200: { description: 'A page', content: json(pageOf(PauseSchema)) } },
  },
);

const resume = endpoint(
  { scope: 'send', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/provider-pauses/{id}/resume',
    tags: ['Alarms'],
    summary: 'Let the mail go on',
    description: 'Clears the alarms of the sender and the provider; counting begins anew.',
    request: { params: pathId('pps') },
    responses: { 200: { description: 'The pause, over', content: json(PauseSchema) } },
  },
);

export function providerPauseRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(create), async (c) => {
    const { sender_id: sender, provider, reason } = c.req.valid('json');
    const senderId = bodyId('snd', sender, '/sender_id');
    const by = formatId('key', c.var.caller.keyId);
    const answer = presentPause(await pauseProvider(deps, { senderId, provider, reason, by }));
    return c.json(answer, 201, { Location: `${c.req.path}/${answer.id}` });
  });
  router.openapi(gate(list), async (c) => {
    const { state, ...page } = c.req.valid('query');
    const live = state === undefined ? null : state === 'paused';
    const found = await listPauses(deps, pageRequest('pps', page), live);
    return c.json(pageResponse('pps', found, presentPause), 200);
  });
  router.openapi(gate(resume), async (c) => {
    const id = requireId('pps', c.req.valid('param').id);
    const by = formatId('key', c.var.caller.keyId);
    return c.json(presentPause(await resumeProvider(deps, id, by)), 200);
  });
  return router;
}

export function presentPause(pause: ProviderPause): z.infer<typeof PauseSchema> {
  return {
    id: formatId('pps', pause.id),
    sender_id: formatId('snd', pause.senderId),
    provider: pause.provider,
    reason: pause.reason,
    alarm_id: pause.alarmId === null ? null : formatId('alm', pause.alarmId),
    created_at: pause.createdAt.toISOString(),
    created_by: pause.createdBy,
    resumed_at: iso(pause.resumedAt),
    resumed_by: pause.resumedBy,
  };
}
