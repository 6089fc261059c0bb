import { expect, test } from 'vitest';
import {
  account,
  draftCampaign,
  startCampaign,
  useWorld,
  until,
  untilState,
} from '../harness/world.ts';

const world = useWorld({
  range: { tarpitMs: 50 },
  env: { VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '2' },
});

test('cancel ends what was not sent; what was sent stays sent', async () => {
  const recipients = Array.from({ length: 200 }, (_, index) => `tarpit+r${index}@qq.example`);
  const id = await startCampaign(world.api, { recipients });
  await until(() => world.range.ledger.addressesAccepted().size >= 5);
  await world.api.post(`/v1/campaigns/${id}/cancel`);
  await untilState(world.api, id, 'cancelled');
  const balance = await account(world, id);
  expect(balance.pending).toBe(0);
  expect(balance.accepted).toBe(world.range.ledger.addressesAccepted().size);
  expect(Number(balance.accepted) + Number(balance.cancelled)).toBe(200);
});

test('a draft that is cancelled has all its recipients cancelled', async () => {
  const id = await draftCampaign(world.api, {
    recipients: ['accept+x@qq.example', 'accept+y@gmail.example'],
  });
  await world.api.post(`/v1/campaigns/${id}/cancel`);
  await untilState(world.api, id, 'cancelled');
  expect(await account(world, id)).toMatchObject({ recipients: 2, cancelled: 2 });
});
