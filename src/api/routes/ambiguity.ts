/** api/routes/ambiguity — a person decides what the ambiguous deliveries of a campaign are. */
import { z } from '@hono/zod-openapi';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { resolveAmbiguous } from '../../scheduler/resolve/resolve.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { count, json, jsonBody, pathId, requireId } from '../schema.ts';

const Decision = z
  .strictObject({
    as: z.enum(['accepted', 'retry']).openapi({
      description: '`accepted`: they have it. `retry`: send it again; some may get it twice',
    }),
  })
  .openapi('AmbiguityDecision', { example: { as: 'accepted' } });
const ResolvedSchema = z.strictObject({ resolved: count }).openapi('AmbiguityResolved');

const resolve = endpoint(
  { scope: 'send', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/campaigns/{id}/resolve-ambiguous',
    tags: ['Campaigns'],
    summary: 'Decide what the ambiguous deliveries are',
    description:
      'For those that are `ambiguous` now. `retry` reopens a completed campaign; 409 when its ttl is over.',
    request: { params: pathId('cmp'), body: jsonBody(Decision) },
    responses: { 200: { description: 'How many were decided', content: json(ResolvedSchema) } },
  },
);

export function ambiguityRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(resolve), async (c) => {
    const id = requireId('cmp', c.req.valid('param').id);
    const resolved = await resolveAmbiguous(deps, id, c.req.valid('json').as);
    return c.json({ resolved }, 200);
  });
  return router;
}
