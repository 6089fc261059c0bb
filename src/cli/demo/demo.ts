/**
 * cli/demo — ten thousand mails leave, the bounces come home, and every recipient is accounted for.
 *
 * Starts the embedded PostgreSQL, the engine and the practice range in this process, on loopback,
 * in a temporary folder; sends a campaign through the HTTP API; waits for the late bounces; compares
 * the report with the range's ledger.
 *
 * Promises: exit code 0 only when the balance closes, ledger and report agree on every recipient,
 *           every hard bounce is suppressed and nobody else is. Leaves nothing running and no file.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createKey } from '../../api/keys.ts';
import { systemClock } from '../../kernel/clock.ts';
import { loadConfig } from '../../kernel/config.ts';
import { createResourceStack } from '../../kernel/lifecycle.ts';
import type { ResourceStack } from '../../kernel/lifecycle.ts';
import { createLogger } from '../../kernel/log.ts';
import { startRange } from '../../range/range.ts';
import type { Range } from '../../range/range.ts';
import { generateRecipients } from '../../range/recipients.ts';
import { expectedFate } from '../../range/world.ts';
import { openDatabase } from '../database.ts';
import { startEngine } from '../engine.ts';
import { startProgress } from '../progress.ts';
import { balanceRows } from '../report.ts';
import { loadSecrets } from '../secret.ts';
import { formatTable, print } from '../table.ts';
import { createClient } from './client.ts';
import type { ApiClient } from './client.ts';
import { createDemoCampaign } from './campaign.ts';
import type { DemoCampaign, DemoReport } from './campaign.ts';
import { disagreements } from './compare.ts';
import { makeTemporaryDataDir, removeDataDir } from '../../kernel/postgres/data-dir.ts';

export interface DemoOptions {
  recipients: number;
  seed: number;
  logLevel: 'silent' | 'error' | 'warn' | 'info' | 'debug';
}

/**
 * What never lifts (a full mailbox) expires when its next try would be past the ttl: after the ninth
 * try, some 20 s after the first. A slow machine has the whole ttl for the others.
 */
const TTL_SECONDS = 50;
const RETRY_SCHEDULE_SECONDS = '1,1,2,2,3,3,4,4,60';
const SHOWN_DISAGREEMENTS = 10;

/** Answers whether everything agrees. */
export async function runDemo(options: DemoOptions, stopped: Promise<unknown>): Promise<boolean> {
  const stack = createResourceStack();
  const interruption = { seen: false };
  void stopped.then(() => (interruption.seen = true));
  try {
    const world = await startWorld(options, stack);
    print(`API on ${world.apiUrl}, practice range on ${world.range.dnsServer} (DNS)`);
    const campaign = await createDemoCampaign(
      world.api,
      generateRecipients(options.recipients, options.seed, world.range.world),
      TTL_SECONDS,
    );
    print(`Campaign ${campaign.id}: ${campaign.accepted} recipients, sending …`);
    await watch(world.api, campaign, () => interruption.seen);
    if (interruption.seen) {
      print('Interrupted: stopping, nothing is kept.');
      return false;
    }
    print('All sent. Waiting for the late bounces …');
    await world.range.idle();
    const report = await world.api.get<DemoReport>(`/v1/campaigns/${campaign.id}/report`);
    printReport(report);
    return await judge(world, campaign, report);
  } finally {
    await stack.release();
  }
}

interface World {
  api: ApiClient;
  apiUrl: string;
  range: Range;
}

