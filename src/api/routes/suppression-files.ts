/** api/routes/suppression-files — the suppression list as a CSV file, in and out. */
import { z } from '@hono/zod-openapi';
import type { Suppressions } from '../../bounce/suppressions/suppressions.ts';
import { AppError } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { count, given, idOf, json, pathId, requireId } from '../schema.ts';
import { streamResponse } from '../stream-response.ts';
import type { StreamDeps } from '../stream-response.ts';
import { gunzip, readUpload, uploadBody } from '../upload.ts';
import { suppressionFilter } from './suppression-schema.ts';

const ImportResult = z
  .object({
    import_id: idOf('imp'),
    rows: count,
    added: count,
    extended: count.openapi({ description: 'Listed already; they stay longer now' }),
    unchanged: count,
    rejected: count,
    rejects: z
      .array(z.object({ row: count, input: z.string(), reason: z.string() }))
      .openapi({ description: 'The first 100' }),
    rejects_url: z.string().openapi({ description: 'All of them, as CSV' }),
  })
  .openapi('SuppressionImport');

const importFile = endpoint(
  { scope: 'send', body: 'stream', idempotent: true },
  {
    method: 'post',
    path: '/v1/suppressions/import',
    tags: ['Suppressions'],
    summary: 'Import a CSV file',
    description:
      'A header row with `email`, and any of `reason`, `scope`, `scope_value`, `evidence`, `expires_at`. What `export` wrote can be imported. All good rows or, when the file breaks off or is no CSV, none.',
    request: { body: uploadBody({ 'text/csv': 'email,reason\nann@example.com,manual\n' }) },
    responses: { 200: { description: 'What became of the rows', content: json(ImportResult) } },
  },
);

const exportFile = endpoint(
  { scope: 'read', errors: ['overloaded'] },
  {
    method: 'get',
    path: '/v1/suppressions/export',
    tags: ['Suppressions'],
    summary: 'Export the live list as CSV',
    request: { query: z.strictObject(suppressionFilter) },
    responses: {
      200: { description: 'The file', content: { 'text/csv': { schema: z.string() } } },
    },
  },
);

const rejectsFile = endpoint(
  { scope: 'read', errors: ['overloaded'] },
  {
    method: 'get',
    path: '/v1/suppressions/imports/{id}/rejects',
    tags: ['Suppressions'],
    summary: 'Download the rows of an import that were refused, as CSV',
    request: { params: pathId('imp') },
    responses: {
      200: { description: 'The file', content: { 'text/csv': { schema: z.string() } } },
    },
  },
);

export function suppressionFileRoutes(
  gate: Gate,
  suppressions: Suppressions,
  streams: StreamDeps,
): ApiRouter {
  const router = createRouter();
  router.openapi(gate(importFile), async (c) => {
    const { body, charset, gzip } = readUpload(c, ['text/csv']);
    if (charset !== null && charset !== 'utf-8' && charset !== 'utf8') {
      throw new AppError('unsupported_media_type', 'a suppression file must be UTF-8');
    }
    const by = formatId('key', c.var.caller.keyId);
    const result = await suppressions.importCsv(gzip ? gunzip(body) : body, by);
    const { importId, rejects, ...counts } = result;
    const listed = rejects.map(({ rowNumber, input, reason }) => ({
      row: rowNumber,
      input,
      reason,
    }));
    const id = formatId('imp', importId);
    const url = `/v1/suppressions/imports/${id}/rejects`;
    return c.json({ import_id: id, ...counts, rejects: listed, rejects_url: url }, 200);
  });
  router.openapi(gate(exportFile), async (c) => {
    const pieces = suppressions.exportCsv(given(c.req.valid('query')));
    return streamResponse(c, streams, pieces, {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="suppressions.csv"',
    });
  });
  router.openapi(gate(rejectsFile), async (c) => {
    const { id } = c.req.valid('param');
    const pieces = await suppressions.importRejects(requireId('imp', id));
    if (pieces === null) throw new AppError('not_found', 'no such import');
    return streamResponse(c, streams, pieces, {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': `attachment; filename="rejects-${id}.csv"`,
    });
  });
  return router;
}
