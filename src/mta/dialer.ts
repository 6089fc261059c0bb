/**
 * mta/dialer — puts together what connections are made with: names, addresses, TLS, what is learned.
 *
 * One for the life of the engine; see dial.ts for what it does.
 */
import { createSecureContext } from 'node:tls';
import { millisecondsOf } from '../kernel/clock.ts';
import type { Clock, Random } from '../kernel/clock.ts';
import type { Logger } from '../kernel/log.ts';
import type { Dialer } from './dial.ts';
import { createDnsClient, systemServers } from './dns.ts';
import type { DnsClient, DnsServer } from './dns.ts';
import { createHostMemory } from './host-memory.ts';
import type { HostMemoryOptions } from './host-memory.ts';
import { isOurs } from './own-address.ts';
import { createResolver } from './resolver.ts';
import type { Resolver } from './resolver.ts';
import { createRotation } from './rotation.ts';
import type { RotationOptions } from './rotation.ts';
import type { TlsMode } from './session.ts';
import { createPools } from './source.ts';
import type { SourcePools } from './source.ts';
import { DEFAULT_TIMEOUTS } from './timeouts.ts';
import type { Timeouts } from './timeouts.ts';
import { createDaneLookup } from './tls/dane.ts';
import { createTlsPolicies } from './tls/policies.ts';
import type { TlsReporter } from './tls/report.ts';
import { fetchPolicy } from './tls/sts-fetch.ts';
import type { StsPolicy } from './tls/sts-policy.ts';
import { createStsPolicies } from './tls/sts.ts';
import type { StsPolicies } from './tls/sts.ts';
import { createTickets } from './tls/tickets.ts';
import type { Endpoint } from './transport.ts';

export interface TlsSetup {
  /** Where neither a route nor a policy says more. `none`: no domain is asked for its policy. */
  mode: TlsMode;
  /** PEM; trusted instead of the system's authorities. */
  ca?: string | readonly string[];
  /** TLSA records are asked for where DNSSEC vouches for the hosts. On unless false. */
  dane?: boolean;
  /** Absent: MTA-STS policies are not asked for. */
  sts?: StsSetup;
  report?: TlsReporter;
}

export interface StsSetup {
  /** Policies of the last run. */
  known: readonly StsPolicy[];
  /** Makes a fetched policy outlast this run. */
  save: (policy: StsPolicy) => Promise<void>;
  /** Of the web servers; 443. */
  port?: number;
}

export interface DialerOptions {
  heloName: string;
  /** Unset: the system's servers. */
  dnsServer?: DnsServer;
  /** Believe the DNSSEC word of a server that is not on this machine. */
  trustAd?: boolean;
  /** MX hosts may have loopback and private addresses. */
  allowPrivateMx?: boolean;
  /** Addresses to send from; unset: the system chooses. */
  pools?: SourcePools;
  rotation?: RotationOptions;
  /** Where we listen ourselves: mail for such a place would come back. */
  ownListeners?: () => readonly Endpoint[];
  /** Port of MX hosts. */
  smtpPort?: number;
  connectTimeoutMs: number;
  timeouts?: Partial<Timeouts>;
  tls?: TlsSetup;
  memory?: HostMemoryOptions;
  now: Clock;
  random: Random;
  log?: Logger;
}

export interface DialerParts {
  dialer: Dialer;
  sts: StsPolicies | null;
}

export function createDialer(options: DialerOptions): DialerParts {
  const { dnsServer, random, heloName, connectTimeoutMs, now, log, tls } = options;
  const nowMs = millisecondsOf(now);
  const pools = options.pools ?? createPools(new Map());
  const ownNames = (): string[] => [heloName.toLowerCase(), ...pools.heloNames()];
  const servers = dnsServer === undefined ? systemServers() : [dnsServer];
  const dns = createDnsClient({ servers, trustAd: options.trustAd ?? false });
  const resolver = createResolver({
    dns,
    smtpPort: options.smtpPort ?? 25,
    ownNames,
    allowPrivate: options.allowPrivateMx ?? false,
    nowMs,
    random,
    ...(log === undefined ? {} : { log }),
  });
  const sts = tls?.mode === 'none' ? null : createSts(options, dns, resolver);
  const dane = tls?.dane === false ? null : createDaneLookup(dns, nowMs);
  const dialer: Dialer = {
    resolver,
    policies: tls?.mode === 'none' ? null : createTlsPolicies({ dane, sts }),
    isOurs: (host, port) => isOurs(options.ownListeners?.() ?? [], host, port),
    memory: createHostMemory(options.memory),
    pools,
    rotation: createRotation(options.rotation),
    log: log ?? null,
    heloName,
    ownNames,
    tls: tls?.mode ?? 'opportunistic',
    tickets: createTickets(),
    reportTls: tls?.report ?? (() => undefined),
    timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
    connectTimeoutMs,
    secureContexts: createSecureContexts(tls?.ca),
    now,
    nowMs,
  };
  return { dialer, sts };
}

function createSts(
  { tls, now, log }: DialerOptions,
  dns: DnsClient,
  resolver: Resolver,
): StsPolicies | null {
  if (tls?.sts === undefined) return null;
  const { known, save, port = 443 } = tls.sts;
  const ca = tls.ca === undefined ? null : [tls.ca].flat();
  return createStsPolicies({
    dns,
    known,
    save,
    now,
    ...(log === undefined ? {} : { log }),
    async fetch(domain, signal) {
      const found = await resolver.addresses(`mta-sts.${domain}`);
      const addresses = found.ok ? found.addresses : [];
      return fetchPolicy(domain, { addresses, port, ca, signal });
    },
  });
}

function createSecureContexts(ca?: string | readonly string[]): Dialer['secureContexts'] {
  const trust = ca === undefined ? {} : { ca: [ca].flat() };
  return {
    // Old versions and ciphers too: the other choice is clear text (RFC 7435).
    lenient: createSecureContext({
      ...trust,
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    }),
    strict: createSecureContext(trust),
  };
}
