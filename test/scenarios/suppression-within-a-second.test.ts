import { expect, test } from 'vitest';
import { addSuppressions } from '../../src/bounce/suppressions/store.ts';
import { CHANNELS } from '../../src/kernel/events.ts';
import { parseId } from '../../src/kernel/ids.ts';
import { connect } from '../../src/kernel/postgres/connect.ts';
import { startChild } from '../harness/child.ts';
import { account, startCampaign, statesOf, until, untilState, useWorld } from '../harness/world.ts';

/**
 * One connection, and a receiver that takes a tenth of a second for a message: so the one behind the
 * next fifteen has his turn a second and a half later, whatever the machine does.
 */
const world = useWorld({
  range: { tarpitMs: 50 },
  env: { VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '1' },
});

const addressOf = (index: number, tag = 'r'): string => `tarpit+${tag}${index}@qq.example`;

/** A campaign in the middle of its one batch: a few are sent, all others are in memory. */
async function midSend(count: number, tag?: string): Promise<string> {
  const recipients = Array.from({ length: count }, (_, index) => addressOf(index, tag));
  const before = world.range.ledger.addressesAccepted().size;
  const id = await startCampaign(world.api, { recipients });
  await until(() => world.range.ledger.addressesAccepted().size >= before + 3);
  return id;
}

/** What a process that holds the whole campaign in memory has claimed, and not sent. */
async function isClaimedAndUnsent(id: string, address: string): Promise<boolean> {
  const [row] = await world.sql<{ state: string; batch: string }[]>`
    select d.state, b.state as batch from deliveries d
    join recipients r on r.id = d.recipient_id
    join batches b on d.id between b.first_delivery_id and b.last_delivery_id
    where d.campaign_id = ${parseId('cmp', id)} and r.address = ${address}`;
  return row?.state === 'pending' && row.batch === 'claimed';
}

function seen(address: string): boolean {
  const { ledger } = world.range;
  return ledger.addressesAccepted().has(address) || ledger.refusals(address).length > 0;
}

async function stateIn(id: string, address: string): Promise<string | undefined> {
  return (await statesOf(world.api, id)).get(address);
}

test('who is suppressed while his row is in memory gets no MAIL a second after the commit', async () => {
  const id = await midSend(90);
  const [byApi, bySql, byCommand] = [addressOf(18), addressOf(22), addressOf(85)];
  for (const address of [byApi, bySql, byCommand]) {
    expect(await isClaimedAndUnsent(id, address)).toBe(true);
  }
  const command = startChild(['suppression', 'add', byCommand, '--note', 'by phone'], world.env);
  await world.api.post('/v1/suppressions', { entries: [{ email: byApi }] });
  const other = connect(world.env['DATABASE_URL'] ?? '', { poolSize: 1 });
  await other.begin(async (tx) => {
    await tx`
      insert into suppressions (address_key, reason, origin) values (${bySql}, 'manual', 'operator')`;
    await tx`select pg_notify(${CHANNELS.suppressions}, ${bySql})`;
  });
  await other.end();
  expect(await command.ended).toBe(0);
  await untilState(world.api, id, 'completed');
  const states = await statesOf(world.api, id);
  for (const address of [byApi, bySql, byCommand]) {
    expect([address, states.get(address), seen(address)]).toEqual([address, 'suppressed', false]);
  }
  expect(await account(world, id)).toMatchObject({ accepted: 87, suppressed: 3, pending: 0 });
});

test('what was told while the listening connection was away is found when it is back', async () => {
  const id = await midSend(60, 'away');
  const victim = addressOf(45, 'away');
  expect(await isClaimedAndUnsent(id, victim)).toBe(true);
  const entry = { reason: 'manual', origin: 'operator', evidence: null } as const;
  const nobodys = { campaignId: null, deliveryId: null, expiresAt: null };
  await world.sql.begin(async (tx) => {
    await tx`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query ilike 'listen %'`;
    await addSuppressions(tx, [{ addressKey: victim, ...entry, ...nobodys }]);
  });
  await untilState(world.api, id, 'completed');
  expect([await stateIn(id, victim), seen(victim)]).toEqual(['suppressed', false]);
  expect((await account(world, id))['closes']).toBe(true);
});
