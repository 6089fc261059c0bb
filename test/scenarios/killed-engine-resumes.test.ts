import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient } from '../../src/cli/demo/client.ts';
import type { ApiClient } from '../../src/cli/demo/client.ts';
import { startRange } from '../../src/range/range.ts';
import type { Range } from '../../src/range/range.ts';
import { freePort } from '../../bench/harness/free-port.ts';
import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { expectPrivacy, startCampaign, statesOf, untilState } from '../harness/world.ts';
import { makeTemporaryDataDir, removeDataDir } from '../../src/kernel/postgres/data-dir.ts';

const ROUNDS = 5;

let range: Range;
let dataDir: string;
let env: Record<string, string>;
beforeAll(async () => {
  dataDir = makeTemporaryDataDir('volley-killed-');
  range = await startRange({ seed: 1, keepMessages: 'all', tarpitMs: 20 });
  env = {
    VOLLEY_DATA_DIR: dataDir,
    VOLLEY_API_PORT: String(await freePort()),
    VOLLEY_BOUNCE_PORT: String(await freePort()),
    VOLLEY_DNS_SERVER: range.dnsServer,
    VOLLEY_SMTP_PORT: String(range.smtpPort),
    VOLLEY_ALLOW_PRIVATE_MX: 'true',
    VOLLEY_RETRY_SCHEDULE_SECONDS: '1',
    VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '4',
    VOLLEY_LOG_LEVEL: 'error',
  };
});
afterAll(async () => {
  await range.stop();
  removeDataDir(dataDir);
});

async function serve(): Promise<Child> {
  const child = startChild(['serve'], env);
  await child.printed(/Ctrl-C drains/);
  return child;
}

/** kill -9 of Volley; in every second round of its PostgreSQL too. */
async function kill(child: Child, everything: boolean): Promise<void> {
  const pidFile = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8');
  child.process.kill('SIGKILL');
  if (everything) process.kill(Number(pidFile.split('\n')[0]), 'SIGKILL');
  await child.ended;
}

async function wasAmbiguous(api: ApiClient, id: string, address: string): Promise<boolean> {
  const path = `/v1/campaigns/${id}/deliveries?email=${encodeURIComponent(address)}`;
  const { data } = await api.get<{ data: { id: string }[] }>(path);
  const delivery = await api.get<{ events: { kind: string }[] }>(
    `/v1/deliveries/${data[0]?.id ?? ''}`,
  );
  return delivery.events.some((attempt) => attempt.kind === 'delivery.ambiguous');
}

test('killed five times at random moments: nobody is lost, duplicates only among the reported ambiguous', async () => {
  let child = await serve();
  const key = /vk_[A-Za-z0-9_-]{43}/.exec(child.output())?.[0] ?? '';
  const api = createClient(`http://127.0.0.1:${env.VOLLEY_API_PORT ?? ''}`, key);
  const people = (prefix: string): string[] =>
    Array.from(
      { length: 600 },
      (_, index) => `tarpit+${prefix}${index}@${index % 2 === 0 ? 'qq' : 'gmail'}.example`,
    );
  const hold = await startCampaign(api, { recipients: people('hold'), ttlSeconds: 300 });
  const retry = await startCampaign(api, {
    recipients: people('retry'),
    ttlSeconds: 300,
    ambiguityPolicy: 'retry',
  });

  for (let round = 0; round < ROUNDS; round += 1) {
    await sleep(300 + Math.random() * 700);
    await kill(child, round % 2 === 1);
    child = await serve();
  }
  await untilState(api, hold, 'completed');
  await untilState(api, retry, 'completed');

  const received = range.ledger.addressesAccepted();
  const held = await statesOf(api, hold);
  expect(held.size).toBe(600);
  for (const [address, state] of held) {
    expect([address, ['accepted', 'ambiguous'].includes(state)]).toEqual([address, true]);
    if (state === 'accepted') expect([address, received.get(address)]).toEqual([address, 1]);
    else expect(received.get(address) ?? 0).toBeLessThanOrEqual(1);
  }
  const retried = await statesOf(api, retry);
  expect([...retried.values()].every((state) => state === 'accepted')).toBe(true);
  for (const address of retried.keys()) {
    const count = received.get(address) ?? 0;
    expect([address, count >= 1]).toEqual([address, true]);
    if (count > 1)
      expect([address, await wasAmbiguous(api, retry, address)]).toEqual([address, true]);
  }
  expectPrivacy(range, new Set([...held.keys(), ...retried.keys()]));
  for (const id of [hold, retry]) {
    const verify = startChild(['campaign', 'verify', id], env);
    expect([await verify.ended, verify.output()]).toEqual([0, expect.stringContaining('closes')]);
  }
  child.process.kill('SIGINT');
  expect(await child.ended).toBe(0);
}, 120_000);
