/** api/routes/suppression-person — one person: everything known of the address, and forgetting him. */
import { z } from '@hono/zod-openapi';
import { erase } from '../../bounce/erasure/erasure.ts';
import type { ErasureDeps } from '../../bounce/erasure/erasure.ts';
import type { History, Suppressions } from '../../bounce/suppressions/suppressions.ts';
import { AppError } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { count, emailText, idOf, instant, instantOrNull, iso, json, jsonBody } from '../schema.ts';
import { presentSuppression, SuppressionSchema } from './suppression-schema.ts';

const HistorySchema = z
  .object({
    email: z.string(),
    suppressed: z.boolean(),
    erased_at: instantOrNull,
    suppressions: z
      .array(SuppressionSchema)
      .openapi({ description: 'Every entry that ever was, newest first, at most 200' }),
    watch: z
      .object({
        state: z.enum(['suspect', 'warned', 'probed']),
        since: instant,
        due_at: instant,
        class: z.string(),
        evidence: z.string().nullable(),
      })
      .nullable()
      .openapi({ description: 'Failed too often; not given up yet' }),
    soft_bounces: z
      .array(
        z.object({
          day: z.iso.date(),
          kind: z.enum(['soft', 'full']),
          count,
          class: z.string(),
          evidence: z.string().nullable(),
        }),
      )
      .openapi({ description: 'Those that count now, newest first' }),
    notices: z
      .array(
        z.object({
          kind: z.enum(['warning', 'probe']),
          sent_at: instant,
          campaign_id: idOf('cmp'),
        }),
      )
      .openapi({ description: 'What he was written about it, newest first' }),
  })
  .openapi('SuppressionHistory');

const history = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/suppressions/{email}/history',
    tags: ['Suppressions'],
    summary: 'Everything known of an address',
    description: 'Entries with who made and released them, soft bounces, the watch over it.',
    request: {
      params: z.object({
        email: z
          .string()
          .openapi({ param: { name: 'email', in: 'path' }, example: 'ann@example.com' }),
      }),
    },
    responses: { 200: { description: 'The history', content: json(HistorySchema) } },
  },
);

const EraseRequest = z
  .strictObject({ email: emailText })
  .openapi('EraseAddress', { example: { email: 'ann@example.com' } });

const EraseResult = z
  .object({
    erasure_id: idOf('ers'),
    completed: z.boolean().openapi({ description: 'No table holds the address any more' }),
    waiting_for: z.array(idOf('cmp')).openapi({
      description: 'Campaigns that still need it; it is completed when they have ended',
    }),
  })
  .openapi('Erasure');

const eraseAddress = endpoint(
  { scope: 'admin', idempotent: true },
  {
    method: 'post',
    path: '/v1/suppressions/erase',
    tags: ['Suppressions'],
    summary: 'Forget a person, and never write to him again',
    description:
      'Removes the address, and what was recorded about it, from everything that is stored. A keyed hash stays, so that it is not written to when it is uploaded again. The same request again does no harm.',
    request: { body: jsonBody(EraseRequest) },
    responses: { 200: { description: 'How far it is', content: json(EraseResult) } },
  },
);

export function suppressionPersonRoutes(
  gate: Gate,
  suppressions: Suppressions,
  deps: ErasureDeps,
): ApiRouter {
  const router = createRouter();
  router.openapi(gate(history), async (c) => {
    const found = await suppressions.history(c.req.valid('param').email);
    if (found === null) throw new AppError('not_found', 'this is no mail address');
    return c.json(presentHistory(found), 200);
  });
  router.openapi(gate(eraseAddress), async (c) => {
    const by = formatId('key', c.var.caller.keyId);
    const result = await erase(deps, c.req.valid('json').email, by);
    return c.json(
      {
        erasure_id: formatId('ers', result.id),
        completed: result.completed,
        waiting_for: result.waitingFor.map((id) => formatId('cmp', id)),
      },
      200,
    );
  });
  return router;
}

/** As the API and the command line show it. */
export function presentHistory(found: History): z.infer<typeof HistorySchema> {
  const { watch } = found;
  return {
    email: found.addressKey,
    suppressed: found.suppressed,
    erased_at: iso(found.erasedAt),
    suppressions: found.suppressions.map(presentSuppression),
    watch:
      watch === null
        ? null
        : {
            state: watch.state,
            since: watch.since.toISOString(),
            due_at: watch.dueAt.toISOString(),
            class: watch.class,
            evidence: watch.evidence,
          },
    soft_bounces: found.softBounces,
    notices: found.notices.map((notice) => ({
      kind: notice.kind,
      sent_at: notice.createdAt.toISOString(),
      campaign_id: formatId('cmp', notice.campaignId),
    })),
  };
}
