/**
 * api/app — the HTTP API, put together: what every request passes, and the routes.
 *
 * Promises: every answer has X-Request-Id and the security headers; every error is a problem
 *           document; an unknown path is 404, a known path with another method 405 with `Allow`.
 * Never:    holds a cookie, answers a foreign origin (no CORS), changes anything on GET or HEAD.
 * See:      gate.ts (key, scope, Idempotency-Key, body), routes/ (one file per resource).
 */
import { randomBytes } from 'node:crypto';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import { routePath } from 'hono/route';
import { secureHeaders } from 'hono/secure-headers';
import type { Reception } from '../bounce/reception.ts';
import type { Rulebook } from '../bounce/rulebook.ts';
import { createSuppressions } from '../bounce/suppressions/suppressions.ts';
import type { CampaignDeps } from '../campaigns/deps.ts';
import { createNotices } from '../campaigns/notices.ts';
import { AppError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { createKeyRing } from '../verp/keyring.ts';
import { createAuthenticate } from './auth.ts';
import { createBodyBudget } from './body-budget.ts';
import { docsRoutes } from './docs.ts';
import { createGate } from './gate.ts';
import { documentOf } from './openapi.ts';
import { createErrorHandler, problemResponse } from './problem.ts';
import { BODY_LIMITS } from './request-body.ts';
import type { BodyLimits } from './request-body.ts';
import { createRouter } from './router.ts';
import type { ApiRouter } from './router.ts';
import { alarmRoutes } from './routes/alarms.ts';
import { ambiguityRoutes } from './routes/ambiguity.ts';
import { bounceRoutes } from './routes/bounces.ts';
import { campaignRoutes } from './routes/campaigns.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { inboundRoutes } from './routes/inbound.ts';
import { healthRoutes } from './routes/health.ts';
import type { Readiness } from './routes/health.ts';
import { lifecycleRoutes } from './routes/lifecycle.ts';
import { periodReportRoutes } from './routes/period-reports.ts';
import { providerPauseRoutes } from './routes/provider-pauses.ts';
import { recipientRoutes } from './routes/recipients.ts';
import { reportRoutes } from './routes/reports.ts';
import { senderKeyRoutes } from './routes/sender-keys.ts';
import { senderRoutes } from './routes/senders.ts';
import { suppressionFileRoutes } from './routes/suppression-files.ts';
import { suppressionPersonRoutes } from './routes/suppression-person.ts';
import { suppressionRoutes } from './routes/suppressions.ts';
import { routingRoutes } from './routes/routing.ts';
import type { ExplainRoute } from './routes/routing.ts';
import { sourceRoutes } from './routes/sources.ts';
import { tlsReportRoutes } from './routes/tls-reports.ts';
import { templateRoutes } from './routes/templates.ts';
import { unsubscribeRoutes } from './routes/unsubscribe.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { createSlots } from './slots.ts';
import type { StreamDeps } from './stream-response.ts';

export interface ApiDeps extends CampaignDeps {
  log: Logger;
  /** What takes in messages that come back. */
  reception: Reception;
  /** How replies are classified. */
  rulebook: Rulebook;
  /** Where mail for a domain would go now. */
  explainRoute: ExplainRoute;
  /** Largest message that is taken in. */
  maxInboundBytes: number;
  /** Port: what only the composition root knows of this process. */
  ready: () => Promise<Readiness>;
  /** Uploads, imports and exports at one time; each holds a database connection. */
  maxStreams?: number;
  bodyLimits?: BodyLimits;
  /** Of JSON bodies, over all requests. */
  maxBodyBytesHeld?: number;
  /** How long an export waits for a client that does not read. */
  stallTimeoutMs?: number;
}

const MAX_STREAMS = 4;
const MAX_BODY_BYTES_HELD = 64 * 1024 * 1024;
const STALL_TIMEOUT_MS = 60_000;

export function createApi(deps: ApiDeps): ApiRouter {
  const { sql, clock, log } = deps;
  const suppressions = createSuppressions(deps);
  const keyRing = createKeyRing([deps.secret, ...deps.previousSecrets]);
  const slots = createSlots(deps.maxStreams ?? MAX_STREAMS);
  const streams: StreamDeps = {
    slots,
    log,
    stallTimeoutMs: deps.stallTimeoutMs ?? STALL_TIMEOUT_MS,
  };
  const bodyLimits = deps.bodyLimits ?? BODY_LIMITS;
  const authenticate = createAuthenticate(sql, clock);
  const bodyBudget = createBodyBudget(deps.maxBodyBytesHeld ?? MAX_BODY_BYTES_HELD);
  const gate = createGate({ sql, log, authenticate, slots, bodyLimits, bodyBudget });

  const app = createRouter();
  useHeaders(app);
  useRequestLog(app, log);
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        c.header('Allow', methods.join(', '));
        return problemResponse(c, new AppError('method_not_allowed', `use ${methods.join(', ')}`));
      },
    }),
  );
  app.onError(createErrorHandler(log));
  app.notFound((c) => problemResponse(c, new AppError('not_found', 'no such path')));

  app.route('/', senderRoutes(gate, deps));
  app.route('/', senderKeyRoutes(gate, deps));
  app.route('/', routingRoutes(gate, deps));
  app.route('/', sourceRoutes(gate, deps));
  app.route('/', templateRoutes(gate, deps));
  app.route('/', campaignRoutes(gate, deps));
  app.route('/', lifecycleRoutes(gate, deps));
  app.route('/', ambiguityRoutes(gate, deps));
  app.route('/', recipientRoutes(gate, deps, streams));
  app.route('/', deliveryRoutes(gate, deps));
  app.route('/', reportRoutes(gate, deps));
  app.route('/', periodReportRoutes(gate, deps, streams));
  app.route('/', tlsReportRoutes(gate, deps));
  app.route('/', alarmRoutes(gate, deps));
  app.route('/', providerPauseRoutes(gate, deps));
  app.route('/', webhookRoutes(gate, deps));
  app.route('/', inboundRoutes(gate, deps));
  app.route('/', bounceRoutes(gate, deps));
  app.route('/', suppressionFileRoutes(gate, suppressions, streams));
  app.route('/', suppressionPersonRoutes(gate, suppressions, deps));
  app.route('/', suppressionRoutes(gate, suppressions, clock));
  app.route('/', unsubscribeRoutes(gate, { sql, clock, keyRing, notices: createNotices(deps) }));
  app.route('/', healthRoutes(gate, deps));
  app.route(
    '/',
    docsRoutes(() => documentOf(app)),
  );
  return app;
}

/** At `debug`. The route, not the path: a path can hold an address or an unsubscribe link. */
function useRequestLog(app: ApiRouter, log: Logger): void {
  app.use(async (c, next) => {
    const startedAt = performance.now();
    await next();
    log.debug(
      {
        requestId: c.var.requestId,
        method: c.req.method,
        route: routePath(c, -1),
        status: c.res.status,
        durationMs: Math.round(performance.now() - startedAt),
      },
      'request',
    );
  });
}

function useHeaders(app: ApiRouter): void {
  app.use(
    requestId({
      limitLength: 64,
      generator: () => `req_${randomBytes(12).toString('base64url')}`,
    }),
  );
  app.use(
    secureHeaders({
      // TLS ends in front of us; who ends it knows whether to promise it.
      strictTransportSecurity: false,
      xFrameOptions: 'DENY',
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      overwrite: false,
    }),
  );
  app.use(async (c, next) => {
    await next();
    if (!c.res.headers.has('Cache-Control')) c.res.headers.set('Cache-Control', 'no-store');
  });
}
