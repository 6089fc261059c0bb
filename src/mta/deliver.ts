/**
 * mta/deliver — the sending engine: takes delivery requests, gives outcomes.
 *
 * It knows routes, sites, connections and SMTP; no database, no configuration, no campaign.
 *
 * Promises: see transaction.ts (Mta, DeliveryRequest). One site per destination domain, or per smart
 *           host, so that the requests of several campaigns share its connections; one pool of
 *           connections over all sites; what is learned about hosts outlives both. A changed route
 *           takes effect at the next message: nothing more is pulled for the old one.
 * Fails:    never rejects; failures are outcomes.
 * Measured: (2 cores shared with the receiver, 10 KB a message) `npm run bench -- smtp-client --dkim
 *           none`: 18,900 messages/s, 39 us of CPU each; `--dkim ed25519`: 6,100; `--dkim rsa`: 1,900,
 *           which keeps both cores busy. `npm run bench -- sessions`: 2,000 sessions to receivers that
 *           take 10 s a message: 200 messages/s, the whole engine in 356 MB.
 * See:      routes.ts (where mail goes), site.ts (connections), session.ts (the conversation).
 */
import { millisecondsOf } from '../kernel/clock.ts';
import { createByteBudget } from './byte-budget.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Dialer } from './dial.ts';
import { createDialer } from './dialer.ts';
import type { DialerOptions } from './dialer.ts';
import { explain } from './explain.ts';
import type { Explanation } from './explain.ts';
import { createLeg } from './leg.ts';
import { deliverLocally } from './local.ts';
import type { LocalDeps } from './local.ts';
import { createMaildirs } from './maildir.ts';
import { nameOfSite, NOWHERE } from './places.ts';
import type { Destination } from './places.ts';
import { createPool } from './pool.ts';
import { createRequest, failRequest } from './request.ts';
import type { RequestState } from './request.ts';
import type { FoundRoute, Routes } from './routes.ts';
import { createSite, describeSite } from './site-state.ts';
import type { Site, SiteDeps, SiteIdentity, SiteSnapshot } from './site-state.ts';
import { addRequest, closeIdle } from './site.ts';
import { DEFAULT_POOL } from './source.ts';
import type { DeliveryRequest, Mta, SiteFailure } from './transaction.ts';
import { isLocal } from './transport.ts';
import type { LocalTransport } from './transport.ts';

export interface MtaOptions extends DialerOptions {
  /** Asked for every request, so a new route takes effect at once. */
  routes: Routes;
  maxConnections: number;
  maxConnectionsPerSite: number;
  maxMessagesPerConnection: number;
  /** On one connection before the first is answered (train.ts); 1 when absent. */
  maxMessagesPerRoundTrip?: number;
  /** Of messages in memory at one time; no limit when absent. */
  maxBytesInFlight?: number;
  maxConnectionAgeMs?: number;
  idleMs?: number;
}

const MAX_AGE_MS = 300_000;
const IDLE_MS = 5_000;

interface State {
  budget: ByteBudget;
  sites: Map<string, Site>;
  deps: SiteDeps;
  local: LocalDeps;
  /** Requests on transports without a connection. */
  localRuns: number;
  closing: (() => void) | null;
  closed: Promise<void> | null;
}

export interface MtaEngine extends Mta {
  /** Sites that have requests or connections now. */
  sites(): SiteSnapshot[];
  /** Where mail for a domain would go now; `pool` is its sender's. */
  explain(domain: string, pool?: string | null): Promise<Explanation>;
  /** Begins to fetch MTA-STS policies again that are older than a day. */
  refreshPolicies(): void;
}

