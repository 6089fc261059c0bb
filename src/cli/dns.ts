/** cli/dns — a DNS client as the configuration wants it, for what asks beside the mta. */
import type { CampaignDeps } from '../campaigns/deps.ts';
import type { Config } from '../kernel/config.ts';
import { createDnsClient, systemServers } from '../mta/dns.ts';
import type { DnsClient, DnsServer } from '../mta/dns.ts';
import { lookupTxt } from '../mta/txt.ts';

/** The server of VOLLEY_DNS_SERVER, or null: the system's. */
export function configuredServer(config: Config): DnsServer | null {
  const [host, port] = (config.dnsServer ?? '').split(':');
  return host === undefined || host === '' ? null : { host, port: Number(port) };
}

export function dnsClientOf(config: Config): DnsClient {
  const server = configuredServer(config);
  return createDnsClient({ servers: server === null ? systemServers() : [server] });
}

export function txtLookupOf(config: Config): NonNullable<CampaignDeps['lookupTxt']> {
  const dns = dnsClientOf(config);
  return (name) => lookupTxt(dns, name);
}
