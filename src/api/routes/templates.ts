/** api/routes/templates — named content, and how it looks for one recipient. */
import { z } from '@hono/zod-openapi';
import type { CampaignDeps } from '../../campaigns/deps.ts';
import {
  createTemplate,
  getTemplate,
  listTemplates,
  previewTemplate,
} from '../../campaigns/templates.ts';
import type { Template, TemplateSummary } from '../../campaigns/templates.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { idOf, instant, json, jsonBody, lineOf, pathId, requireId } from '../schema.ts';
import { contentFields } from './content.ts';

const NewTemplate = z
  .strictObject({
    name: lineOf(200).min(1).openapi({ example: 'Monthly statement' }),
    ...contentFields,
  })
  .openapi('NewTemplate', {
    example: {
      name: 'Monthly statement',
      subject: 'Your statement for {{month}}',
      format: 'html',
      source: '<p>Dear {{name}}, your statement is ready.</p>',
      text: null,
    },
  });

const SummarySchema = z
  .object({
    id: idOf('tpl'),
    name: z.string(),
    subject: z.string(),
    format: z.string(),
    variables: z
      .array(z.string())
      .openapi({ description: 'Names the content uses; empty: the same for all' }),
    created_at: instant,
  })
  .openapi('TemplateSummary');

const TemplateSchema = SummarySchema.extend({
  source: z.string(),
  html: z.string().openapi({ description: 'MJML compiled; variables not yet filled in' }),
  text: z.string(),
}).openapi('Template');

const Variables = z
  .strictObject({
    variables: z.record(z.string().max(200), z.unknown()).default({}),
  })
  .openapi('PreviewRequest', { example: { variables: { name: 'Ann', month: 'March' } } });

const PreviewSchema = z
  .object({
    subject: z.string(),
    html: z.string(),
    text: z.string(),
    missing: z
      .array(z.string())
      .openapi({ description: 'Variables the content uses and the request did not bring' }),
  })
  .openapi('Preview');

const create = endpoint(
  { scope: 'send', idempotent: true, errors: ['template_invalid'] },
  {
    method: 'post',
    path: '/v1/templates',
    tags: ['Templates'],
    summary: 'Create a template',
    description:
      'Compiled at once: every fault comes back with its line and reason. A template never changes.',
    request: { body: jsonBody(NewTemplate) },
    responses: { 201: { description: 'The template', content: json(TemplateSchema) } },
  },
);

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/templates',
    tags: ['Templates'],
    summary: 'List templates, newest first, without their bodies',
    request: { query: z.strictObject(pageQuery) },
    responses: { 200: { description: 'A page', content: json(pageOf(SummarySchema)) } },
  },
);

const read = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/templates/{id}',
    tags: ['Templates'],
    summary: 'Read a template',
    request: { params: pathId('tpl') },
    responses: { 200: { description: 'The template', content: json(TemplateSchema) } },
  },
);

const preview = endpoint(
  { scope: 'read', errors: ['template_invalid'] },
  {
    method: 'post',
    path: '/v1/templates/{id}/preview',
    tags: ['Templates'],
    summary: 'Render a template with given variables',
    description: 'Stores and sends nothing.',
    request: { params: pathId('tpl'), body: jsonBody(Variables) },
    responses: { 200: { description: 'The message', content: json(PreviewSchema) } },
  },
);

export function templateRoutes(gate: Gate, deps: CampaignDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(create), async (c) => {
    const template = await createTemplate(deps, c.req.valid('json'));
    const answer = present(template);
    return c.json(answer, 201, { Location: `${c.req.path}/${answer.id}` });
  });
  router.openapi(gate(list), async (c) => {
    const page = await listTemplates(deps, pageRequest('tpl', c.req.valid('query')));
    return c.json(pageResponse('tpl', page, presentSummary), 200);
  });
  router.openapi(gate(read), async (c) => {
    const id = requireId('tpl', c.req.valid('param').id);
    return c.json(present(await getTemplate(deps, id)), 200);
  });
  router.openapi(gate(preview), async (c) => {
    const id = requireId('tpl', c.req.valid('param').id);
    return c.json(await previewTemplate(deps, id, c.req.valid('json')), 200);
  });
  return router;
}

function presentSummary(template: TemplateSummary): z.infer<typeof SummarySchema> {
  return {
    id: formatId('tpl', template.id),
    name: template.name,
    subject: template.subject,
    format: template.format,
    variables: template.variables,
    created_at: template.createdAt.toISOString(),
  };
}

function present(template: Template): z.infer<typeof TemplateSchema> {
  const { source, html, text } = template;
  return { ...presentSummary(template), source, html, text };
}
