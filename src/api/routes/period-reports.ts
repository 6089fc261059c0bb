/**
 * api/routes/period-reports — bounces, complaints, suppressions and domains of all campaigns in a
 * period: JSON for a page, CSV and XLSX with every row.
 */
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { figureNames, isRate, TOPICS } from '../../campaigns/reports/figures.ts';
import type { Topic } from '../../campaigns/reports/figures.ts';
import { csvOf, fileFormOf } from '../../campaigns/reports/period-file.ts';
import {
  GROUPINGS_OF,
  readPeriodReport,
  streamPeriodReport,
} from '../../campaigns/reports/period-report.ts';
import type {
  PeriodQuery,
  PeriodReport,
  PeriodReportRow,
} from '../../campaigns/reports/period-report.ts';
import { dayNames, parsePeriod } from '../../campaigns/reports/period.ts';
import { asciiDomain } from '../../kernel/address.ts';
import { invalidValue } from '../../kernel/errors.ts';
import { PROVIDER_NAMES } from '../../kernel/providers/provider.ts';
import type { Cell } from '../../kernel/csv.ts';
import { endpoint } from '../endpoint.ts';
import type { ApiEnv } from '../environment.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { bodyId, idOf, json, lineOf } from '../schema.ts';
import { XLSX_TYPE, xlsxOf } from '../spreadsheet.ts';
import { streamResponse } from '../stream-response.ts';
import type { StreamDeps } from '../stream-response.ts';

const SUMMARIES: Record<Topic, string> = {
  bounces: 'Bounces between two days, during the conversation and afterwards',
  complaints: 'Complaints and unsubscribes between two days',
  suppressions: 'Addresses that came onto the suppression list between two days',
  domains: 'How receivers took our mail between two days',
};

const FORMATS = { json: 'application/json', csv: 'text/csv', xlsx: XLSX_TYPE } as const;
type Format = keyof typeof FORMATS;
const MAX_ROWS = 10_000;
const ROWS = 100;

const period = z.object({ from: z.iso.date(), to: z.iso.date() });

function figuresShape(topic: Topic): Record<string, z.ZodType<number | null>> {
  return Object.fromEntries(
    figureNames(topic).map((name) => [
      name,
      isRate(name)
        ? z.number().nullable().openapi({ description: 'null: nothing to divide by' })
        : z.number(),
    ]),
  );
}

function reportSchema(topic: Topic) {
  const figures = z.object(figuresShape(topic));
  const row = figures.extend({
    key: z.string().openapi({
      description: 'A class, provider, domain or time, or the id of a sender or campaign',
    }),
    name: z
      .string()
      .nullable()
      .openapi({ description: "A sender's address, a campaign's name; else null" }),
    before: figures.openapi({ description: 'The same in the period before' }),
  });
  return z
    .object({
      period,
      before: period.openapi({ description: 'As long, and ends where `period` begins' }),
      totals: figures.extend({ before: figures }).openapi({ description: 'Of all keys' }),
      data: z.array(row),
      has_more: z.boolean().openapi({ description: 'There are more keys than `limit`' }),
    })
    .openapi(`${topic.charAt(0).toUpperCase()}${topic.slice(1)}Report`);
}

function reportEndpoint(topic: Topic) {
  const groupings = GROUPINGS_OF[topic];
  return endpoint(
    { scope: 'read', errors: ['overloaded'] },
    {
      method: 'get',
      path: `/v1/reports/${topic}`,
      tags: ['Reports'],
      summary: SUMMARIES[topic],
      description:
        'The largest first, hours and days in order. Rates are shares of `delivered`, what receivers accepted in the period. As CSV or XLSX, with every row, by `Accept` or `format`.',
      request: {
        query: z.strictObject({
          from: z.iso.date().openapi({ example: '2026-03-01', description: 'UTC, included' }),
          to: z.iso.date().openapi({ example: '2026-03-31', description: 'UTC, included' }),
          group_by: z.enum(groupings as [string, ...string[]]).default(groupings[0] ?? 'day'),
          class: lineOf(64).optional().openapi({
            description:
              'A bounce class; of suppressions a reason. Complaints and domains have none',
          }),
          provider: z.enum(PROVIDER_NAMES as [string, ...string[]]).optional(),
          domain: lineOf(255).optional().openapi({ description: 'A destination domain' }),
          sender_id: idOf('snd').optional(),
          campaign_id: idOf('cmp').optional(),
          limit: z.coerce.number().int().min(1).max(MAX_ROWS).default(ROWS).openapi({
            description: 'Of JSON; the files have every row',
          }),
          format: z.enum(['json', 'csv', 'xlsx']).optional(),
        }),
      },
      responses: {
        200: {
          description: 'The report',
          content: {
            ...json(reportSchema(topic)),
            'text/csv': { schema: z.string() },
            [XLSX_TYPE]: { schema: z.string().openapi({ format: 'binary' }) },
          },
        },
      },
    },
  );
}

