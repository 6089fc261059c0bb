/**
 * api/environment — what a request carries from the middleware to its handler, and what the API is
 * given at composition.
 */
import type { HttpBindings } from '@hono/node-server';
import type { RequestBody } from './request-body.ts';
import type { Scope } from './scopes.ts';

/** Who calls: set by the gate on every route that needs a key. */
export interface Caller {
  keyId: bigint;
  scopes: readonly Scope[];
}

export interface ApiEnv {
  /** The socket below, when there is one (not in `app.request`). */
  Bindings: Partial<HttpBindings>;
  Variables: {
    requestId: string;
    caller: Caller;
    /** The bytes of the request, to be read once. */
    body: RequestBody;
  };
}
