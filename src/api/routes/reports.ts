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
  bounced: count,
  expired: count,
  suppressed: count,
  cancelled: count,
  ambiguous: count,
};
const late_bounced = count.openapi({ description: 'Of the accepted: reported to have failed' });

const ReportSchema = z
  .object({
    balance: z
      .object({
        recipients: count,
        ...outcomes,
        pending: z.int().openapi({ description: 'Nothing final is known yet' }),
        late_bounced,
        closes: z.boolean().openapi({ description: 'The parts add up to `recipients`' }),
      })
      .openapi('Balance'),
    by_kind: z.object({
      deferred: count.openapi({ description: 'Attempts that will be repeated' }),
      late_bounced,
      complained: count,
      unsubscribed: count,
    }),
    by_domain: z
      .array(
        z.object({
          domain: z.string().nullable().openapi({ description: 'null: all the others' }),
          ...outcomes,
          deferred: count,
          late_bounced,
        }),
      )
      .openapi({ description: 'The 50 largest, then the others as one' }),
    by_class: z.array(
      z.object({
        class: z.string().openapi({ example: 'bad_mailbox' }),
        bounced: count,
        late_bounced,
        expired: count,
        deferred: count,
        count: count.openapi({ description: 'Recipients lost to it' }),
      }),
    ),
    timeline: z.object({
      step_minutes: count,
      points: z.array(z.object({ at: instant, ...outcomes, deferred: count, late_bounced })),
    }),
  })
  .openapi('CampaignReport');

const BouncesSchema = z
  .object({
    data: z.array(
      z.object({
        key: z.string().openapi({ description: 'A class, domain, campaign id or day' }),
        bounced: count.openapi({ description: 'During the conversation' }),
        late_bounced: count.openapi({ description: 'Reported afterwards' }),
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
      'recipients = accepted + bounced + expired + suppressed + cancelled + ambiguous + pending, at every moment.',
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
    const data = rows.map(({ lateBounced, ...row }) => ({ ...row, late_bounced: lateBounced }));
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
  const lines = rows.map((row) => csvLine([row.key, row.bounced, row.lateBounced, row.total]));
  return csvLine([groupBy, 'bounced', 'late_bounced', 'total']) + lines.join('');
}

function present(report: CampaignReport): z.infer<typeof ReportSchema> {
  const { balance, byKind, byDomain, byClass, timeline } = report;
  return {
    balance: outside(balance),
    by_kind: outside(byKind),
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
function outside<T extends { lateBounced: number }>({ lateBounced, ...rest }: T) {
  return { ...rest, late_bounced: lateBounced };
}