export function periodReportRoutes(gate: Gate, deps: CampaignDeps, streams: StreamDeps): ApiRouter {
  const router = createRouter();
  for (const topic of TOPICS) {
    router.openapi(gate(reportEndpoint(topic)), async (c) => {
      const asked = c.req.valid('query');
      const query = queryOf(topic, asked);
      c.header('Vary', 'Accept');
      const format = asked.format ?? wantedFormat(c);
      if (format === 'json') {
        return c.json(present(await readPeriodReport(deps, query, asked.limit)), 200);
      }
      const rows = streamPeriodReport(deps, query);
      const name = `${topic}-${asked.from}-${asked.to}.${format}`;
      return streamResponse(c, streams, fileOf(format, query, rows), {
        'Content-Type': format === 'csv' ? 'text/csv; charset=utf-8' : XLSX_TYPE,
        'Content-Disposition': `attachment; filename="${name}"`,
      });
    });
  }
  return router;
}

interface Asked {
  from: string;
  to: string;
  group_by: string;
  class?: string | undefined;
  provider?: string | undefined;
  domain?: string | undefined;
  sender_id?: string | undefined;
  campaign_id?: string | undefined;
}

function queryOf(topic: Topic, asked: Asked): PeriodQuery {
  const { from, to, group_by: groupBy, sender_id: sender, campaign_id: campaign } = asked;
  return {
    topic,
    period: parsePeriod(from, to),
    groupBy: groupBy as PeriodQuery['groupBy'],
    filters: {
      class: asked.class ?? null,
      provider: asked.provider ?? null,
      domain: asked.domain === undefined ? null : domainOf(asked.domain),
      senderId: sender === undefined ? null : bodyId('snd', sender, 'sender_id'),
      campaignId: campaign === undefined ? null : bodyId('cmp', campaign, 'campaign_id'),
    },
  };
}

function domainOf(text: string): string {
  const domain = asciiDomain(text);
  if (domain !== null) return domain;
  throw invalidValue('domain', 'is no domain name');
}

function wantedFormat(c: Context<ApiEnv>): Format {
  const type = accepts(c, {
    header: 'Accept',
    supports: Object.values(FORMATS),
    default: FORMATS.json,
  });
  const formats = Object.keys(FORMATS) as Format[];
  return formats.find((format) => FORMATS[format] === type) ?? 'json';
}

function present(report: PeriodReport) {
  const { period: now, before, totals, rows, hasMore } = report;
  return {
    period: dayNames(now),
    before: dayNames(before),
    totals: { ...totals.figures, before: totals.before },
    data: rows.map(({ key, name, figures, before: then }) => ({
      ...figures,
      key,
      name,
      before: then,
    })),
    has_more: hasMore,
  };
}

function fileOf(
  format: 'csv' | 'xlsx',
  query: PeriodQuery,
  pages: AsyncIterable<PeriodReportRow[]>,
): AsyncIterable<string | Uint8Array> {
  const form = fileFormOf(query);
  return format === 'csv'
    ? csvOf(form, pages)
    : xlsxOf(query.topic, form.columns, rowsOf(pages, form.cells));
}

async function* rowsOf(
  pages: AsyncIterable<PeriodReportRow[]>,
  cells: (row: PeriodReportRow) => Cell[],
): AsyncGenerator<Cell[]> {
  for await (const page of pages) yield* page.map(cells);
}
