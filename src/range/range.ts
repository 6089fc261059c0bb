/**
 * range/range — the practice world: a mail Internet on loopback, with a DNS server, MX hosts that
 * behave like real receivers, reports that come back late, and a ledger of all that was received.
 *
 *     const range = await startRange({ seed: 1 });
 *     // resolver -> range.dnsServer, SMTP port -> range.smtpPort, DSNs -> range.setBounceTarget(…)
 *     await range.idle();
 *     range.ledger.messagesFor('ann@qq.example');
 *     await range.stop();
 *
 * Promises: what happens to an address follows from (seed, profiles, address) and is known before:
 *           `range.expectedFate(address)`. Only loopback is used. After `stop` no socket,
 *           timer or server is left. Two ranges live side by side.
 * Fails:    AppError `config_invalid` (profiles), `port_in_use`.
 * See:      range/behaviour.ts, range/profile.ts, range/default-world.ts, range/recipients.ts.
 */
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { Socket } from 'node:net';
import type { Answer } from 'dns-packet';
import type { Clock } from '../kernel/clock.ts';
import { systemClock } from '../kernel/clock.ts';
import { createResourceStack } from '../kernel/lifecycle.ts';
import { selfSignedCertificate } from '../kernel/certificate.ts';
import { DEFAULT_PROFILES } from './default-world.ts';
import { startDnsServer } from './dns/server.ts';
import { createZone, withRecords } from './dns/zone.ts';
import type { Fate } from './fate.ts';
import { planHosts, servingDomain } from './hosts.ts';
import type { Addressing, Host, HostPlan } from './hosts.ts';
import { LedgerBook } from './ledger.ts';
import type { Ledger } from './ledger.ts';
import { canListen, listenOnAll } from './listeners.ts';
import { COMMON_EXTENSIONS } from './profile.ts';
import type { DomainProfile, Extension, Routing } from './profile.ts';
import { Reception } from './reception.ts';
import { Courier } from './returns/courier.ts';
import type { BounceTarget } from './returns/courier.ts';
import { Connection } from './smtp/connection.ts';
import type { SessionHost } from './smtp/dialogue.ts';
import type { SessionServices } from './smtp/session.ts';
import { createWorld, expectedFate } from './world.ts';
import type { World } from './world.ts';

export interface RangeOptions {
  seed: number;
  /** Default: range/default-world.ts. */
  profiles?: readonly DomainProfile[];
  /** Where late DSNs and complaints go; may be set later. */
  bounceTarget?: BounceTarget;
  now?: Clock;
  log?: (line: string) => void;
  /** all: the ledger keeps the bytes. Default: hash. */
  keepMessages?: 'all' | 'hash';
  /** A return comes so long to twice as long after the acceptance. Default 1,500. */
  lateDsnDelayMs?: number;
  /** Default: none. */
  tls?: 'none' | 'selfsigned';
  /** Default 32 MiB. */
  maxMessageBytes?: number;
  /** How long a greylisted recipient has to wait. Default 1,000. */
  greylistMs?: number;
  /** How long a tarpit holds back a reply. Default 200. */
  tarpitMs?: number;
  /** Silence after which a connection is closed. Default five minutes. */
  idleMs?: number;
  /** Of every DNS answer. Default 30. */
  ttlSeconds?: number;
  /** Beside what the profiles say: policies and the like. */
  records?: readonly Answer[];
  /** Default: `many` where 127.0.0.0/8 is all loopback, else `one`. */
  addressing?: Addressing;
  /** Default 0: any that is free. */
  smtpPort?: number;
  dnsPort?: number;
}

export interface RangeDomain {
  /** May begin with `*.`. */
  domain: string;
  routing: Routing['kind'];
  hosts: { name: string; addresses: string[]; alive: boolean }[];
}

