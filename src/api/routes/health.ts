/**
 * api/routes/health — for whoever watches the process.
 *
 * /healthz says that the process answers. /readyz says whether it can do its work; a load balancer
 * sends nobody to one that is not ready.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from '@hono/zod-openapi';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { isDatabaseAway } from '../database-away.ts';
import { endpoint } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { json } from '../schema.ts';
import { countMigrations } from '../store.ts';

/** Port: answered by the composition root, which knows what runs in this process. */
export interface Readiness {
  bounceListener: boolean;
  /** How many migrations this version has; the database must have seen them all. */
  migrations: number;
}

export interface HealthDeps {
  sql: Sql;
  ready: () => Promise<Readiness>;
}

interface Checks {
  database: boolean;
  migrations: boolean;
  bounceListener: boolean;
}

const NOTHING_UP: Checks = { database: false, migrations: false, bounceListener: false };
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

export function healthRoutes(gate: Gate, deps: HealthDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(health), (c) => c.json({ status: 'ok' as const }, 200));
  router.openapi(gate(ready), async (c) => {
    const checks = await answerInTime(runChecks(deps));
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

async function runChecks(deps: HealthDeps): Promise<Checks> {
  const { bounceListener, migrations } = await deps.ready();
  try {
    const applied = await countMigrations(deps.sql);
    return { database: true, migrations: applied >= migrations, bounceListener };
  } catch (error) {
    return { database: !isDatabaseAway(error), migrations: false, bounceListener };
  }
}

/** A check that hangs says the same as one that answers "down". */
async function answerInTime(checks: Promise<Checks>): Promise<Checks> {
  const timer = new AbortController();
  const late = sleep(ANSWER_WITHIN_MS, NOTHING_UP, { signal: timer.signal });
  late.catch(() => undefined);
  try {
    return await Promise.race([checks, late]);
  } finally {
    timer.abort();
  }
}
