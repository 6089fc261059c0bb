/**
 * mta/explain — where mail for a domain would go now, and why: for people who ask.
 *
 * Promises: says what dial.ts would do: the rule that wins, the hosts and addresses in order, the
 *           sources, what is known of them. Connects to nobody; shows no secret.
 */
import type { Dialer } from './dial.ts';
import { describeFailure } from './failure.ts';
import type { LocalFailure } from './outcome.ts';
import { nameOfSite } from './places.ts';
import type { Destination } from './places.ts';
import type { FoundRoute } from './routes.ts';
import type { SiteLimits } from './site-state.ts';
import { canReach } from './source.ts';
import type { Source } from './source.ts';
import { formatEndpoint, isLocal, nameOfTarget } from './transport.ts';
import type { Transport, WireTransport } from './transport.ts';

export interface ExplainedHost {
  name: string;
  port: number;
  /** null: the operator has named the host. */
  preference: number | null;
  addresses: readonly { address: string; note: string | null }[];
  /** Why it has none. */
  note: string | null;
}

export interface ExplainedSource {
  id: string;
  address: string | null;
  heloName: string;
  weight: number;
  proxy: string | null;
  /** Not tried before then. */
  droppedUntilMs: number | null;
}

export interface Explanation {
  domain: string;
  /** null: no rule, MX. */
  rule: FoundRoute['rule'];
  transport: Transport['type'];
  /** A host, a socket, a folder; null: the domain's MX hosts. */
  target: string | null;
  tls: string | null;
  loginUser: string | null;
  pool: string | null;
  sources: readonly ExplainedSource[];
  hosts: readonly ExplainedHost[];
  /** Why there is no host at all. */
  failure: { code: LocalFailure; text: string; permanent: boolean } | null;
  limits: {
    /** Domains that share a host share these. */
    maxConnections: number;
    maxMessagesPerConnection: number;
    /** Learned; null: no limit was met. */
    maxRecipients: number | null;
    maxMessages: number | null;
  };
}

export interface ExplainDeps {
  dialer: Dialer;
  limits: SiteLimits;
}

/** `pool`: what would be used. */
export async function explain(
  deps: ExplainDeps,
  domain: string,
  { rule, transport }: FoundRoute,
  pool: string | null,
): Promise<Explanation> {
  const { dialer, limits } = deps;
  const local = isLocal(transport);
  const destination = local
    ? null
    : ({ domain, transport, pool, protection: 'policy' } satisfies Destination);
  const site = destination === null ? domain : nameOfSite(destination);
  const found = local ? { hosts: [], failure: null } : await findHosts(dialer, domain, transport);
  const sources = local || pool === null ? [] : dialer.pools.find(pool);
  return {
    domain,
    rule,
    transport: transport.type,
    target: targetOf(transport),
    tls: tlsOf(dialer, transport),
    loginUser: 'login' in transport ? (transport.login?.user ?? null) : null,
    pool: local ? null : pool,
    sources: sources.map((source) => explainSource(dialer, site, source)),
    hosts: found.hosts.map((host) => ({
      ...host,
      addresses: host.addresses.map((address) => ({
        address,
        note: noteOn(dialer, sources, address, host.port),
      })),
    })),
    failure: found.failure === null ? null : { code: found.failure, ...factsOf(found.failure) },
    limits: {
      maxConnections: limits.maxConnections,
      maxMessagesPerConnection: limits.maxMessagesPerConnection,
      maxRecipients: dialer.memory.maxRecipients(site, dialer.nowMs()),
      maxMessages: dialer.memory.maxMessages(site, dialer.nowMs()),
    },
  };
}

function targetOf(transport: Transport): string | null {
  if (transport.type === 'file') return transport.directory;
  return transport.type === 'discard' ? null : nameOfTarget(transport);
}

function tlsOf(dialer: Dialer, transport: Transport): string | null {
  if (!('tls' in transport)) return null;
  const mode = transport.tls ?? dialer.tls;
  if (!transport.implicitTls) return mode;
  return `${mode === 'verified' ? mode : 'required'}, from the first byte`;
}

function factsOf(failure: LocalFailure): { text: string; permanent: boolean } {
  const { text, permanent } = describeFailure(failure);
  return { text, permanent };
}

interface FoundHosts {
  hosts: (Omit<ExplainedHost, 'addresses'> & { addresses: readonly string[] })[];
  failure: LocalFailure | null;
}

async function findHosts(
  { resolver }: Dialer,
  domain: string,
  { to }: WireTransport,
): Promise<FoundHosts> {
  if (to !== null && 'socketPath' in to) return { hosts: [], failure: null };
  if (to !== null) {
    const found = await resolver.systemAddresses(to.host);
    const addresses = found.ok ? found.addresses : [];
    const note = found.ok ? null : factsOf(found.failure).text;
    return {
      hosts: [{ name: to.host, port: to.port, preference: null, addresses, note }],
      failure: null,
    };
  }
  const route = await resolver.route(domain);
  if (!route.ok) return { hosts: [], failure: route.failure };
  const hosts = route.hosts.map(async ({ name, port, preference }) => {
    const found = await resolver.addresses(name);
    const addresses = found.ok ? found.addresses : [];
    return {
      name,
      port,
      preference,
      addresses,
      note: found.ok ? null : factsOf(found.failure).text,
    };
  });
  return { hosts: await Promise.all(hosts), failure: null };
}

function noteOn(
  dialer: Dialer,
  sources: readonly Source[],
  address: string,
  port: number,
): string | null {
  if (dialer.isOurs(address, port)) return 'we listen there ourselves: a loop';
  const to = { host: address, port };
  const reaching = sources.some((source) => canReach(source, to));
  return sources.length > 0 && !reaching ? 'no source of the pool reaches this family' : null;
}

function explainSource(dialer: Dialer, site: string, source: Source): ExplainedSource {
  const { id, address, heloName, weight, proxy } = source;
  return {
    id,
    address,
    heloName: heloName ?? dialer.heloName,
    weight,
    proxy: proxy === null ? null : `${proxy.type} ${formatEndpoint(proxy)}`,
    droppedUntilMs: dialer.rotation.droppedUntilMs(site, source, dialer.nowMs()),
  };
}
