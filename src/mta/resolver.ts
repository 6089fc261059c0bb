/**
 * mta/resolver — where mail for a domain goes: hosts in the order to try them, and their addresses.
 *
 * Promises: MX by preference, random among equals, anew for each call; the domain itself when it has
 *           no MX (RFC 5321 5.1). Answers live as long as their TTL, 60 seconds to one hour; "no" 60
 *           seconds to 5 minutes, and no longer: it is final for a recipient, so he is never refused
 *           for an old one. What strangers write into the DNS does not make us speak to our own
 *           network: addresses that are not public are passed over, unless `allowPrivate`.
 * Fails:    as a value. No such name, or neither MX nor address: `no_such_domain`, permanent. A null
 *           MX (RFC 7505): `null_mx`, permanent. Only ourselves left: `loops_to_self`. Only private
 *           addresses: `private_address`, permanent, and nobody is suppressed for it. No answer, or
 *           MX hosts without addresses: `dns_temporary`, because that is often an accident, and
 *           permanent failures of this kind put people on the suppression list. So is "no such
 *           domain" while nearly all names are said not to exist (name-guard.ts).
 */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { asciiDomain } from '../kernel/address.ts';
import type { Random } from '../kernel/clock.ts';
import type { Logger } from '../kernel/log.ts';
import { createAnswerCache } from './answer-cache.ts';
import type { AnswerCache, Loaded } from './answer-cache.ts';
import type { DnsAnswer, DnsClient } from './dns.ts';
import { createNameGuard } from './name-guard.ts';
import type { NameGuard } from './name-guard.ts';
import type { LocalFailure } from './outcome.ts';
import { isPublic } from './public-address.ts';

export interface MailHost {
  name: string;
  port: number;
  preference: number;
}

/** `secure`: DNSSEC vouches for it (dns.ts says whose word counts). */
export type Route =
  { ok: true; hosts: readonly MailHost[]; secure: boolean } | { ok: false; failure: LocalFailure };
/**
 * IPv4 first: its reputation and PTR are what receivers judge most senders by. `owner`: the name at
 * the end of the host's aliases.
 */
export type Addresses =
  | { ok: true; addresses: readonly string[]; owner: string; secure: boolean }
  | { ok: false; failure: LocalFailure };

export interface Resolver {
  route(domain: string): Promise<Route>;
  /** Of an MX host. */
  addresses(host: string): Promise<Addresses>;
  /** Of a host that the operator has named: as the system sees it, private ones too. */
  systemAddresses(host: string): Promise<Addresses>;
}

export interface ResolverOptions {
  dns: DnsClient;
  smtpPort: number;
  /** Our own names: an MX of that name, and all behind it, would bring the mail back. */
  ownNames: () => readonly string[];
  /** Addresses that are not public count too: loopback, RFC 1918 and the like. */
  allowPrivate: boolean;
  nowMs: () => number;
  random: Random;
  log?: Logger;
}

const MAX_HOSTS = 16;
const MAX_ADDRESSES = 8;
const MAX_DOMAINS = 50_000;
const MAX_HOST_NAMES = 20_000;
const MINUTE_MS = 60_000;
const FAILURE_TTL_MS = 5_000;
const ALARM_EVERY_MS = 60_000;

interface State {
  options: ResolverOptions;
  domains: AnswerCache<Route>;
  hosts: AnswerCache<Addresses>;
  systemHosts: AnswerCache<Addresses>;
  guard: NameGuard;
  /** When it was last said that the DNS server is not believed. */
  alarmedAtMs: number;
}

export function createResolver(options: ResolverOptions): Resolver {
  const state: State = {
    options,
    domains: createAnswerCache(MAX_DOMAINS, options.nowMs),
    hosts: createAnswerCache(MAX_HOST_NAMES, options.nowMs),
    systemHosts: createAnswerCache(MAX_HOST_NAMES, options.nowMs),
    guard: createNameGuard(),
    alarmedAtMs: -Infinity,
  };
  return {
    route: (domain) => findRoute(state, domain),
    addresses: (host) => findAddresses(state, host),
    systemAddresses: (host) => findSystemAddresses(state, host),
  };
}

async function findRoute(state: State, domain: string): Promise<Route> {
  const route = await state.domains.get(domain, async () =>
    doubt(state, domain, await loadRoute(state, domain)),
  );
  if (!route.ok) return route;
  const { random } = state.options;
  const hosts = route.hosts.map((host) => ({ host, among: random() }));
  hosts.sort((a, b) => a.host.preference - b.host.preference || a.among - b.among);
  return { ...route, hosts: hosts.map(({ host }) => host) };
}

/** A DNS server that denies nearly every name is broken; its word must not bounce a whole list. */
function doubt(state: State, domain: string, loaded: Loaded<Route>): Loaded<Route> {
  const { value } = loaded;
  if (!value.ok && value.failure === 'dns_temporary') return loaded;
  const denied = !value.ok && value.failure === 'no_such_domain';
  state.guard.observe(domain, denied);
  if (!denied || !state.guard.isAbsurd()) return loaded;
  alarm(state);
  return failed('dns_temporary', FAILURE_TTL_MS);
}

function alarm(state: State): void {
  const { nowMs, log } = state.options;
  if (nowMs() - state.alarmedAtMs < ALARM_EVERY_MS) return;
  state.alarmedAtMs = nowMs();
  log?.error(
    state.guard.counts(),
    'the DNS server denies nearly every domain: it is not believed, mail waits; check VOLLEY_DNS_SERVER',
  );
}

