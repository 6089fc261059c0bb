/**
 * harness/world — a whole Volley beside a whole practice Internet, for the scenario tests.
 *
 * Real PostgreSQL (a database of its own), the real engine as cli/engine.ts wires it, the real API
 * over HTTP, the range's DNS and MX hosts on loopback. Only the retry schedule is short.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { createKey } from '../../src/api/keys.ts';
import { verifyBalance } from '../../src/campaigns/reports.ts';
import { openDatabase } from '../../src/cli/database.ts';
import { createClient } from '../../src/cli/demo/client.ts';
import type { ApiClient } from '../../src/cli/demo/client.ts';
import { startEngine } from '../../src/cli/engine.ts';
import type { Engine } from '../../src/cli/engine.ts';
import { loadSecrets } from '../../src/cli/secret.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { loadConfig } from '../../src/kernel/config.ts';
import { parseId } from '../../src/kernel/ids.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { createLogger } from '../../src/kernel/log.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { startRange } from '../../src/range/range.ts';
import type { Range, RangeOptions } from '../../src/range/range.ts';
import { createDatabase } from './database.ts';

export interface TestWorld {
  api: ApiClient;
  engine: Engine;
  range: Range;
  sql: Sql;
  /** What a command line beside it needs in its environment. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

export interface WorldOptions {
  /** Environment variables on top of the harness's own. */
  env?: Record<string, string>;
  range?: Partial<RangeOptions>;
  /** Of the engine and the range. */
  clock?: Clock;
}

export async function startWorld(options: WorldOptions = {}): Promise<TestWorld> {
  const stack = createResourceStack();
  const dataDir = mkdtempSync(join(tmpdir(), 'volley-world-'));
  stack.onRelease('data folder', () => rmSync(dataDir, { recursive: true, force: true }));
  const clone = await createDatabase();
  stack.onRelease('clone', () => clone.drop());
  const range = await startRange({
    seed: 1,
    keepMessages: 'all',
    lateDsnDelayMs: 100,
    greylistMs: 300,
    ...(options.clock === undefined ? {} : { now: options.clock }),
    ...options.range,
  });
  stack.onRelease('range', () => range.stop());
  const env = { ...environment(dataDir, clone.url, range), ...options.env };
  const { config } = loadConfig(env);
  const database = await openDatabase(config, 'own');
  stack.onRelease('database', () => database.close());
  const log = createLogger(config.logLevel);
  const clock = options.clock ?? systemClock;
  const secrets = loadSecrets(config);
  const engine = await startEngine({ config, database, secrets, log, clock });
  stack.onRelease('engine', () => engine.stop());
  range.setBounceTarget({ host: '127.0.0.1', port: engine.bouncePort });
  const { key } = await createKey(database.sql, { name: 'test', scopes: ['admin'] });
  const api = createClient(`http://127.0.0.1:${engine.apiPort}`, key);
  return { api, engine, range, sql: database.sql, env, stop: () => stack.release() };
}

/** A world for the tests of one file, started before and stopped after them. */
export function useWorld(options: WorldOptions = {}): TestWorld {
  let world: TestWorld | undefined;
  beforeAll(async () => {
    world = await startWorld(options);
  });
  afterAll(() => world?.stop());
  const started = (): TestWorld => {
    if (world === undefined) throw new Error('useWorld: only inside a test');
    return world;
  };
  return {
    get api() {
      return started().api;
    },
    get engine() {
      return started().engine;
    },
    get range() {
      return started().range;
    },
    get sql() {
      return started().sql;
    },
    get env() {
      return started().env;
    },
    stop: () => started().stop(),
  };
}

export function environment(
  dataDir: string,
  databaseUrl: string,
  range: Range,
): Record<string, string> {
  return {
    VOLLEY_DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    VOLLEY_DATABASE_POOL_SIZE: '8',
    VOLLEY_API_PORT: '0',
    VOLLEY_BOUNCE_PORT: '0',
    VOLLEY_HELO_NAME: 'mta.shop.example',
    VOLLEY_DNS_SERVER: range.dnsServer,
    VOLLEY_SMTP_PORT: String(range.smtpPort),
    VOLLEY_ALLOW_PRIVATE_MX: 'true',
    VOLLEY_RETRY_SCHEDULE_SECONDS: '1',
    VOLLEY_LEASE_SECONDS: '5',
    VOLLEY_LOG_LEVEL: 'error',
  };
}

