/**
 * mta/resolver — where mail for a domain goes: hosts in the order to try them, and their addresses.
 *
 * Promises: a static route comes before the DNS (`domain`, then `*`). MX by preference, random among
 *           equals, anew for each call; the domain itself when it has no MX (RFC 5321 5.1). Answers
 *           live as long as their TTL, 60 seconds to one hour; "no" 60 seconds to 5 minutes.
 * Fails:    as a value. No such name, or neither MX nor address: `no_such_domain`, permanent. A null
 *           MX (RFC 7505): `null_mx`, permanent. Only ourselves left: `loops_to_self`. No answer, or
 *           MX hosts without addresses: `dns_temporary`, because that is often an accident, and
 *           permanent failures of this kind put people on the suppression list.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { asciiDomain } from '../kernel/address.ts';
import type { Random } from '../kernel/clock.ts';
import { createAnswerCache } from './answer-cache.ts';
import type { AnswerCache, Loaded } from './answer-cache.ts';
import type { DnsAnswer, DnsClient } from './dns.ts';
import type { LocalFailure } from './outcome.ts';

export interface MailHost {
  name: string;
  port: number;
  preference: number;
}

export type Route = { ok: true; hosts: readonly MailHost[] } | { ok: false; failure: LocalFailure };
/** IPv4 first: its reputation and PTR are what receivers judge most senders by. */
export type Addresses =
  { ok: true; addresses: readonly string[] } | { ok: false; failure: LocalFailure };

export interface Resolver {
  route(domain: string): Promise<Route>;
  addresses(host: string): Promise<Addresses>;
}

export interface ResolverOptions {
  dns: DnsClient;
  /** `host:port` or `[v6]:port` by domain; `*` for all the others. */
  routes: Readonly<Record<string, string>>;
  smtpPort: number;
  /** Our own names: an MX of that name, and all behind it, would bring the mail back. */
  ownNames: readonly string[];
  nowMs: () => number;
  random: Random;
}

const MAX_HOSTS = 16;
const MAX_ADDRESSES = 8;
const MAX_DOMAINS = 50_000;
const MAX_HOST_NAMES = 20_000;
const MINUTE_MS = 60_000;
const FAILURE_TTL_MS = 5_000;

interface State {
  options: ResolverOptions;
  /** Names that static routes point to. */
  systemNames: ReadonlySet<string>;
  domains: AnswerCache<Route>;
  hosts: AnswerCache<Addresses>;
}

export function createResolver(options: ResolverOptions): Resolver {
  const state: State = {
    options,
    systemNames: new Set(Object.values(options.routes).map((text) => parseRoute(text).name)),
    domains: createAnswerCache(MAX_DOMAINS, options.nowMs),
    hosts: createAnswerCache(MAX_HOST_NAMES, options.nowMs),
  };
  return {
    route: (domain) => findRoute(state, domain),
    addresses: (host) => findAddresses(state, host),
  };
}

async function findRoute(state: State, domain: string): Promise<Route> {
  const fixed = state.options.routes[domain] ?? state.options.routes['*'];
  if (fixed !== undefined) return { ok: true, hosts: [parseRoute(fixed)] };
  const route = await state.domains.get(domain, () => loadRoute(state, domain));
  if (!route.ok) return route;
  const { random } = state.options;
  const hosts = route.hosts.map((host) => ({ host, among: random() }));
  hosts.sort((a, b) => a.host.preference - b.host.preference || a.among - b.among);
  return { ok: true, hosts: hosts.map(({ host }) => host) };
}

/** The configuration has checked the form. */
function parseRoute(text: string): MailHost {
  const at = text.lastIndexOf(':');
  const name = text.slice(0, at).replace(/^\[|\]$/g, '');
  return { name, port: Number(text.slice(at + 1)), preference: 0 };
}

async function loadRoute(state: State, domain: string): Promise<Loaded<Route>> {
  const answer = await state.options.dns.lookup(domain, 'MX');
  switch (answer.status) {
    case 'temporary':
      return failed('dns_temporary', FAILURE_TTL_MS);
    case 'no_name':
      return failed('no_such_domain', negativeMs(answer.ttlSeconds));
    case 'no_data':
      return implicitRoute(state, domain, negativeMs(answer.ttlSeconds));
    case 'answer':
      return explicitRoute(state, answer);
  }
}

function failed<T>(
  failure: LocalFailure,
  ttlMs: number,
): Loaded<T | { ok: false; failure: LocalFailure }> {
  return { value: { ok: false, failure }, ttlMs, isFailure: failure === 'dns_temporary' };
}

async function implicitRoute(state: State, domain: string, ttlMs: number): Promise<Loaded<Route>> {
  const found = await findAddresses(state, domain);
  if (!found.ok) {
    return failed(found.failure, found.failure === 'dns_temporary' ? FAILURE_TTL_MS : ttlMs);
  }
  const host = { name: domain, port: state.options.smtpPort, preference: 0 };
  return { value: { ok: true, hosts: [host] }, ttlMs, isFailure: false };
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
  const own = hosts.filter(({ name }) => ownNames.includes(name));
  const limit = Math.min(...own.map(({ preference }) => preference));
  const others = hosts.filter(({ preference }) => preference < limit);
  if (others.length === 0) return failed('loops_to_self', ttlMs);
  others.sort((a, b) => a.preference - b.preference);
  return { value: { ok: true, hosts: others.slice(0, MAX_HOSTS) }, ttlMs, isFailure: false };
}

async function findAddresses(state: State, host: string): Promise<Addresses> {
  if (isIP(host) !== 0) return { ok: true, addresses: [host] };
  const load = state.systemNames.has(host) ? loadSystemAddresses : loadAddresses;
  return state.hosts.get(host, () => load(host, state.options.dns));
}

async function loadAddresses(host: string, dns: DnsClient): Promise<Loaded<Addresses>> {
  const answers = await Promise.all([dns.lookup(host, 'A'), dns.lookup(host, 'AAAA')]);
  const found = answers.filter((answer) => answer.status === 'answer');
  const addresses = found
    .flatMap(({ records }) => records)
    .flatMap((record) => (record.type === 'A' || record.type === 'AAAA' ? [record.data] : []))
    .filter((address) => isIP(address) !== 0)
    .slice(0, MAX_ADDRESSES);
  if (addresses.length > 0) {
    const ttlMs = positiveMs(Math.min(...found.map(({ ttlSeconds }) => ttlSeconds)));
    return { value: { ok: true, addresses }, ttlMs, isFailure: false };
  }
  const none = answers.filter(({ status }) => status === 'no_data' || status === 'no_name');
  if (none.length < answers.length) return failed('dns_temporary', FAILURE_TTL_MS);
  return failed('no_such_domain', MINUTE_MS);
}

/** Hosts of static routes are often names of /etc/hosts or of a container network. */
async function loadSystemAddresses(host: string): Promise<Loaded<Addresses>> {
  try {
    const found = await systemLookup(host, { all: true, order: 'ipv4first' });
    const addresses = found.map(({ address }) => address).slice(0, MAX_ADDRESSES);
    return { value: { ok: true, addresses }, ttlMs: MINUTE_MS, isFailure: false };
  } catch {
    // Whatever it was, the operator's route is meant: the mail waits until it works.
    return failed('dns_temporary', FAILURE_TTL_MS);
  }
}

function positiveMs(ttlSeconds: number): number {
  return Math.min(Math.max(ttlSeconds, 60), 3_600) * 1_000;
}

function negativeMs(ttlSeconds: number): number {
  return Math.min(Math.max(ttlSeconds, 60), 300) * 1_000;
}
