/** api/routes/sources — the addresses mail is sent from, in pools. */
import { z } from '@hono/zod-openapi';
import {
  createSource,
  deleteSource,
  listSources,
  MAX_WEIGHT,
  PROXY_TYPES,
} from '../../campaigns/routing/sources.ts';
import type { ProxyType, SourceAddress } from '../../campaigns/routing/sources.ts';
import type { RoutingDeps } from '../../campaigns/routing/routes.ts';
import { formatId } from '../../kernel/ids.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { idOf, instant, json, jsonBody, lineOf, pathId, requireId } from '../schema.ts';

const port = z.int().min(1).max(65_535);

const NewSource = z
  .strictObject({
    pool: lineOf(32).openapi({
      description: '`default` is for mail whose route and sender name no pool',
    }),
    address: lineOf(64).nullable().default(null).openapi({
      description: 'Of this machine, or of the proxy; null: only the SOCKS proxy knows it',
    }),
    helo_name: lineOf(253).nullable().default(null).openapi({
      description: 'Name in EHLO; null: VOLLEY_HELO_NAME',
    }),
    weight: z.int().min(1).max(MAX_WEIGHT).default(1),
    proxy: z
      .strictObject({
        type: z.enum(PROXY_TYPES),
        host: lineOf(253),
        port,
        login: z
          .strictObject({ user: lineOf(255), secret: lineOf(255) })
          .nullable()
          .default(null),
      })
      .nullable()
      .default(null),
  })
  .openapi('NewSource', {
    example: {
      pool: 'default',
      address: '192.0.2.10',
      helo_name: 'out1.example.com',
      weight: 1,
      proxy: null,
    },
  });

const SourceSchema = z
  .object({
    id: idOf('src'),
    pool: z.string(),
    address: z.string().nullable(),
    helo_name: z.string().nullable(),
    weight: z.int(),
    proxy: z
      .object({
        type: z.enum(PROXY_TYPES),
        host: z.string(),
        port,
        user: z.string().nullable(),
      })
      .nullable()
      .openapi({ description: 'The secret is never shown' }),
    created_at: instant,
  })
  .openapi('Source');

const create = endpoint(
  { scope: 'admin', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/sources',
    tags: ['Routing'],
    summary: 'Add a source address to a pool',
    description: 'Used by every process within a second.',
    request: { body: jsonBody(NewSource) },
    responses: { 201: { description: 'The source', content: json(SourceSchema) } },
  },
);

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/sources',
    tags: ['Routing'],
    summary: 'List source addresses, newest first',
    request: { query: z.strictObject(pageQuery) },
    responses: { 200: { description: 'A page', content: json(pageOf(SourceSchema)) } },
  },
);

const remove = endpoint(
  { scope: 'admin' },
  {
    method: 'delete',
    path: '/v1/sources/{id}',
    tags: ['Routing'],
    summary: 'Take a source address out of its pool',
    request: { params: pathId('src') },
    responses: { 200: { description: 'What it was', content: json(SourceSchema) } },
  },
);

export function sourceRoutes(gate: Gate, deps: RoutingDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(create), async (c) => {
    const { helo_name: heloName, ...rest } = c.req.valid('json');
    const answer = present(await createSource(deps, { ...rest, heloName }));
    return c.json(answer, 201, { Location: `${c.req.path}/${answer.id}` });
  });
  router.openapi(gate(list), async (c) => {
    const page = await listSources(deps, pageRequest('src', c.req.valid('query')));
    return c.json(pageResponse('src', page, present), 200);
  });
  router.openapi(gate(remove), async (c) => {
    const source = await deleteSource(deps, requireId('src', c.req.valid('param').id));
    return c.json(present(source), 200);
  });
  return router;
}

function present(source: SourceAddress): z.infer<typeof SourceSchema> {
  const { proxyType, proxyHost, proxyPort, proxyUser } = source;
  const proxied = proxyType !== null && proxyHost !== null && proxyPort !== null;
  return {
    id: formatId('src', source.id),
    pool: source.pool,
    address: source.address,
    helo_name: source.heloName,
    weight: source.weight,
    proxy: proxied
      ? { type: proxyType as ProxyType, host: proxyHost, port: proxyPort, user: proxyUser }
      : null,
    created_at: source.createdAt.toISOString(),
  };
}
