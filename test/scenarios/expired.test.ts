import { expect, test } from 'vitest';
import {
  account,
  startCampaign,
  useWorld,
  statesOf,
  suppressedAddresses,
  untilState,
} from '../harness/world.ts';

const world = useWorld();

test('what cannot be delivered within the ttl expires, and nobody is suppressed for it', async () => {
  const recipients = ['full+a@gmail.example', 'full+b@qq.example', 'accept+c@qq.example'];
  const id = await startCampaign(world.api, { recipients, ttlSeconds: 3 });
  await untilState(world.api, id, 'completed');
  const states = await statesOf(world.api, id);
  expect([states.get('full+a@gmail.example'), states.get('full+b@qq.example')]).toEqual([
    'expired',
    'expired',
  ]);
  expect(await account(world, id)).toMatchObject({ accepted: 1, expired: 2 });
  expect((await suppressedAddresses(world.api)).size).toBe(0);
  const counted = await world.sql`
    select address_key, kind, count from soft_bounces order by address_key`;
  expect(counted).toEqual([
    { addressKey: 'full+a@gmail.example', kind: 'full', count: 1 },
    { addressKey: 'full+b@qq.example', kind: 'full', count: 1 },
  ]);
});

test('a paused campaign expires too: never past the ttl, whatever the state', async () => {
  const id = await startCampaign(world.api, {
    recipients: ['full+d@gmail.example'],
    ttlSeconds: 2,
  });
  await world.api.post(`/v1/campaigns/${id}/pause`);
  await untilState(world.api, id, 'completed');
  expect(await account(world, id)).toMatchObject({ expired: 1 });
});
