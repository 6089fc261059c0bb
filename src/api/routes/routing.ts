/** api/routes/routing — which domain's mail leaves by which transport, and why. */
import { z } from '@hono/zod-openapi';
import { createRoute, deleteRoute, listRoutes } from '../../campaigns/routing/routes.ts';
import type { Route, RoutingDeps } from '../../campaigns/routing/routes.ts';
import { TLS_MODES, TRANSPORTS } from '../../campaigns/routing/route-input.ts';
import { asciiDomain } from '../../kernel/address.ts';
import { invalidValue } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import type { Explanation } from '../../mta/explain.ts';
import { AUTH_MECHANISMS } from '../../mta/transport.ts';
import type { AuthMechanism } from '../../mta/transport.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { pageOf, pageQuery, pageRequest, pageResponse } from '../page.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { idOf, instant, json, jsonBody, lineOf, pathId, requireId } from '../schema.ts';
import { ExplanationSchema, presentExplanation } from './routing-schema.ts';

/** Port: asks the running engine. */
export type ExplainRoute = (domain: string, pool: string | null) => Promise<Explanation>;

const port = z.int().min(1).max(65_535);
const tls = z.enum(TLS_MODES).nullable();

const NewRoute = z
  .strictObject({
    pattern: lineOf(253).openapi({
      description: 'A domain, `*.domain` for all below it, or `*`; the closest one wins',
      example: '*.shop.example',
    }),
    transport: z.enum(TRANSPORTS),
    host: lineOf(253).nullable().default(null).openapi({
      description: '`smtp` without one: the MX hosts of the domain',
    }),
    port: port.nullable().default(null),
    socket_path: lineOf(100).nullable().default(null),
    folder: lineOf(320).nullable().default(null).openapi({
      description: 'A Maildir below VOLLEY_MAIL_DIR',
    }),
    tls: tls.default(null),
    implicit_tls: z.boolean().default(false).openapi({
      description: 'TLS from the first byte, as port 465 wants it',
    }),
    login: z
      .strictObject({
        mechanism: z.enum(AUTH_MECHANISMS).nullable().default(null),
        user: lineOf(255),
        secret: lineOf(4_096).openapi({ description: 'Password, or access token of XOAUTH2' }),
      })
      .nullable()
      .default(null),
    pool: lineOf(32).nullable().default(null).openapi({ description: 'Of source addresses' }),
    replace: z.boolean().default(false).openapi({
      description: 'Put it in the place of the route that the pattern has',
    }),
  })
  .openapi('NewRoute', {
    example: {
      pattern: '*',
      transport: 'smarthost',
      host: 'relay.example.com',
      port: 587,
      socket_path: null,
      folder: null,
      tls: 'verified',
      implicit_tls: false,
      login: { mechanism: null, user: 'volley', secret: '...' },
      pool: null,
      replace: false,
    },
  });

const RouteSchema = z
  .object({
    id: idOf('rte'),
    pattern: z.string(),
    transport: z.enum(TRANSPORTS),
    host: z.string().nullable(),
    port: port.nullable(),
    socket_path: z.string().nullable(),
    folder: z.string().nullable(),
    tls,
    implicit_tls: z.boolean(),
    login: z
      .object({ mechanism: z.enum(AUTH_MECHANISMS).nullable(), user: z.string() })
      .nullable()
      .openapi({ description: 'The secret is never shown' }),
    pool: z.string().nullable(),
    created_at: instant,
  })
  .openapi('Route');

const create = endpoint(
  { scope: 'admin', idempotent: true, errors: ['conflict'] },
  {
    method: 'post',
    path: '/v1/routes',
    tags: ['Routing'],
    summary: 'Create a route',
    description: 'Live in every process within a second, for campaigns that are running too.',
    request: { body: jsonBody(NewRoute) },
    responses: { 201: { description: 'The route', content: json(RouteSchema) } },
  },
);

const list = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/routes',
    tags: ['Routing'],
    summary: 'List routes, newest first',
    description:
      'Those of VOLLEY_ROUTES are not among them; they win over a route of their pattern.',
    request: { query: z.strictObject(pageQuery) },
    responses: { 200: { description: 'A page', content: json(pageOf(RouteSchema)) } },
  },
);

const remove = endpoint(
  { scope: 'admin' },
  {
    method: 'delete',
    path: '/v1/routes/{id}',
    tags: ['Routing'],
    summary: 'Remove a route',
    request: { params: pathId('rte') },
    responses: { 200: { description: 'What it was', content: json(RouteSchema) } },
  },
);

const explain = endpoint(
  { scope: 'read' },
  {
    method: 'get',
    path: '/v1/routes/explain',
    tags: ['Routing'],
    summary: 'Say where mail for a domain would go now, and why',
    description: 'Asks the DNS as the engine does; connects to nobody.',
    request: {
      query: z.strictObject({
        domain: lineOf(253).openapi({ example: 'shop.example' }),
        pool: lineOf(32).optional().openapi({ description: "The sender's pool" }),
      }),
    },
    responses: { 200: { description: 'The way', content: json(ExplanationSchema) } },
  },
);

export function routingRoutes(
  gate: Gate,
  deps: RoutingDeps & { explainRoute: ExplainRoute },
): ApiRouter {
  const router = createRouter();
  router.openapi(gate(create), async (c) => {
    const {
      socket_path: socketPath,
      implicit_tls: implicitTls,
      replace,
      ...rest
    } = c.req.valid('json');
    const route = await createRoute(deps, { ...rest, socketPath, implicitTls }, replace);
    const answer = present(route);
    return c.json(answer, 201, { Location: `${c.req.path}/${answer.id}` });
  });
  router.openapi(gate(list), async (c) => {
    const page = await listRoutes(deps, pageRequest('rte', c.req.valid('query')));
    return c.json(pageResponse('rte', page, present), 200);
  });
  router.openapi(gate(explain), async (c) => {
    const query = c.req.valid('query');
    const domain = asciiDomain(query.domain.trim());
    if (domain === null) throw invalidValue('domain', 'is no domain name');
    const explanation = await deps.explainRoute(domain, query.pool ?? null);
    return c.json(presentExplanation(explanation), 200);
  });
  router.openapi(gate(remove), async (c) => {
    const route = await deleteRoute(deps, requireId('rte', c.req.valid('param').id));
    return c.json(present(route), 200);
  });
  return router;
}

function present(route: Route): z.infer<typeof RouteSchema> {
  return {
    id: formatId('rte', route.id),
    pattern: route.pattern,
    transport: route.transport as (typeof TRANSPORTS)[number],
    host: route.host,
    port: route.port,
    socket_path: route.socketPath,
    folder: route.folder,
    tls: route.tls as (typeof TLS_MODES)[number] | null,
    implicit_tls: route.implicitTls,
    login:
      route.loginUser === null
        ? null
        : { mechanism: route.loginMechanism as AuthMechanism | null, user: route.loginUser },
    pool: route.pool,
    created_at: route.createdAt.toISOString(),
  };
}
