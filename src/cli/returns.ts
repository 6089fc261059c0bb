/**
 * cli/returns — the part of the engine that takes in what comes back, wired by hand.
 *
 * Promises: the listener has a certificate from its first connection on, and takes over a renewed one
 *           within a minute.
 * See:      engine.ts, bounce/reception.ts, docs/inbound.md.
 */
import { join } from 'node:path';
import { createAnswers } from '../bounce/answers.ts';
import type { Classifier } from '../bounce/classify.ts';
import { startBounceListener } from '../bounce/listener.ts';
import type { BounceListener } from '../bounce/listener.ts';
import { createReception } from '../bounce/reception.ts';
import type { Reception } from '../bounce/reception.ts';
import { openSource, startPoller } from '../bounce/sources/poller.ts';
import { createStorage } from '../bounce/storage.ts';
import type { Storage } from '../bounce/storage.ts';
import type { CampaignJobs } from '../campaigns/deps.ts';
import { createNotices } from '../campaigns/notices.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Config } from '../kernel/config.ts';
import { startLoop } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import { createKeyRing } from '../verp/keyring.ts';
import { certificateChangedAt, loadCertificate } from './certificate.ts';
import type { Database } from './database.ts';
import type { Secrets } from './secret.ts';

export interface ReturnsOptions {
  config: Config;
  database: Database;
  secrets: Secrets;
  log: Logger;
  clock: Clock;
  jobs: CampaignJobs;
  classify: Classifier;
}

export interface Returns {
  reception: Reception;
  listener: Pick<BounceListener, 'port' | 'close'>;
}

const CERTIFICATE_CHECK_MS = 60_000;

export async function startReturns(options: ReturnsOptions): Promise<Returns> {
  const { config, database, secrets, log, clock, jobs, classify } = options;
  // First: a wrong one stops the start before anything listens.
  const sources = config.inboundSources.map(openSource);
  const keyRing = createKeyRing([secrets.secret, ...secrets.previousSecrets]);
  const answers = createAnswers({
    keyRing,
    notices: createNotices({ clock, jobs }),
    postmasterForwardTo: config.postmasterForwardTo ?? null,
  });
  const reception = createReception({
    sql: database.sql,
    keyRing,
    clock,
    classify,
    answer: answers,
  });
  const storage = storageOf(config, clock);
  const listener = await startBounceListener(
    { reception, log, ...(storage === null ? {} : { storage }) },
    {
      host: config.bounceHost,
      port: config.bouncePort,
      name: config.heloName,
      tls: loadCertificate(config, clock()),
      maxMessageBytes: config.bounceMaxMessageBytes,
      maxConnections: config.bounceMaxConnections,
      maxConnectionsPerAddress: config.bounceMaxConnectionsPerAddress,
      maxMessagesPerMinute: config.bounceMaxMessagesPerMinute,
    },
  );
  const renewal = startRenewal(options, listener);
  const intervalMs = config.inboundPollSeconds * 1_000;
  const poller = startPoller({ reception, intervalMs, log }, sources);
  return {
    reception,
    listener: {
      port: listener.port,
      async close() {
        await poller.stop();
        await renewal.stop();
        await listener.close();
      },
    },
  };
}

/** A server of your own watches its own disk. */
function storageOf(config: Config, clock: Clock): Storage | null {
  if (config.databaseUrl !== undefined || config.minFreeBytes === 0) return null;
  // Behind a link when the account of PostgreSQL may not enter the data folder.
  return createStorage(join(config.dataDir, 'postgres'), config.minFreeBytes, clock);
}

function startRenewal({ config, log, clock }: ReturnsOptions, listener: BounceListener) {
  let changedAt = certificateChangedAt(config);
  return startLoop({
    intervalMs: CERTIFICATE_CHECK_MS,
    async step() {
      const latest = certificateChangedAt(config);
      if (latest === changedAt) return;
      listener.renewCertificate(loadCertificate(config, clock()));
      changedAt = latest;
      log.info('the bounce listener uses the renewed certificate');
    },
    onError: (error) => log.error({ err: error }, 'cannot use the renewed certificate'),
  });
}
