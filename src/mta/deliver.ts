/**
 * mta/deliver — the sending engine: takes delivery requests, gives outcomes.
 *
 * It knows sites, connections and SMTP; no database, no configuration, no campaign.
 *
 * Promises: see transaction.ts (Mta, DeliveryRequest). One site per destination domain, so that the
 *           requests of several campaigns share its connections; one pool of connections over all
 *           sites; what is learned about hosts outlives both.
 * Fails:    never rejects; failures are outcomes.
 * Measured: (2 cores shared with the receiver and others, 20 connections, 10 KB, `bench/mta.ts`)
 *           17,000-32,000 messages/s unsigned, 35-45 us of CPU each; 6,500 with Ed25519; 2,500-5,000
 *           with RSA-2048, which keeps both cores busy; one copy for 50 recipients: 170,000-300,000
 *           recipients/s. 2,000 sessions to receivers that take 10 s: 197 messages/s in 250 MB.
 * See:      site.ts (connections of one domain), session.ts (the conversation), resolver.ts (MX).
 */
import { getServers } from 'node:dns';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { Clock, Random } from '../kernel/clock.ts';
import type { Logger } from '../kernel/log.ts';
import type { Dialer } from './dial.ts';
import { createDnsClient } from './dns.ts';
import type { DnsServer } from './dns.ts';
import { createHostMemory } from './host-memory.ts';
import type { HostMemoryOptions } from './host-memory.ts';
import { createPool } from './pool.ts';
import { createRequest, failRequest } from './request.ts';
import { createResolver } from './resolver.ts';
import { createSite, describeSite } from './site-state.ts';
import type { Site, SiteDeps, SiteSnapshot } from './site-state.ts';
import { addRequest, closeIdle } from './site.ts';
import type { TlsMode } from './session.ts';
import { DEFAULT_TIMEOUTS } from './timeouts.ts';
import type { Timeouts } from './timeouts.ts';
import type { DeliveryRequest, Mta } from './transaction.ts';

export interface MtaOptions {
  heloName: string;
  /** Unset: the system's servers. */
  dnsServer?: DnsServer;
  /** `domain` or `*` -> `host:port`. */
  routes: Readonly<Record<string, string>>;
  /** Port of MX hosts. */
  smtpPort?: number;
  maxConnections: number;
  maxConnectionsPerSite: number;
  maxMessagesPerConnection: number;
  connectTimeoutMs: number;
  maxConnectionAgeMs?: number;
  idleMs?: number;
  timeouts?: Partial<Timeouts>;
  /** `ca`: trusted for mode `verified`, instead of the system's authorities. */
  tls?: { mode: TlsMode; ca?: string | readonly string[] };
  memory?: HostMemoryOptions;
  now: Clock;
  random: Random;
  log?: Logger;
}

const MAX_AGE_MS = 300_000;
const IDLE_MS = 5_000;

interface State {
  sites: Map<string, Site>;
  deps: SiteDeps;
  closing: (() => void) | null;
  closed: Promise<void> | null;
}

export interface MtaEngine extends Mta {
  /** Sites that have requests or connections now. */
  sites(): SiteSnapshot[];
}

export function createMta(options: MtaOptions): MtaEngine {
  const nowMs = (): number => options.now().getTime();
  const pool = createPool(options.maxConnections);
  const state: State = {
    sites: new Map(),
    closing: null,
    closed: null,
    deps: {
      dialer: createDialer(options, nowMs),
      pool,
      limits: {
        maxConnections: options.maxConnectionsPerSite,
        maxMessagesPerConnection: options.maxMessagesPerConnection,
        maxAgeMs: options.maxConnectionAgeMs ?? MAX_AGE_MS,
        idleMs: options.idleMs ?? IDLE_MS,
      },
      random: options.random,
      nowMs,
      isClosing: () => state.closed !== null,
      onEmpty: (site) => onEmpty(state, site),
    },
  };
  return {
    deliver: (request) => deliver(state, options, request),
    openConnections: () => pool.open(),
    close: () => close(state),
    sites: () => [...state.sites.values()].map(describeSite),
  };
}

function createDialer(options: MtaOptions, nowMs: () => number): Dialer {
  const { dnsServer, routes, random, heloName, connectTimeoutMs, now } = options;
  const servers = dnsServer === undefined ? getServers().map(parseServer) : [dnsServer];
  return {
    resolver: createResolver({
      dns: createDnsClient({ servers }),
      routes,
      smtpPort: options.smtpPort ?? 25,
      ownNames: [heloName.toLowerCase()],
      nowMs,
      random,
    }),
    memory: createHostMemory(options.memory),
    heloName,
    tls: options.tls?.mode ?? 'opportunistic',
    timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
    connectTimeoutMs,
    secureContext: contextFor(options.tls),
    now,
  };
}

function contextFor(tls: MtaOptions['tls']): SecureContext {
  if (tls?.mode === 'required' || tls?.mode === 'verified') {
    return createSecureContext(tls.ca === undefined ? {} : { ca: [tls.ca].flat() });
  }
  // Old versions and ciphers too: the other choice is clear text (RFC 7435).
  return createSecureContext({ minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' });
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`. */
function parseServer(text: string): DnsServer {
  const found = /^\[(.+)\]:(\d+)$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text);
  return { host: found?.[1] ?? text, port: Number(found?.[2] ?? 53) };
}

function deliver(state: State, options: MtaOptions, source: DeliveryRequest): Promise<void> {
  return new Promise((resolve) => {
    const request = createRequest(source, options.log ?? null, resolve);
    if (state.closed !== null) {
      const startedAt = options.now();
      failRequest(request, {
        mxHost: null,
        mxAddress: null,
        tls: null,
        result: 'deferred',
        stage: 'connect',
        reply: null,
        failure: 'aborted',
        startedAt,
        durationMs: 0,
      });
      resolve();
      return;
    }
    let site = state.sites.get(source.domain);
    if (site === undefined) {
      site = createSite(source.domain, state.deps);
      state.sites.set(source.domain, site);
    }
    addRequest(site, request);
  });
}

function onEmpty(state: State, site: Site): void {
  if (state.sites.get(site.domain) === site) state.sites.delete(site.domain);
  if (state.sites.size === 0) state.closing?.();
}

function close(state: State): Promise<void> {
  state.closed ??= new Promise((resolve) => {
    state.closing = resolve;
    if (state.sites.size === 0) resolve();
  });
  for (const site of [...state.sites.values()]) closeIdle(site);
  return state.closed;
}
