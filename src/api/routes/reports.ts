/** api/routes/reports — of one campaign: who got it, who did not, and why. See period-reports.ts. */
import { z } from '@hono/zod-openapi';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { campaignReport } from '../../campaigns/reports.ts';
import type { CampaignReport } from '../../campaigns/reports.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { HeldProviders, presentHeld } from './campaigns.ts';
import { count, instant, json, pathId, requireId } from '../schema.ts';

const outcomes = {
  accepted: count,
  bounced_late: count.openapi({
    description: 'Accepted by the receiver, reported to have failed afterwards',
  }),
  bounced: count,
  expired: count,
  suppressed: count,
  cancelled: count,
  ambiguous: count,
};

const ReportSchema = z
  .object({
    balance: z
      .object({
        recipients: count,
        ...outcomes,
        accepted: count.openapi({
          description: 'By the receiver, and no failure was reported since',
        }),
        pending: z.int().openapi({ description: 'Nothing final is known yet' }),
        closes: z.boolean().openapi({ description: 'The parts add up to `recipients`' }),
      })
      .openapi('Balance'),
    held: z
      .object({ pause_reason: z.string().nullable(), held_providers: HeldProviders })
      .openapi({ description: 'Why it stands still, in whole or in part' }),
    by_kind: z.object({
      deferred: count.openapi({ description: 'Attempts that will be repeated' }),
      complained: count,
      unsubscribed: count,
    }),
    by_domain: z
      .array(
        z.object({
          domain: z.string().nullable().openapi({ description: 'null: all the others' }),
          ...outcomes,
          deferred: count,
        }),
      )
      .openapi({ description: 'The 50 largest, then the others as one' }),
    by_class: z.array(
      z.object({
        class: z.string().openapi({ example: 'bad_mailbox' }),
        bounced: count,
        bounced_late: outcomes.bounced_late,
        expired: count,
        deferred: count,
        count: count.openapi({ description: 'Recipients lost to it' }),
      }),
    ),
    timeline: z.object({
      step_minutes: count,
      points: z.array(z.object({ at: instant, ...outcomes, deferred: count })).openapi({
        description:
          'Facts at their own time: `accepted` are those of this step, whatever came later',
      }),
    }),
  })
  .openapi('CampaignReport');

const campaign = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/campaigns/{id}/report',
    tags: ['Reports'],
    summary: 'The balance of a campaign, by domain, by class, over time',
    description:
      'recipients = accepted + bounced_late + bounced + expired + suppressed + cancelled + ambiguous + pending, at every moment. A late bounce moves its recipient from `accepted` to `bounced_late` here; the delivery keeps the state `accepted`.',
    request: { params: pathId('cmp') },
    responses: { 200: { description: 'The report', content: json(ReportSchema) } },
  },
);

export function reportRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(campaign), async (c) => {
    const id = requireId('cmp', c.req.valid('param').id);
    return c.json(present(await campaignReport(deps, id)), 200);
  });
  return router;
}

function present(report: CampaignReport): z.infer<typeof ReportSchema> {
  const { balance, byKind, byDomain, byClass, timeline } = report;
  return {
    balance: outside(balance),
    held: {
      pause_reason: report.held.reason,
      held_providers: report.held.providers.map(presentHeld),
    },
    by_kind: byKind,
    by_domain: byDomain.map(outside),
    by_class: byClass.map(outside),
    timeline: {
      step_minutes: timeline.stepMinutes,
      points: timeline.points.map(({ at, ...point }) => ({
        at: at.toISOString(),
        ...outside(point),
      })),
    },
  };
}

/** The one field whose name outside is another. */
function outside<T extends { bouncedLate: number }>({ bouncedLate, ...rest }: T) {
  return { ...rest, bounced_late: bouncedLate };
}
