/**
 * cli/engine — the composition root: every part of a running Volley, wired by hand.
 *
 * Promises: parts start in the order of their needs and stop backwards. A failure while starting
 *           stops what was started. `stop` first closes intake (API, bounce listener), then lets the
 *           messages on the wire end and records them.
 * Never:    reads the environment, prints, exits. `serve`, `demo` and the scenario tests call it.
 * See:      DESIGN.md "The way of one message".
 */
import { createApi } from '../api/app.ts';
import { startApi } from '../api/server.ts';
import { SOFT_LIMITS } from '../bounce/policy.ts';
import { startWatch } from '../bounce/watch/keeper.ts';
import type { WatchDeps } from '../bounce/watch/keeper.ts';
import { openRulebook } from '../bounce/rulebook.ts';
import { startAlarms } from '../campaigns/alarms/keeper.ts';
import type { CampaignDeps } from '../campaigns/deps.ts';
import { createConverter } from '../campaigns/templates/converter.ts';
import { createNotices } from '../campaigns/notices.ts';
import { loadLetters } from '../campaigns/notices/letters.ts';
import { watchRouting } from '../campaigns/routing/live.ts';
import { createMessageSource } from '../campaigns/source.ts';
import { startWebhooks } from '../campaigns/webhooks/sender.ts';
import { systemClock } from '../kernel/clock.ts';
import type { Clock } from '../kernel/clock.ts';
import { CHANNELS } from '../kernel/events.ts';
import type { Config } from '../kernel/config.ts';
import { createResourceStack } from '../kernel/lifecycle.ts';
import type { ResourceStack } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { migrationCount } from '../kernel/postgres/migrate.ts';
import { createMta } from '../mta/deliver.ts';
import type { MtaEngine } from '../mta/deliver.ts';
import type { Mta } from '../mta/transaction.ts';
import type { Endpoint } from '../mta/transport.ts';
import { CHUNK_SIZE } from '../scheduler/expand/expand.ts';
import { startJobs } from '../scheduler/jobs/jobs.ts';
import { startScheduler } from '../scheduler/scheduler.ts';
import type { Database } from './database.ts';
import { txtLookupOf } from './dns.ts';
import { startHousekeeping } from './housekeeping.ts';
import { startCounting, startReporting } from './reporting.ts';
import { startReturns } from './returns.ts';
import { mtaOptions, routingSourceOf } from './routing.ts';
import { checkSecrets } from './secret.ts';
import type { Secrets } from './secret.ts';
import { tlsSetupOf } from './tls.ts';

export interface EngineOptions {
  config: Config;
  database: Database;
  secrets: Secrets;
  log: Logger;
  clock?: Clock;
}

export interface Engine {
  apiPort: number;
  bouncePort: number;
  deps: CampaignDeps;
  /** Batches and connections in memory now. */
  load(): { batches: number; connections: number };
  stop(): Promise<void>;
}

export async function startEngine(options: EngineOptions): Promise<Engine> {
  const stack = createResourceStack();
  try {
    return await assemble(options, stack);
  } catch (error) {
    await stack.release();
    throw error;
  }
}

