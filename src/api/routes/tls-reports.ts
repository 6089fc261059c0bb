/** api/routes/tls-reports — the daily TLS reports (RFC 8460) that were made for domains. */
import { z } from '@hono/zod-openapi';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { getTlsReport, listTlsReports, sendTlsReport } from '../../campaigns/tls-reports.ts';
import type { TlsReport } from '../../campaigns/tls-reports.ts';
import { asciiDomain } from '../../kernel/address.ts';
import { AppError } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { count, idOf, instant, json, pathId, requireId } from '../schema.ts';

const summary = {
  id: idOf('tlr'),
  domain: z.string(),
  day: z.iso.date().openapi({ description: 'UTC' }),
  state: z.enum(['ready', 'sent']).openapi({
    description: 'sent: mail and posts are ordered; ready: they will be, within a minute',
  }),
  successful_sessions: count,
  failed_sessions: count,
  size_bytes: count.openapi({ description: 'Gzipped' }),
  made_at: instant,
  note: z.string().nullable().openapi({ description: 'Why it was not sent to all' }),
};

const ReportSchema = z.object(summary).openapi('TlsReport');

const DetailSchema = z
  .object({
    ...summary,
    sendings: z.array(
      z.object({
        to: z.string().openapi({ description: 'A mail address or a URL' }),
        state: z.string().openapi({
          description: 'Of mail, a state of deliveries; of a URL, pending, sent or failed',
        }),
        reason: z.string().nullable().openapi({ description: 'What the last try came to' }),
      }),
    ),
    report: z.looseObject({}).openapi({ description: 'As it is sent (RFC 8460, section 4)' }),
  })
  .openapi('TlsReportDetail');

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/tls-reports',
    tags: ['TLS reports'],
    summary: 'List TLS reports, newest first',
    request: {
      query: z.strictObject({
        ...pageQuery,
        domain: z.string().max(253).optional().openapi({ example: 'example.com' }),
      }),
    },
    responses: { 200: { description: 'A page', content: json(pageOf(ReportSchema)) } },
  },
);

const show = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/tls-reports/{id}',
    tags: ['TLS reports'],
    summary: 'A TLS report, whom it went to, and how',
    request: { params: pathId('tlr') },
    responses: { 200: { description: 'The report', content: json(DetailSchema) } },
  },
);

const send = endpoint(
  { scope: 'admin' },
  {
    method: 'post',
    path: '/v1/tls-reports/{id}/send',
    tags: ['TLS reports'],
    summary: 'Send a TLS report again',
    description:
      'Within a minute, to whoever the domain names then. The same request again is one.',
    request: { params: pathId('tlr') },
    responses: {
      202: { description: 'It will be sent', content: json(z.object({ id: idOf('tlr') })) },
    },
  },
);

export function tlsReportRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(list), async (c) => {
    const { domain: text, ...query } = c.req.valid('query');
    const domain = text === undefined ? null : asciiDomain(text);
    if (text !== undefined && domain === null) {
      throw new AppError('invalid_request', '`domain` is no domain name');
    }
    const page = await listTlsReports(deps, { ...pageRequest('tlr', query), domain });
    return c.json(pageResponse('tlr', page, presentTlsReport), 200);
  });
  router.openapi(gate(show), async (c) => {
    const id = requireId('tlr', c.req.valid('param').id);
    const { document, sendings, ...row } = await getTlsReport(deps, id);
    return c.json({ ...presentTlsReport(row), sendings, report: { ...document } }, 200);
  });
  router.openapi(gate(send), async (c) => {
    const { id } = c.req.valid('param');
    await sendTlsReport(deps, requireId('tlr', id));
    return c.json({ id }, 202);
  });
  return router;
}

export function presentTlsReport(row: TlsReport): z.infer<typeof ReportSchema> {
  return {
    id: formatId('tlr', row.id),
    domain: row.domain,
    day: row.day,
    state: row.state,
    successful_sessions: Number(row.successes),
    failed_sessions: Number(row.failures),
    size_bytes: row.sizeBytes,
    made_at: row.madeAt.toISOString(),
    note: row.note,
  };
}
