/** api/routes/lifecycle — start, pause, resume and cancel a campaign. */
import type { Campaign, Transition } from '../../campaigns/campaign.ts';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import {
  cancelCampaign,
  pauseCampaign,
  resumeCampaign,
  startCampaign,
} from '../../campaigns/lifecycle.ts';
import type { ErrorCode } from '../../kernel/errors.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { json, pathId, requireId } from '../schema.ts';
import { CampaignSchema, presentCampaign } from './campaigns.ts';

interface Verb {
  summary: string;
  description: string;
  errors: readonly ErrorCode[];
  run: (deps: CampaignDeps, id: bigint) => Promise<Campaign>;
}

const VERBS: Record<Transition, Verb> = {
  start: {
    summary: 'Start sending',
    description: 'Freezes the audience. From `draft`.',
    errors: ['illegal_transition', 'campaign_empty', 'conflict'],
    run: startCampaign,
  },
  pause: {
    summary: 'Pause sending',
    description: 'No message is begun after it; what is on the wire ends. The ttl runs on.',
    errors: ['illegal_transition', 'conflict'],
    run: pauseCampaign,
  },
  resume: {
    summary: 'Resume sending',
    description: 'From `paused`.',
    errors: ['illegal_transition', 'conflict'],
    run: resumeCampaign,
  },
  cancel: {
    summary: 'Cancel the campaign',
    description: 'For good: what was not sent never will be.',
    errors: ['illegal_transition', 'conflict'],
    run: cancelCampaign,
  },
};

function verbEndpoint(name: Transition) {
  const { summary, description, errors } = VERBS[name];
  return endpoint(
    { scope: 'send', idempotent: true, errors },
    {
      method: 'post',
      path: `/v1/campaigns/{id}/${name}`,
      tags: ['Campaigns'],
      summary,
      description,
      request: { params: pathId('cmp') },
      responses: { 200: { description: 'The campaign', content: json(CampaignSchema) } },
    },
  );
}

export function lifecycleRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  for (const name of Object.keys(VERBS) as Transition[]) {
    router.openapi(gate(verbEndpoint(name)), async (c) => {
      const id = requireId('cmp', c.req.valid('param').id);
      return c.json(presentCampaign(await VERBS[name].run(deps, id)), 200);
    });
  }
  return router;
}
