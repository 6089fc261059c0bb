/**
 * api/gate — what every request passes before its handler: key, scope, slot, Idempotency-Key, body.
 *
 * Promises: no handler of `endpoint` runs without this; the order is the list in `gate` below. A
 *           stranger is refused before a byte of his body is read.
 * Fails:    with the codes of auth, slots, idempotency and json-body; `forbidden`.
 */
import type { MiddlewareHandler } from 'hono';
import type { Authenticate } from './auth.ts';
import type { BodyBudget } from './body-budget.ts';
import type { Endpoint, EndpointConfig } from './endpoint.ts';
import type { ApiEnv } from './environment.ts';
import { idempotency } from './idempotency.ts';
import type { IdempotencyDeps } from './idempotency.ts';
import { MAX_JSON_BYTES, readJsonText, refuseOtherEncodings } from './json-body.ts';
import { createRequestBody } from './request-body.ts';
import type { BodyLimits } from './request-body.ts';
import { allows } from './scopes.ts';
import type { Scope } from './scopes.ts';
import type { Slots } from './slots.ts';
import { AppError } from '../kernel/errors.ts';

export interface GateDeps extends IdempotencyDeps {
  authenticate: Authenticate;
  slots: Slots;
  bodyLimits: BodyLimits;
  bodyBudget: BodyBudget;
}

type Middleware = MiddlewareHandler<ApiEnv>;
/** The route with its guards, for `app.openapi`. */
export type Gate = <R extends EndpointConfig>(endpoint: Endpoint<R>) => R;

export function createGate(deps: GateDeps): Gate {
  return ({ access, route }) => {
    const streams = access.body === 'stream';
    const middleware: Middleware[] = [];
    if (access.scope !== 'public') middleware.push(requireScope(deps, access.scope));
    if (streams) middleware.push(takeSlot(deps.slots));
    // A GET has no body to bind; reading one would only keep the connection busy.
    if (route.method === 'get') return { ...route, middleware };
    middleware.push(bindBody(deps));
    if (access.idempotent) {
      middleware.push(idempotency(deps, streams ? Number.POSITIVE_INFINITY : MAX_JSON_BYTES));
    }
    if ((access.body ?? 'json') === 'json') middleware.push(readJson);
    return { ...route, middleware };
  };
}

function requireScope(deps: GateDeps, scope: Scope): Middleware {
  return async (c, next) => {
    const caller = await deps.authenticate(c.req.header('Authorization'));
    if (!allows(caller.scopes, scope)) {
      throw new AppError('forbidden', `this needs a key with scope ${scope}`, {
        extra: { required_scope: scope },
      });
    }
    c.set('caller', caller);
    await next();
  };
}

function takeSlot(slots: Slots): Middleware {
  return async (_c, next) => {
    const release = slots.take();
    try {
      await next();
    } finally {
      release();
    }
  };
}

function bindBody({ bodyBudget, bodyLimits }: GateDeps): Middleware {
  return async (c, next) => {
    const body = createRequestBody(c.req.raw.body, bodyBudget, bodyLimits);
    c.set('body', body);
    try {
      await next();
    } finally {
      body.release();
    }
  };
}

/** Puts the checked text where the validators of zod-openapi look for it. */
const readJson: Middleware = async (c, next) => {
  refuseOtherEncodings(c.req.header('Content-Type'), c.req.header('Content-Encoding'));
  const text = await readJsonText(c.var.body);
  (c.req.bodyCache as unknown as { text?: Promise<string> }).text = Promise.resolve(text);
  await next();
};
