/** cli/routing — where mail goes as the configuration and the database say it, for whoever sends. */
import { join } from 'node:path';
import type { RoutingSource } from '../campaigns/routing/live.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Config } from '../kernel/config.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import type { MtaOptions } from '../mta/deliver.ts';
import { staticRules } from '../mta/routes.ts';
import { configuredServer } from './dns.ts';
import type { Secrets } from './secret.ts';

export function routingSourceOf(config: Config, sql: Sql, secrets: Secrets): RoutingSource {
  return {
    sql,
    staticRules: staticRules(config.routes),
    secrets: [secrets.secret, ...secrets.previousSecrets],
    mailDir: config.mailDir ?? join(config.dataDir, 'mail'),
  };
}

export function mtaOptions(
  config: Config,
  routing: Pick<MtaOptions, 'routes' | 'pools' | 'ownListeners'>,
  clock: Clock,
  log: Logger,
): MtaOptions {
  const dnsServer = configuredServer(config);
  return {
    ...routing,
    heloName: config.heloName,
    ...(dnsServer === null ? {} : { dnsServer }),
    trustAd: config.dnsTrustAd,
    allowPrivateMx: config.allowPrivateMx,
    smtpPort: config.smtpPort,
    maxConnections: config.maxConnections,
    maxConnectionsPerSite: config.maxConnectionsPerDestination,
    maxMessagesPerConnection: config.maxMessagesPerConnection,
    maxMessagesPerRoundTrip: config.maxMessagesPerRoundTrip,
    maxBytesInFlight: config.maxBytesInFlight,
    connectTimeoutMs: config.connectTimeoutSeconds * 1_000,
    // A host that failed is forgotten before the first retry asks for it, or the retry is none.
    memory: { failureMs: Math.min(60_000, Math.min(...config.retryScheduleSeconds) * 500) },
    now: clock,
    random: Math.random,
    log,
  };
}
