import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { connect } from '../../src/kernel/postgres/connect.ts';
import { account, startCampaign, useWorld, until, untilState } from '../harness/world.ts';

const world = useWorld({
  range: { tarpitMs: 50 },
  env: { VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '2', VOLLEY_LOG_LEVEL: 'silent' },
});

/** Cuts every connection to the world's database and lets nobody in until `restore`. */
async function cutDatabase(): Promise<() => Promise<void>> {
  const admin = connect(inject('serverUrl'), { poolSize: 1 });
  const name = world.sql.options.database;
  await admin.unsafe(`alter database ${name} allow_connections false`);
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
  return async () => {
    await admin.unsafe(`alter database ${name} allow_connections true`);
    await admin.end();
  };
}

test('when outcomes cannot be recorded, sending stops, and resumes by itself', async () => {
  const recipients = Array.from({ length: 120 }, (_, index) => `tarpit+r${index}@qq.example`);
  const id = await startCampaign(world.api, { recipients });
  const received = (): number => world.range.ledger.addressesAccepted().size;
  await until(() => received() >= 5);
  const restore = await cutDatabase();
  // No mark can be written: at most the dots that were marked before still go out.
  await sleep(1_500);
  const whileAway = received();
  await sleep(1_500);
  expect(received()).toBe(whileAway);
  expect(whileAway).toBeLessThan(120);
  await restore();
  await untilState(world.api, id, 'completed');
  expect(await account(world, id)).toMatchObject({ recipients: 120, accepted: 120 });
}, 90_000);
