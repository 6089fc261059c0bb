/**
 * api/routes/bounces — how replies are understood: rules and how often each decided, replies that no
 * rule knows, and what a message would be taken for.
 *
 * `inspect` records nothing; for that there is `POST /v1/inbound`.
 */
import { z } from '@hono/zod-openapi';
import { BOUNCE_CLASS_NAMES } from '../../bounce/classes.ts';
import type { BounceClass } from '../../bounce/classes.ts';
import { DSN_ACTIONS } from '../../bounce/inspection.ts';
import { inspect } from '../../bounce/inspect.ts';
import { takeIn } from '../../bounce/intake.ts';
import { OwnRule } from '../../bounce/own-rules.ts';
import { inspectionLine } from '../../bounce/report-lines.ts';
import { rulesWithCounts } from '../../bounce/rule-counts.ts';
import type { CountedRule } from '../../bounce/rule-counts.ts';
import type { Rulebook } from '../../bounce/rulebook.ts';
import { stillUnmatched } from '../../bounce/rule-counts.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { count, instant, json, jsonBody } from '../schema.ts';
import { atMost, readUpload, uploadBody } from '../upload.ts';

export interface BounceDeps {
  sql: Sql;
  rulebook: Rulebook;
  maxInboundBytes: number;
}

const className = z.enum(BOUNCE_CLASS_NAMES as [BounceClass, ...BounceClass[]]);

const RuleSchema = z
  .object({
    id: z.string().openapi({ example: 'own.quota-words' }),
    provider: z.string(),
    origin: z.enum(['operator', 'file', 'builtin']),
    pattern: z.string(),
    class: className,
    permanent: z.boolean().nullable(),
    evidence: z.string().openapi({ description: 'The reply it was written for' }),
    counter: z.string(),
    source: z.string(),
    fired: count.openapi({ description: 'How often it decided' }),
    fired_30_days: count,
  })
  .openapi('BounceRule');

// Made here: a schema that was made before zod-openapi extended zod has no `openapi`.
const NewRule = z.strictObject(OwnRule.shape).openapi('NewBounceRule', {
  example: {
    id: 'quota-words',
    pattern: 'storage allotment (?:is )?used up',
    class: 'full',
    permanent: null,
    evidence: '550 Sorry, the storage allotment is used up',
    counter: '550 User unknown',
    source: 'mx.partner.example, seen in March',
  },
});

const UnmatchedSchema = z
  .object({
    sample: z.string(),
    code: z.int().nullable(),
    enhanced: z.string().nullable(),
    stage: z.string().nullable(),
    class: className.openapi({ description: 'What its codes alone made of it' }),
    domain: z.string().openapi({ description: 'Destination domain of the last one' }),
    count,
    first_seen: instant,
    last_seen: instant,
  })
  .openapi('UnmatchedReply');

const InspectionSchema = z
  .object({
    file: z.string(),
    kind: z.enum(['bounce', 'feedback', 'autoreply', 'delivered', 'none']),
    recipients: z.array(
      z.object({
        recipient: z.string(),
        status: z.string().nullable(),
        hard: z.boolean().nullable(),
        class: className,
        action: z.enum(DSN_ACTIONS),
      }),
    ),
  })
  .openapi('BounceInspection');

const listRules = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/bounces/rules',
    tags: ['Bounces'],
    summary: 'All rules in the order they are tried, with how often each decided',
    request: { query: z.strictObject({}) },
    responses: {
      200: { description: 'All', content: json(z.object({ data: z.array(RuleSchema) })) },
    },
  },
);

const addRule = endpoint(
  { scope: 'admin', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/bounces/rules',
    tags: ['Bounces'],
    summary: 'Add a rule of your own',
    description:
      'In force at once, on every node, before the built-in rules. It is refused unless its evidence ' +
      'matches, its counter does not, and its pattern cannot run away.',
    request: { body: jsonBody(NewRule) },
    responses: { 201: { description: 'The rule', content: json(RuleSchema) } },
  },
);

const removeRule = endpoint(
  { scope: 'admin' },
  {
    method: 'delete',
    path: '/v1/bounces/rules/{id}',
    tags: ['Bounces'],
    summary: 'Take a rule of your own away',
    request: {
      params: z.object({
        id: z.string().openapi({ param: { name: 'id', in: 'path' }, example: 'own.quota-words' }),
      }),
    },
    responses: {
      200: { description: 'It is gone', content: json(z.object({ id: z.string() })) },
    },
  },
);

const listUnmatched = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/bounces/unmatched',
    tags: ['Bounces'],
    summary: 'Replies that no rule knows, most frequent first',
    description: 'Replies that differ only in names and numbers are one.',
    request: {
      query: z.strictObject({ limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
    },
    responses: {
      200: {
        description: 'The most frequent',
        content: json(z.object({ data: z.array(UnmatchedSchema) })),
      },
    },
  },
);

const inspectMessage = endpoint(
  { scope: 'read', body: 'form' },
  {
    method: 'post',
    path: '/v1/bounces/inspect',
    tags: ['Bounces'],
    summary: 'What a message would be taken for',
    description: 'Records nothing. The same as `volley bounce inspect --json`.',
    request: {
      body: uploadBody({ 'message/rfc822': 'From: MAILER-DAEMON@mx.example\r\n\r\n...' }),
    },
    responses: { 200: { description: 'What it says', content: json(InspectionSchema) } },
  },
);

export function bounceRoutes(gate: Gate, deps: BounceDeps): ApiRouter {
  const { sql, rulebook } = deps;
  const router = createRouter();
  router.openapi(gate(listRules), async (c) => {
    const rules = await rulesWithCounts(sql, rulebook);
    return c.json({ data: rules.map(presentRule) }, 200);
  });
  router.openapi(gate(addRule), async (c) => {
    const { id } = await rulebook.add(c.req.valid('json'));
    const rule = (await rulesWithCounts(sql, rulebook)).find((each) => each.id === id);
    if (rule === undefined) throw new AppError('conflict', `${id} was taken away again meanwhile`);
    return c.json(presentRule(rule), 201);
  });
  router.openapi(gate(removeRule), async (c) => {
    const { id } = c.req.valid('param');
    if (await rulebook.remove(id)) return c.json({ id }, 200);
    throw new AppError('not_found', 'there is no such rule of yours; built-in rules stay');
  });
  router.openapi(gate(listUnmatched), async (c) => {
    const rows = await stillUnmatched(sql, rulebook, c.req.valid('query').limit);
    const data = rows.map(({ firstSeen, lastSeen, ...row }) => ({
      ...row,
      class: row.class as BounceClass,
      count: Number(row.count),
      first_seen: firstSeen.toISOString(),
      last_seen: lastSeen.toISOString(),
    }));
    return c.json({ data }, 200);
  });
  router.openapi(gate(inspectMessage), async (c) => {
    const { gzip, body } = readUpload(c, ['message/rfc822']);
    if (gzip) throw new AppError('unsupported_media_type', 'send the message as it is, not packed');
    const intake = await takeIn(atMost(body, deps.maxInboundBytes));
    if (intake === null) throw new AppError('upload_aborted', 'the body ended too early');
    return c.json(inspectionLine('-', inspect(intake.kept, rulebook.classify)), 200);
  });
  return router;
}

function presentRule(rule: CountedRule): z.infer<typeof RuleSchema> {
  const { id, provider, origin, pattern, permanent, evidence, counter, source } = rule;
  return {
    id,
    provider,
    origin,
    pattern: pattern.source,
    class: rule.class,
    permanent,
    evidence,
    counter,
    source,
    fired: rule.fired,
    fired_30_days: rule.firedLately,
  };
}
