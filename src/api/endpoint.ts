/**
 * api/endpoint — one route: its documentation, and beside the path the scope it asks for.
 *
 * Promises: what the OpenAPI document says of a route (scope, body, Idempotency-Key, errors) is what
 *           the gate enforces, because both are made from the same words here.
 * See:      api/gate.ts.
 */
import { z } from '@hono/zod-openapi';
import type { RouteConfig } from '@hono/zod-openapi';
import { ERROR_CODES } from '../kernel/errors.ts';
import type { ErrorCode } from '../kernel/errors.ts';
import { PROBLEMS } from './problem.ts';
import type { Scope } from './scopes.ts';

export interface Access {
  /** `public` routes ask for no key. */
  scope: Scope | 'public';
  /**
   * json (default): read before the handler, at most 2 MB. stream: handed to the use case as it
   * arrives, takes one of the slots for long requests. form: the handler reads it.
   */
  body?: 'json' | 'stream' | 'form';
  /** Takes an Idempotency-Key. */
  idempotent?: true;
  /** Codes of this route beside those that every route of its kind has. */
  errors?: readonly ErrorCode[];
}

export type EndpointConfig = Omit<RouteConfig, 'path'> & { path: string };

export interface Endpoint<R extends EndpointConfig> {
  access: Access;
  route: R;
}

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(ERROR_CODES),
    request_id: z.string(),
    errors: z
      .array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() }))
      .optional()
      .openapi({ description: '`pointer` is a JSON pointer into the body, or a parameter name' }),
  })
  .loose()
  .openapi('Problem', {
    description: 'A problem document (RFC 9457)',
    example: {
      type: '/problems/not_found',
      title: PROBLEMS.not_found.title,
      status: 404,
      detail: 'no such campaign',
      instance: '/v1/campaigns/cmp_0000000000009',
      code: 'not_found',
      request_id: 'req_4f9Y0b2mQxW7',
    },
  });

const IDEMPOTENCY_PARAMETER = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  required: false,
  schema: { type: 'string' as const, minLength: 1, maxLength: 258 },
  description:
    'Makes a repeated request harmless for 24 hours: the same body gets the first answer again.',
};

/** `config` keeps its type: handlers are checked against the responses it declares. */
export function endpoint<const R extends EndpointConfig>(access: Access, config: R): Endpoint<R> {
  const documented: EndpointConfig = {
    ...config,
    ...(access.scope === 'public' ? { security: [] } : { security: [{ apiKey: [] }] }),
    'x-required-scope': access.scope,
    description: describe(access, config.description),
    ...(access.idempotent ? { parameters: [IDEMPOTENCY_PARAMETER] } : {}),
    responses: { ...problemResponses(errorCodes(access, config)), ...config.responses },
  };
  return { access, route: documented as R };
}

function describe(access: Access, description = ''): string {
  const scope =
    access.scope === 'public' ? 'Needs no key.' : `Needs a key with scope \`${access.scope}\`.`;
  return [description, scope].filter((part) => part !== '').join('\n\n');
}

function errorCodes(access: Access, config: EndpointConfig): ErrorCode[] {
  const codes: ErrorCode[] = [...(access.errors ?? []), 'database_unavailable', 'internal'];
  if (access.scope !== 'public') codes.push('unauthenticated', 'forbidden');
  if (access.idempotent) {
    codes.push('idempotency_key_invalid', 'idempotency_in_progress', 'idempotency_key_reused');
  }
  if (config.request !== undefined) codes.push('invalid_request');
  if (config.request?.params !== undefined) codes.push('not_found');
  if (config.request?.body !== undefined) {
    codes.push('invalid_body', 'unsupported_media_type', 'overloaded');
    if (access.body === 'stream') codes.push('invalid_encoding', 'upload_aborted');
    else codes.push('body_too_large');
    if (access.body === 'json') codes.push('invalid_encoding');
  }
  return codes;
}

function problemResponses(codes: readonly ErrorCode[]): RouteConfig['responses'] {
  const byStatus = Map.groupBy(new Set(codes), (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('\n\n'),
        content: { 'application/problem+json': { schema: Problem } },
      },
    ]),
  );
}
