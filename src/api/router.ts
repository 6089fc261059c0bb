/** api/router — an empty router as every file of routes/ starts with it. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiEnv } from './environment.ts';
import { refuseInvalid } from './validation.ts';

export type ApiRouter = OpenAPIHono<ApiEnv>;

export function createRouter(): ApiRouter {
  return new OpenAPIHono<ApiEnv>({ defaultHook: refuseInvalid });
}