export interface CampaignPlan {
  recipients: readonly string[];
  stream?: string;
  mode?: string;
  ttlSeconds?: number;
  ambiguityPolicy?: string;
  subject?: string;
  html?: string;
}

/** Creates sender, campaign and audience through the API; does not start it. */
export async function draftCampaign(api: ApiClient, plan: CampaignPlan): Promise<string> {
  const sender = await api.post<{ id: string }>('/v1/senders', {
    from_address: 'news@shop.example',
    display_name: 'Corner Shop',
    bounce_domain: 'bounce.shop.example',
    unsubscribe_base_url: 'https://shop.example',
  });
  const campaign = await api.post<{ id: string }>('/v1/campaigns', {
    name: 'Scenario',
    sender_id: sender.id,
    content: {
      subject: plan.subject ?? 'News for {{email}}',
      format: 'html',
      source: plan.html ?? '<p>Dear {{email}}, here is the news.</p>',
    },
    stream: plan.stream ?? 'marketing',
    mode: plan.mode ?? 'auto',
    ttl_seconds: plan.ttlSeconds ?? 60,
    ambiguity_policy: plan.ambiguityPolicy ?? 'hold',
  });
  const rows = plan.recipients.map((email) => ({ email }));
  await api.upload(`/v1/campaigns/${campaign.id}/recipients`, rows);
  return campaign.id;
}

export async function startCampaign(api: ApiClient, plan: CampaignPlan): Promise<string> {
  const id = await draftCampaign(api, plan);
  await api.post(`/v1/campaigns/${id}/start`);
  return id;
}

/** Polls until `probe` answers true; a scenario's own deadline is the test's timeout. */
export async function until(probe: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await probe())) await sleep(25);
}

export async function untilState(api: ApiClient, id: string, state: string): Promise<void> {
  await until(
    async () => (await api.get<{ state: string }>(`/v1/campaigns/${id}`)).state === state,
  );
}

/** A report that overtook the recorded acceptance is counted by the keeper's next turn. */
export async function untilBouncedLate(api: ApiClient, id: string, count: number): Promise<void> {
  await until(async () => {
    const { balance } = await api.get<Report>(`/v1/campaigns/${id}/report`);
    return balance.bounced_late === count;
  });
}

/** Delivery states by address. */
export async function statesOf(api: ApiClient, id: string): Promise<Map<string, string>> {
  const states = new Map<string, string>();
  const path = `/v1/campaigns/${id}/deliveries`;
  for await (const row of api.all<{ email: string; state: string }>(path)) {
    states.set(row.email.toLowerCase(), row.state);
  }
  return states;
}

export async function suppressedAddresses(api: ApiClient): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const row of api.all<{ email: string; reason: string }>('/v1/suppressions')) {
    found.set(row.email, row.reason);
  }
  return found;
}

export interface Report {
  balance: Record<string, number | boolean>;
}

/**
 * How every scenario ends: the balance closes, the rows say the same as the rollups, what is reported
 * accepted is with a host exactly once, and nobody's bytes name another recipient.
 */
export async function account(world: TestWorld, id: string): Promise<Report['balance']> {
  const { balance } = await world.api.get<Report>(`/v1/campaigns/${id}/report`);
  expect(balance.closes).toBe(true);
  const rowId = parseId('cmp', id) ?? 0n;
  const verified = await verifyBalance(world.engine.deps, rowId);
  expect(verified).toMatchObject({ agrees: true });
  const states = await statesOf(world.api, id);
  const received = world.range.ledger.addressesAccepted();
  for (const [address, state] of states) {
    if (state === 'accepted') expect([address, received.get(address)]).toEqual([address, 1]);
    else if (state !== 'ambiguous')
      expect([address, received.get(address) ?? 0]).toEqual([address, 0]);
  }
  expectPrivacy(world.range, new Set(states.keys()));
  return balance;
}

/** No address of another recipient in any byte that the world received. */
export function expectPrivacy(range: Range, addresses: ReadonlySet<string>): void {
  for (const message of range.ledger.messages()) {
    const text = message.bytes?.toString('latin1').toLowerCase() ?? '';
    const own = new Set(message.recipients.map((address) => address.toLowerCase()));
    const single = own.size === 1;
    const leaked = [...addresses].filter(
      (address) => !(single && own.has(address)) && text.includes(address),
    );
    expect(leaked).toEqual([]);
  }
}