export interface Range {
  /** `127.0.0.1:port`, UDP and TCP. */
  dnsServer: string;
  /** The port of every MX host. */
  smtpPort: number;
  world: World;
  /** What must become of an address; see range/fate.ts. */
  expectedFate(address: string): Fate;
  ledger: Ledger;
  domains: readonly RangeDomain[];
  /** PEM of the certificate that all hosts show; null without TLS. */
  certificate: string | null;
  setBounceTarget(target: BounceTarget | null): void;
  /** Late DSNs and complaints that are not yet delivered or given up. */
  pendingReturns(): number;
  /** Resolves when there are none. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

interface Tls {
  context: SecureContext;
  pem: string;
}

async function choosePlan(world: World, addressing: Addressing | undefined): Promise<HostPlan> {
  const many = addressing ?? ((await canListen('127.1.0.1')) ? 'many' : 'one');
  return planHosts(world, many, await canListen('::1'));
}

function makeTls(plan: HostPlan, now: Date): Tls {
  const names = plan.hosts.map((host) => host.name);
  const { key, cert } = selfSignedCertificate(['mx.range.example', ...names], now);
  return { context: createSecureContext({ key, cert }), pem: cert };
}

function offeredBy(
  extensions: readonly Extension[] | null,
  tls: Tls | null,
): ReadonlySet<Extension> | null {
  if (extensions === null) return null;
  return new Set(extensions.filter((extension) => extension !== 'STARTTLS' || tls !== null));
}

/** Who speaks at an address: a host with its own manners, or one for all. */
function sessionHosts(plan: HostPlan, tls: Tls | null): Map<string, SessionHost> {
  const hosts = new Map<string, SessionHost>();
  if (plan.addressing === 'one') {
    const extensions: readonly Extension[] = [...COMMON_EXTENSIONS, 'CHUNKING'];
    hosts.set('127.0.0.1', {
      name: 'mx.range.example',
      profile: null,
      offered: offeredBy(extensions, tls),
      serves: () => true,
    });
    return hosts;
  }
  for (const host of plan.hosts.filter((item) => item.alive)) {
    const speaker: SessionHost = {
      name: host.name,
      profile: host.owner,
      offered: offeredBy(host.owner.extensions, tls),
      serves: (profile) => servingDomain(profile) === host.owner.domain,
    };
    for (const address of addressesOf(host)) hosts.set(address, speaker);
  }
  return hosts;
}

function addressesOf(host: Host): string[] {
  return [host.ipv4, host.ipv6].filter((address) => address !== null);
}

function listDomains(world: World, plan: HostPlan): RangeDomain[] {
  return world.profiles.map((profile) => ({
    domain: profile.domain,
    routing: profile.routing.kind,
    hosts: plan.hostsOf(profile).map((host) => {
      return { name: host.name, addresses: addressesOf(host), alive: host.alive };
    }),
  }));
}

async function startHosts(
  plan: HostPlan,
  services: SessionServices,
  tls: Tls | null,
  options: { port: number; idleMs: number },
): Promise<{ port: number; close(): Promise<void> }> {
  const hosts = sessionHosts(plan, tls);
  const open = new Set<Connection>();
  function accept(address: string, socket: Socket): void {
    const host = hosts.get(address);
    if (host === undefined) return void socket.destroy();
    const connection = new Connection(socket, host, services, {
      idleMs: options.idleMs,
      readBytesPerSecond: host.profile?.readBytesPerSecond ?? null,
      tls: host.profile?.tls === 'broken' ? 'broken' : (tls?.context ?? null),
    });
    open.add(connection);
    socket.once('close', () => open.delete(connection));
    connection.start();
  }
  const listening = await listenOnAll([...hosts.keys()], options.port, accept);
  return {
    port: listening.port,
    async close() {
      const closed = listening.close();
      for (const connection of open) connection.destroy();
      await closed;
    },
  };
}

export async function startRange(options: RangeOptions): Promise<Range> {
  const now = options.now ?? systemClock;
  const world = createWorld(options.seed, options.profiles ?? DEFAULT_PROFILES);
  const plan = await choosePlan(world, options.addressing);
  const tls = options.tls === 'selfsigned' ? makeTls(plan, now()) : null;
  const ledger = new LedgerBook({ keepMessages: options.keepMessages ?? 'hash' });
  const { greylistMs = 1_000, tarpitMs = 200 } = options;
  const reception = new Reception({ world, greylistMs, tarpitMs });
  const courier = new Courier({
    ledger,
    now,
    seed: options.seed,
    delayMs: options.lateDsnDelayMs ?? 1_500,
    target: options.bounceTarget ?? null,
    log: options.log ?? (() => undefined),
  });
  const maxMessageBytes = options.maxMessageBytes ?? 33_554_432;
  const services = { world, reception, ledger, returns: courier, now, maxMessageBytes };

  const resources = createResourceStack();
  resources.onRelease('courier', () => courier.stop());
  try {
    const own = createZone(world, plan, options.ttlSeconds ?? 30);
    const zone = withRecords(own, options.records ?? []);
    const dns = await startDnsServer(zone, options.dnsPort ?? 0);
    resources.onRelease('dns', () => dns.close());
    const { idleMs = 300_000, smtpPort = 0 } = options;
    const hosts = await startHosts(plan, services, tls, { port: smtpPort, idleMs });
    resources.onRelease('hosts', () => hosts.close());
    return {
      dnsServer: dns.address,
      smtpPort: hosts.port,
      world,
      expectedFate: (address) => expectedFate(world, address),
      ledger,
      domains: listDomains(world, plan),
      certificate: tls?.pem ?? null,
      setBounceTarget: (target) => courier.setTarget(target),
      pendingReturns: () => courier.pending,
      idle: () => courier.idle(),
      stop: () => resources.release(),
    };
  } catch (error) {
    await resources.release();
    throw error;
  }
}
