import { expect, test } from 'vitest';
import { account, startCampaign, useWorld, statesOf, until, untilState } from '../harness/world.ts';

const world = useWorld({
  range: { tarpitMs: 50 },
  env: { VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '1' },
});

test('who is suppressed while the campaign runs, in the same batch, gets nothing', async () => {
  const recipients = Array.from({ length: 100 }, (_, index) => `tarpit+r${index}@qq.example`);
  const id = await startCampaign(world.api, { recipients });
  await until(() => world.range.ledger.addressesAccepted().size >= 3);
  const last = recipients.slice(-20);
  await world.api.post('/v1/suppressions', {
    entries: last.map((email) => ({ email, reason: 'unsubscribe' })),
  });
  await untilState(world.api, id, 'completed');
  const states = await statesOf(world.api, id);
  const suppressed = last.filter((address) => states.get(address) === 'suppressed');
  expect(suppressed).toHaveLength(20);
  expect(await account(world, id)).toMatchObject({ accepted: 80, suppressed: 20 });
});