export function createMta(options: MtaOptions): MtaEngine {
  const nowMs = millisecondsOf(options.now);
  const pool = createPool(options.maxConnections);
  const { dialer, sts } = createDialer(options);
  const state: State = {
    budget: createByteBudget(options.maxBytesInFlight ?? Infinity),
    sites: new Map(),
    closing: null,
    closed: null,
    localRuns: 0,
    local: {
      maildirs: createMaildirs(options.now),
      now: options.now,
      log: options.log ?? null,
    },
    deps: {
      dialer,
      pool,
      limits: {
        maxConnections: options.maxConnectionsPerSite,
        maxMessagesPerConnection: options.maxMessagesPerConnection,
        maxMessagesPerRoundTrip: options.maxMessagesPerRoundTrip ?? 1,
        maxAgeMs: options.maxConnectionAgeMs ?? MAX_AGE_MS,
        idleMs: options.idleMs ?? IDLE_MS,
      },
      random: options.random,
      nowMs,
      isClosing: () => state.closed !== null,
      fairShare: () => Math.max(1, Math.floor(options.maxConnections / state.sites.size)),
      onEmpty: (site) => onEmpty(state, site),
    },
  };
  return {
    deliver: (request) => deliver(state, options, request),
    openConnections: () => pool.open(),
    // Last: a message on its way may still need a policy.
    close: () => close(state).then(() => sts?.close()),
    sites: () => [...state.sites.values()].map(describeSite),
    refreshPolicies: () => void sts?.refresh(),
    explain(domain, pool = null) {
      const route = options.routes.find(domain);
      return explain(state.deps, domain, route, choosePool(state.deps.dialer, route, pool));
    },
  };
}

async function deliver(state: State, options: MtaOptions, source: DeliveryRequest): Promise<void> {
  const { routes } = options;
  for (let again = true; again;) {
    const route = routes.find(source.domain);
    const leg = createLeg(source, () => isSame(routes.find(source.domain), route));
    await deliverLeg(state, options, leg.source, route);
    again = leg.isCut();
  }
}

function isSame(a: FoundRoute, b: FoundRoute): boolean {
  return a.rule?.id === b.rule?.id && a.rule?.pattern === b.rule?.pattern;
}

function deliverLeg(
  state: State,
  options: MtaOptions,
  source: DeliveryRequest,
  route: FoundRoute,
): Promise<void> {
  return new Promise((resolve) => {
    const { transport } = route;
    const request = createRequest(source, options.log ?? null, state.budget, resolve);
    if (state.closed !== null) {
      failRequest(request, brokenOff(options.now()));
      resolve();
      return;
    }
    if (isLocal(transport)) {
      void runLocally(state, request, transport).then(resolve);
      return;
    }
    const identity = identify(route, {
      domain: source.domain,
      transport,
      pool: choosePool(state.deps.dialer, route, source.pool),
      protection: source.protection ?? 'policy',
    });
    let site = state.sites.get(identity.key);
    if (site === undefined) {
      site = createSite(identity, state.deps);
      state.sites.set(identity.key, site);
    }
    addRequest(site, request);
  });
}

async function runLocally(
  state: State,
  request: RequestState,
  transport: LocalTransport,
): Promise<void> {
  state.localRuns += 1;
  await deliverLocally(state.local, request, transport);
  state.localRuns -= 1;
  closeWhenEmpty(state);
}

function brokenOff(now: Date): SiteFailure {
  return {
    ...NOWHERE,
    tls: null,
    result: 'deferred',
    stage: 'connect',
    reply: null,
    failure: 'aborted',
    startedAt: now,
    durationMs: 0,
  };
}

/** Requests whose mail may travel on one connection have one key. */
function identify({ rule }: FoundRoute, destination: Destination): SiteIdentity {
  const { pool, protection } = destination;
  const name = nameOfSite(destination);
  const key = [name, rule?.id ?? '', rule?.pattern ?? '', pool ?? '', protection].join(' ');
  return { key, name, destination };
}

/** The route's pool, else the sender's, else the default one when it has sources. */
function choosePool(
  { pools }: Dialer,
  route: FoundRoute,
  ofSender: string | null | undefined,
): string | null {
  const named = route.pool ?? ofSender ?? null;
  return named === null && pools.find(DEFAULT_POOL).length > 0 ? DEFAULT_POOL : named;
}

function onEmpty(state: State, site: Site): void {
  if (state.sites.get(site.key) === site) state.sites.delete(site.key);
  closeWhenEmpty(state);
}

function closeWhenEmpty(state: State): void {
  if (state.sites.size === 0 && state.localRuns === 0) state.closing?.();
}

function close(state: State): Promise<void> {
  state.closed ??= new Promise((resolve) => {
    state.closing = resolve;
    closeWhenEmpty(state);
  });
  for (const site of [...state.sites.values()]) closeIdle(site);
  return state.closed;
}
