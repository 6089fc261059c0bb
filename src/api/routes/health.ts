/**
 * api/routes/health — for whoever watches the process.
 *
 * /healthz says that the process answers. /readyz says whether it can do its work; a load balancer
 * sends nobody to one that is not ready.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from '@hono/zod-openapi';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { json } from '../schema.ts';

/** Port: answered by main.ts, which knows what runs in this process. */
export interface Readiness {
  database: boolean;
  /** The database has the schema of this version. */
  migrations: boolean;
  bounceListener: boolean;
}

const NOTHING_UP: Readiness = { database: false, migrations: false, bounceListener: false };
const ANSWER_WITHIN_MS = 3_000;

const check = z.enum(['up', 'down']);
const Ready = z
  .object({
    status: z.enum(['ready', 'not_ready']),
    checks: z.object({ database: check, migrations: check, bounce_listener: check }),
  })
  .openapi('Readiness');

const health = endpoint(
  { scope: 'public' },
  {
    method: 'get',
    path: '/healthz',
    tags: ['Health'],
    summary: 'Whether the process answers',
    responses: {
      200: { description: 'It does', content: json(z.object({ status: z.literal('ok') })) },
    },
  },
);

const ready = endpoint(
  { scope: 'public' },
  {
    method: 'get',
    path: '/readyz',
    tags: ['Health'],
    summary: 'Whether it can do its work',
    responses: {
      200: { description: 'Everything is up', content: json(Ready) },
      503: { description: 'Something is down', content: json(Ready) },
    },
  },
);

export function healthRoutes(gate: Gate, readiness: () => Promise<Readiness>): ApiRouter {
  const router = createRouter();
  router.openapi(gate(health), (c) => c.json({ status: 'ok' as const }, 200));
  router.openapi(gate(ready), async (c) => {
    const checks = await answerInTime(readiness);
    const isReady = checks.database && checks.migrations && checks.bounceListener;
    const body = {
      status: isReady ? ('ready' as const) : ('not_ready' as const),
      checks: {
        database: upOrDown(checks.database),
        migrations: upOrDown(checks.migrations),
        bounce_listener: upOrDown(checks.bounceListener),
      },
    };
    return isReady ? c.json(body, 200) : c.json(body, 503);
  });
  return router;
}

function upOrDown(up: boolean): z.infer<typeof check> {
  return up ? 'up' : 'down';
}

/** A check that fails or hangs says the same as one that answers "down". */
async function answerInTime(readiness: () => Promise<Readiness>): Promise<Readiness> {
  const timer = new AbortController();
  const late = sleep(ANSWER_WITHIN_MS, NOTHING_UP, { signal: timer.signal }).catch(
    () => NOTHING_UP,
  );
  try {
    return await Promise.race([readiness(), late]);
  } catch {
    // What failed is said by the check's own owner; here it only means "down".
    return NOTHING_UP;
  } finally {
    timer.abort();
  }
}