async function startWorld(options: DemoOptions, stack: ResourceStack): Promise<World> {
  const dataDir = makeTemporaryDataDir('volley-demo-');
  stack.onRelease('data folder', () => removeDataDir(dataDir));
  const range = await startRange({ seed: options.seed, now: systemClock });
  stack.onRelease('practice range', () => range.stop());
  // Nothing of the caller's environment: a demo must not find a real database or a real route.
  const { config } = loadConfig({
    VOLLEY_DATA_DIR: dataDir,
    VOLLEY_API_PORT: '0',
    VOLLEY_BOUNCE_PORT: '0',
    VOLLEY_HELO_NAME: 'mta.shop.example',
    VOLLEY_DNS_SERVER: range.dnsServer,
    VOLLEY_SMTP_PORT: String(range.smtpPort),
    VOLLEY_ALLOW_PRIVATE_MX: 'true',
    VOLLEY_RETRY_SCHEDULE_SECONDS: RETRY_SCHEDULE_SECONDS,
    VOLLEY_LOG_LEVEL: options.logLevel,
  });
  const database = await openDatabase(config, 'own');
  stack.onRelease('database', () => database.close());
  const log = createLogger(config.logLevel);
  const engine = await startEngine({ config, database, secrets: loadSecrets(config), log });
  stack.onRelease('engine', () => engine.stop());
  range.setBounceTarget({ host: config.bounceHost, port: engine.bouncePort });
  const { key } = await createKey(database.sql, { name: 'demo', scopes: ['admin'] });
  const apiUrl = `http://${config.apiHost}:${engine.apiPort}`;
  return { api: createClient(apiUrl, key), apiUrl, range };
}

/** Draws the progress until the campaign is over. */
async function watch(
  api: ApiClient,
  campaign: DemoCampaign,
  isInterrupted: () => boolean,
): Promise<void> {
  const progress = startProgress(process.stderr);
  const startedAt = Date.now();
  try {
    while (!isInterrupted()) {
      const [{ state }, { balance, by_kind: kinds }] = await Promise.all([
        api.get<{ state: string }>(`/v1/campaigns/${campaign.id}`),
        api.get<DemoReport>(`/v1/campaigns/${campaign.id}/report`),
      ]);
      const done = balance.recipients - balance.pending;
      progress.update({
        done,
        total: balance.recipients,
        perSecond: (done * 1_000) / (Date.now() - startedAt),
        accepted: balance.accepted,
        deferred: kinds.deferred,
        bounced: balance.bounced,
      });
      if (state === 'completed') return;
      await sleep(250);
    }
  } finally {
    progress.stop();
  }
}

function printReport(report: DemoReport): void {
  print('');
  const { bounced_late: bouncedLate, ...balance } = report.balance;
  print(formatTable(['REPORT', ''], balanceRows({ ...balance, bouncedLate })));
  print('');
  const classes = report.by_class.map((row) => [row.class, row.count, row.deferred]);
  print(formatTable(['WHY', 'LOST', 'TRIED AGAIN'], classes));
  print('');
}

async function judge(world: World, campaign: DemoCampaign, report: DemoReport): Promise<boolean> {
  const deliveries: { email: string; state: string }[] = [];
  const path = `/v1/campaigns/${campaign.id}/deliveries`;
  for await (const row of world.api.all<{ email: string; state: string }>(path)) {
    deliveries.push(row);
  }
  const suppressed = new Set<string>();
  for await (const row of world.api.all<{ email: string }>('/v1/suppressions')) {
    suppressed.add(row.email);
  }
  const received = world.range.ledger.addressesAccepted();
  const found = deliveries.flatMap(({ email, state }) => {
    const key = email.toLowerCase();
    const fate = expectedFate(world.range.world, email);
    return disagreements({
      address: email,
      state,
      fate,
      received: received.get(key) ?? 0,
      suppressed: suppressed.has(key),
    });
  });
  const checks: [string, boolean][] = [
    ['the balance closes', report.balance.closes && report.balance.pending === 0],
    ['every recipient has a delivery', deliveries.length === report.balance.recipients],
    [
      `report, ledger and suppressions agree on ${deliveries.length} recipients`,
      found.length === 0,
    ],
  ];
  for (const [text, ok] of checks) print(`${ok ? 'ok  ' : 'FAIL'} ${text}`);
  for (const line of found.slice(0, SHOWN_DISAGREEMENTS)) print(`     ${line}`);
  if (found.length > SHOWN_DISAGREEMENTS) print(`     … ${found.length} in all`);
  return checks.every(([, ok]) => ok);
}
