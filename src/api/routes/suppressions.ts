/** api/routes/suppressions — who gets no more mail: list, add, check, release. Files: suppression-files.ts. */
import { z } from '@hono/zod-openapi';
import { readEntry } from '../../bounce/suppressions/entry.ts';
import type { EntryField } from '../../bounce/suppressions/entry.ts';
import { SUPPRESSION_SCOPES } from '../../bounce/suppressions/suppression.ts';
import type { Suppressions } from '../../bounce/suppressions/suppressions.ts';
import { toPage } from '../../campaigns/page.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { emailText, given, json, jsonBody, lineOf } from '../schema.ts';
import {
  AddRequest,
  AddResult,
  CheckRequest,
  CheckResult,
  presentSuppression,
  suppressionFilter,
  SuppressionSchema,
} from './suppression-schema.ts';
import type { NewSuppression } from './suppression-schema.ts';

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/suppressions',
    tags: ['Suppressions'],
    summary: 'List suppressions, newest first',
    request: {
      query: z.strictObject({
        ...pageQuery,
        ...suppressionFilter,
        email: emailText.optional(),
        created_from: z.iso.datetime().optional(),
        created_to: z.iso.datetime().optional(),
        history: z
          .enum(['true', 'false'])
          .default('false')
          .openapi({ description: 'Released and expired ones too' }),
      }),
    },
    responses: { 200: { description: 'A page', content: json(pageOf(SuppressionSchema)) } },
  },
);

const add = endpoint(
  { scope: 'send', idempotent: true },
  {
    method: 'post',
    path: '/v1/suppressions',
    tags: ['Suppressions'],
    summary: 'Add up to 1,000 addresses',
    description: 'Answers one result per entry, in their order. Valid entries are added.',
    request: { body: jsonBody(AddRequest) },
    responses: { 200: { description: 'The results', content: json(AddResult) } },
  },
);

const check = endpoint(
  { scope: 'read' },
  {
    method: 'post',
    path: '/v1/suppressions/check',
    tags: ['Suppressions'],
    summary: 'Ask whether addresses are suppressed, and why',
    description: 'Up to 1,000; changes nothing.',
    request: { body: jsonBody(CheckRequest) },
    responses: { 200: { description: 'One answer per address', content: json(CheckResult) } },
  },
);

const release = endpoint(
  { scope: 'admin' },
  {
    method: 'delete',
    path: '/v1/suppressions/{email}',
    tags: ['Suppressions'],
    summary: 'Release an address',
    description:
      'It may be sent to again. The rows stay as history. Without a scope, or with `global`, its soft bounces are forgotten too, and an erasure is lifted.',
    request: {
      params: z.object({
        email: z
          .string()
          .openapi({ param: { name: 'email', in: 'path' }, example: 'ann@example.com' }),
      }),
      query: z.strictObject({
        scope: z.enum(SUPPRESSION_SCOPES).optional(),
        scope_value: lineOf(253).optional(),
      }),
    },
    responses: {
      200: {
        description: 'What was released',
        content: json(
          z.object({
            data: z.array(SuppressionSchema),
            erasure_released: z
              .boolean()
              .openapi({ description: 'He had been erased; he may be written to again' }),
          }),
        ),
      },
    },
  },
);

export function suppressionRoutes(gate: Gate, suppressions: Suppressions, clock: Clock): ApiRouter {
  const router = createRouter();
  router.openapi(gate(list), async (c) => {
    const query = c.req.valid('query');
    const { limit, after } = pageRequest('sup', query);
    const rows = await suppressions.list(
      given({
        history: query.history === 'true',
        reason: query.reason,
        scope: query.scope,
        email: query.email,
        createdFrom: query.created_from === undefined ? undefined : new Date(query.created_from),
        createdTo: query.created_to === undefined ? undefined : new Date(query.created_to),
      }),
      // One more than asked: it only says that there are more.
      { limit: limit + 1, ...(after === null ? {} : { after }) },
    );
    return c.json(pageResponse('sup', toPage(rows, limit), presentSuppression), 200);
  });
  router.openapi(gate(add), async (c) => {
    const { entries } = c.req.valid('json');
    const by = formatId('key', c.var.caller.keyId);
    return c.json({ data: await addEntries(suppressions, entries, by, clock()) }, 200);
  });
  router.openapi(gate(check), async (c) => {
    const { emails, context } = c.req.valid('json');
    const checked = await suppressions.check(
      emails,
      context === null ? null : { senderDomain: context.sender_domain, stream: context.stream },
    );
    const data = checked.map((row) => ({
      ...row,
      suppressions: row.suppressions.map(presentSuppression),
    }));
    return c.json({ data }, 200);
  });
  router.openapi(gate(release), async (c) => {
    const { scope, scope_value: scopeValue } = c.req.valid('query');
    const released = await suppressions.release(
      c.req.valid('param').email,
      formatId('key', c.var.caller.keyId),
      given({ scope, scopeValue }),
    );
    if (released === null) throw new AppError('not_found', 'this address is not suppressed');
    const data = released.suppressions.map(presentSuppression);
    return c.json({ data, erasure_released: released.erasure }, 200);
  });
  return router;
}

async function addEntries(
  suppressions: Suppressions,
  entries: readonly z.infer<typeof NewSuppression>[],
  by: string,
  now: Date,
): Promise<z.infer<typeof AddResult>['data']> {
  const read = entries.map(({ scope_value: scopeValue, expires_at: expiresAt, ...entry }) => {
    const input = { ...entry, scopeValue, expiresAt };
    return { input, result: readEntry(input, now) };
  });
  const valid = read.flatMap(({ input, result }) => (result.ok ? [input] : []));
  const live = Map.groupBy(
    valid.length === 0 ? [] : await suppressions.add(valid, by),
    (row) => row.addressKey,
  );
  return read.map(({ input: { email }, result }) => {
    if (!result.ok) {
      const field = COLUMN_OF[result.field] ?? result.field;
      return { email, status: 'invalid', reason: `${field} ${result.reason}`, suppressions: [] };
    }
    const rows = live.get(result.value.addressKey) ?? [];
    return {
      email,
      status: 'suppressed',
      reason: null,
      suppressions: rows.map(presentSuppression),
    };
  });
}

/** Fields whose name outside is another. */
const COLUMN_OF: Partial<Record<EntryField, string>> = {
  scopeValue: 'scope_value',
  expiresAt: 'expires_at',
};
