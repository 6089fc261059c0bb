/** api/routes/reports — who got it, who did not, and why. */
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { bouncesReport, campaignReport } from '../../campaigns/reports.ts';
import type { BounceRow, CampaignReport } from '../../campaigns/reports.ts';
import { csvLine } from '../csv.ts';
import { endpoint } from '../endpoint.ts';
import type { ApiEnv } from '../environment.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
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

const BouncesSchema = z
  .object({
    data: z.array(
      z.object({
        key: z.string().openapi({ description: 'A class, domain, campaign id or day' }),
        bounced: count.openapi({ description: 'During the conversation' }),
        bounced_late: count.openapi({ description: 'Reported afterwards' }),
        total: count,
      }),
    ),
  })
  .openapi('BouncesReport');

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

const bounces = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/reports/bounces',
    tags: ['Reports'],
    summary: 'Bounces of all campaigns between two days',
    description: 'As CSV with `Accept: text/csv` or `?format=csv`. At most 10,000 rows.',
    request: {
      query: z.strictObject({
        from: z.iso.date().openapi({ example: '2026-03-01', description: 'UTC, included' }),
        to: z.iso.date().openapi({ example: '2026-03-31', description: 'UTC, included' }),
        group_by: z.enum(['class', 'domain', 'campaign', 'day']).default('class'),
        format: z.enum(['json', 'csv']).optional(),
      }),
    },
    responses: {
      200: {
        description: 'The largest first; days in order',
        content: { ...json(BouncesSchema), 'text/csv': { schema: z.string() } },
      },
    },
  },
);

export function reportRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(campaign), async (c) => {
    const id = requireId('cmp', c.req.valid('param').id);
    return c.json(present(await campaignReport(deps, id)), 200);
  });
  router.openapi(gate(bounces), async (c) => {
    const { from, to, group_by: groupBy, format } = c.req.valid('query');
    const rows = await bouncesReport(deps, { from, to, groupBy });
    if ((format ?? wantedFormat(c)) === 'csv') {
      return c.body(csvOf(groupBy, rows), 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': `attachment; filename="bounces-${from}-${to}.csv"`,
        Vary: 'Accept',
      });
    }
    const data = rows.map(({ bouncedLate, ...row }) => ({ ...row, bounced_late: bouncedLate }));
    return c.json({ data }, 200, { Vary: 'Accept' });
  });
  return router;
}

function wantedFormat(c: Context<ApiEnv>): 'json' | 'csv' {
  const type = accepts(c, {
    header: 'Accept',
    supports: ['application/json', 'text/csv'],
    default: 'application/json',
  });
  return type === 'text/csv' ? 'csv' : 'json';
}

function csvOf(groupBy: string, rows: readonly BounceRow[]): string {
  const lines = rows.map((row) => csvLine([row.key, row.bounced, row.bouncedLate, row.total]));
  return csvLine([groupBy, 'bounced', 'bounced_late', 'total']) + lines.join('');
}

function present(report: CampaignReport): z.infer<typeof ReportSchema> {
  const { balance, byKind, byDomain, byClass, timeline } = report;
  return {
    balance: outside(balance),
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