async function loadRoute(state: State, domain: string): Promise<Loaded<Route>> {
  const answer = await state.options.dns.lookup(domain, 'MX');
  switch (answer.status) {
    case 'temporary':
      return failed('dns_temporary', FAILURE_TTL_MS);
    case 'no_name':
      return failed('no_such_domain', negativeMs(answer.ttlSeconds));
    case 'no_data':
      return implicitRoute(state, domain, answer);
    case 'answer':
      return explicitRoute(state, answer);
  }
}

function failed<T>(
  failure: LocalFailure,
  ttlMs: number,
): Loaded<T | { ok: false; failure: LocalFailure }> {
  const isFailure = failure === 'dns_temporary';
  return { value: { ok: false, failure }, ttlMs, isFailure, staleMs: 0 };
}

async function implicitRoute(
  state: State,
  domain: string,
  noMx: { ttlSeconds: number; secure: boolean },
): Promise<Loaded<Route>> {
  const ttlMs = negativeMs(noMx.ttlSeconds);
  const found = await findAddresses(state, domain);
  if (!found.ok) {
    return failed(found.failure, found.failure === 'dns_temporary' ? FAILURE_TTL_MS : ttlMs);
  }
  const host = { name: domain, port: state.options.smtpPort, preference: 0 };
  const value = { ok: true, hosts: [host], secure: noMx.secure } as const;
  return { value, ttlMs, isFailure: false };
}

function explicitRoute(
  state: State,
  answer: Extract<DnsAnswer, { status: 'answer' }>,
): Loaded<Route> {
  const ttlMs = positiveMs(answer.ttlSeconds);
  const { smtpPort, ownNames } = state.options;
  const all = answer.records.flatMap((record) => (record.type === 'MX' ? [record.data] : []));
  if (all.every(({ exchange }) => exchange === '.' || exchange === '')) {
    return failed('null_mx', ttlMs);
  }
  const hosts: MailHost[] = all.flatMap(({ exchange, preference }) => {
    const name = asciiDomain(exchange);
    return name === null ? [] : [{ name, port: smtpPort, preference: preference ?? 0 }];
  });
  if (hosts.length === 0) return failed('dns_temporary', FAILURE_TTL_MS);
  const own = hosts.filter(({ name }) => ownNames().includes(name));
  const limit = Math.min(...own.map(({ preference }) => preference));
  const others = hosts.filter(({ preference }) => preference < limit);
  if (others.length === 0) return failed('loops_to_self', ttlMs);
  others.sort((a, b) => a.preference - b.preference);
  const value = { ok: true, hosts: others.slice(0, MAX_HOSTS), secure: answer.secure } as const;
  return { value, ttlMs, isFailure: false };
}

async function findAddresses(state: State, host: string): Promise<Addresses> {
  const { dns, allowPrivate } = state.options;
  return state.hosts.get(host, () => loadAddresses(host, dns, allowPrivate));
}

async function loadAddresses(
  host: string,
  dns: DnsClient,
  allowPrivate: boolean,
): Promise<Loaded<Addresses>> {
  const answers = await Promise.all([dns.lookup(host, 'A'), dns.lookup(host, 'AAAA')]);
  const found = answers.filter((answer) => answer.status === 'answer');
  const all = found
    .flatMap(({ records }) => records)
    .flatMap((record) => (record.type === 'A' || record.type === 'AAAA' ? [record.data] : []))
    .filter((address) => isIP(address) !== 0);
  const addresses = all.filter((address) => allowPrivate || isPublic(address));
  if (all.length > 0) {
    const ttlMs = positiveMs(Math.min(...found.map(({ ttlSeconds }) => ttlSeconds)));
    if (addresses.length === 0) return failed('private_address', ttlMs);
    return {
      value: {
        ok: true,
        addresses: addresses.slice(0, MAX_ADDRESSES),
        owner: found[0]?.owner ?? host,
        secure: found.every((answer) => answer.secure),
      },
      ttlMs,
      isFailure: false,
    };
  }
  const none = answers.filter(({ status }) => status === 'no_data' || status === 'no_name');
  if (none.length < answers.length) return failed('dns_temporary', FAILURE_TTL_MS);
  return failed('no_such_domain', MINUTE_MS);
}

async function findSystemAddresses(state: State, host: string): Promise<Addresses> {
  if (isIP(host) !== 0) return bySystem(host, [host]);
  return state.systemHosts.get(host, () => loadSystemAddresses(host));
}

/** Hosts of routes are often names of /etc/hosts or of a container network. */
async function loadSystemAddresses(host: string): Promise<Loaded<Addresses>> {
  try {
    const found = await systemLookup(host, { all: true, order: 'ipv4first' });
    const addresses = found.map(({ address }) => address).slice(0, MAX_ADDRESSES);
    return { value: bySystem(host, addresses), ttlMs: MINUTE_MS, isFailure: false };
  } catch {
    // Whatever it was, the operator's route is meant: the mail waits until it works.
    return failed('dns_temporary', FAILURE_TTL_MS);
  }
}

function bySystem(owner: string, addresses: readonly string[]): Addresses {
  return { ok: true, addresses, owner, secure: false };
}

function positiveMs(ttlSeconds: number): number {
  return Math.min(Math.max(ttlSeconds, 60), 3_600) * 1_000;
}

function negativeMs(ttlSeconds: number): number {
  return Math.min(Math.max(ttlSeconds, 60), 300) * 1_000;
}