async function assemble(options: EngineOptions, stack: ResourceStack): Promise<Engine> {
  const { config, database, secrets, log } = options;
  const { sql } = database;
  const clock = options.clock ?? systemClock;
  await checkSecrets(sql, secrets);
  const jobs = await startJobs(database.url, log);
  stack.onRelease('job queue', () => jobs.stop());
  const lookupTxt = txtLookupOf(config);
  const convert = createConverter();
  const deps: CampaignDeps = { sql, clock, ...secrets, jobs, convert, lookupTxt };

  const ownListeners: Endpoint[] = [];
  const mta = await startMta(options, clock, ownListeners, stack);
  const source = createMessageSource(deps);
  await forgetOnKeyChange(sql, source, stack);
  const rulebook = await openRulebook({ sql, file: config.bounceRules ?? null, log });
  stack.onRelease('rulebook', () => rulebook.close());
  const expansion = { sql, clock, batchSize: config.batchSize, chunkSize: CHUNK_SIZE };
  const scheduler = await startScheduler({
    ...config,
    ...expansion,
    mta,
    source,
    random: Math.random,
    classify: rulebook.classify,
    log,
    exclusive: database.exclusive,
  });
  stack.onRelease('scheduler', () => scheduler.stop(config.drainSeconds * 1_000));
  await jobs.work(expansion);

  const { listener, reception } = await startReturns({
    ...options,
    clock,
    jobs,
    classify: rulebook.classify,
  });
  stack.onRelease('bounce listener', () => listener.close());
  ownListeners.push({ host: config.bounceHost, port: listener.port });
  const api = createApi({
    ...deps,
    log,
    reception,
    rulebook,
    explainRoute: (domain, pool) => mta.explain(domain, pool),
    maxInboundBytes: config.bounceMaxMessageBytes,
    ready: async () => ({ bounceListener: true, migrations: migrationCount() }),
  });
  const server = await startApi(api, { host: config.apiHost, port: config.apiPort });
  stack.onRelease('api', () => server.close());

  startKeepers(config, deps, log, stack);
  const refreshPolicies = (): void => mta.refreshPolicies();
  const housekeeping = startHousekeeping({ sql, clock, log, days: config, refreshPolicies });
  stack.onRelease('housekeeping', () => housekeeping.stop());

  return {
    apiPort: server.port,
    bouncePort: listener.port,
    deps,
    load: () => ({ batches: scheduler.running(), connections: mta.openConnections() }),
    stop: () => stack.release(),
  };
}

/** `ownListeners` fills later: the bounce listener starts when there is something to come back. */
async function startMta(
  { config, database, secrets, log }: EngineOptions,
  clock: Clock,
  ownListeners: readonly Endpoint[],
  stack: ResourceStack,
): Promise<MtaEngine> {
  const routing = await watchRouting(routingSourceOf(config, database.sql, secrets), log);
  stack.onRelease('routes', () => routing.stop());
  // Stopped after the mta: what its last sessions tell is written down too.
  const report = startCounting(config, { sql: database.sql, clock, log }, stack);
  const { routes, pools } = routing;
  const mta = createMta({
    ...mtaOptions(config, { routes, pools, ownListeners: () => ownListeners }, clock, log),
    tls: await tlsSetupOf(config, database.sql, clock, report),
  });
  stack.onRelease('mta', () => mta.close());
  return mta;
}

/** What looks after things by itself, beside sending. */
function startKeepers(config: Config, deps: CampaignDeps, log: Logger, stack: ResourceStack): void {
  const watch = startWatch(watchDeps(config, deps, log));
  stack.onRelease('watch', () => watch.stop());
  startReporting(config, deps, log, stack);
  const alarms = startAlarms({ ...deps, log }, config.alarmIntervalSeconds * 1_000);
  stack.onRelease('alarms', () => alarms.stop());
  const webhooks = startWebhooks({ ...deps, log });
  stack.onRelease('webhooks', () => webhooks.stop());
}

function watchDeps(config: Config, deps: CampaignDeps, log: Logger): WatchDeps {
  const { warnAfterDays, probeAfterDays, probeGraceDays: graceDays } = config;
  return {
    ...deps,
    log,
    notices: createNotices(deps),
    compose: loadLetters(),
    action: config.softBounceAction,
    limits: SOFT_LIMITS,
    times: { warnAfterDays, probeAfterDays, graceDays },
  };
}

/** Also when the connection for it was lost and is back: a notification may have been missed. */
async function forgetOnKeyChange(
  sql: Sql,
  source: ReturnType<typeof createMessageSource>,
  stack: ResourceStack,
): Promise<void> {
  const forget = (): void => source.forget();
  const keyChanges = await sql.listen(CHANNELS.senders, forget, forget);
  stack.onRelease('key listener', () => keyChanges.unlisten());
}

export type { Mta };
