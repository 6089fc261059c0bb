/**
 * api/routes/recipients — a list streamed into a draft, and the rows that were refused.
 *
 * The body is never held: its bytes go through the use case into a COPY, at the pace of PostgreSQL.
 */
import { z } from '@hono/zod-openapi';
import { listRejects, uploadRecipients } from '../../campaigns/audience.ts';
import type { Reject, UploadReport } from '../../campaigns/audience.ts';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import { formatId } from '../../kernel/ids.ts';
import { csvLine } from '../../kernel/csv.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { count, idOf, json, pathId, requireId } from '../schema.ts';
import { streamResponse } from '../stream-response.ts';
import type { StreamDeps } from '../stream-response.ts';
import { readUpload, uploadBody } from '../upload.ts';

const FORMATS = {
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
} as const;
const MEDIA_TYPES = Object.keys(FORMATS) as (keyof typeof FORMATS)[];

const UploadSchema = z
  .object({
    upload_id: idOf('upl'),
    accepted: count,
    duplicate: count.openapi({ description: 'In the campaign already, by this upload or another' }),
    invalid: count,
    suppressed: count.openapi({ description: 'Of the accepted: will not be sent to' }),
    rejects: z
      .array(z.object({ row: count, input: z.string(), code: z.string(), reason: z.string() }))
      .openapi({ description: 'The first 100 of the invalid and the duplicate' }),
    rejects_url: z.string().openapi({ description: 'All of them, as CSV' }),
  })
  .openapi('Upload');

const upload = endpoint(
  {
    scope: 'send',
    body: 'stream',
    idempotent: true,
    errors: ['campaign_not_draft', 'row_too_large', 'body_too_large'],
  },
  {
    method: 'post',
    path: '/v1/campaigns/{id}/recipients',
    tags: ['Recipients'],
    summary: 'Upload recipients',
    description:
      'CSV with a header row, or one JSON object per line: `email`, `name`, and any variables. All rows or, when the body breaks off or cannot be read, none. `charset` in Content-Type may be gb18030, gbk, big5, euc-kr, shift_jis or windows-1252; UTF-8 otherwise.',
    request: {
      params: pathId('cmp'),
      body: uploadBody({
        'application/x-ndjson': '{"email":"ann@example.com","name":"Ann","month":"March"}\n',
        'text/csv': 'email,name,month\nann@example.com,Ann,March\n',
      }),
    },
    responses: { 200: { description: 'What became of the rows', content: json(UploadSchema) } },
  },
);

const rejects = endpoint(
  { scope: 'read', errors: ['overloaded'] },
  {
    method: 'get',
    path: '/v1/campaigns/{id}/uploads/{upload_id}/rejects',
    tags: ['Recipients'],
    summary: 'Download the rows that were refused, as CSV',
    request: {
      params: pathId('cmp').extend({
        upload_id: z.string().openapi({
          param: { name: 'upload_id', in: 'path' },
          example: formatId('upl', 7n),
        }),
      }),
    },
    responses: {
      200: { description: 'The file', content: { 'text/csv': { schema: z.string() } } },
    },
  },
);

export function recipientRoutes(gate: Gate, deps: CampaignDeps, streams: StreamDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(upload), async (c) => {
    const id = requireId('cmp', c.req.valid('param').id);
    const { mediaType, charset, gzip, body } = readUpload(c, MEDIA_TYPES);
    const report = await uploadRecipients(deps, id, body, {
      format: FORMATS[mediaType],
      gzip,
      charset,
    });
    return c.json(present(id, report), 200);
  });
  router.openapi(gate(rejects), async (c) => {
    const params = c.req.valid('param');
    const rows = await listRejects(
      deps,
      requireId('cmp', params.id),
      requireId('upl', params.upload_id),
    );
    return streamResponse(c, streams, csvOf(rows), {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': `attachment; filename="rejects-${params.upload_id}.csv"`,
    });
  });
  return router;
}

function present(campaignId: bigint, report: UploadReport): z.infer<typeof UploadSchema> {
  const { uploadId, ...counts } = report;
  const id = formatId('upl', uploadId);
  const url = `/v1/campaigns/${formatId('cmp', campaignId)}/uploads/${id}/rejects`;
  return { upload_id: id, ...counts, rejects_url: url };
}

const PIECE_CHARACTERS = 65_536;

async function* csvOf(rows: AsyncIterable<Reject>): AsyncGenerator<string> {
  let text = csvLine(['row', 'input', 'code', 'reason']);
  for await (const { row, input, code, reason } of rows) {
    text += csvLine([row, input, code, reason]);
    if (text.length < PIECE_CHARACTERS) continue;
    yield text;
    text = '';
  }
  yield text;
}
