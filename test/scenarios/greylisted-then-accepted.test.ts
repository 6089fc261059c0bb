import { expect, test } from 'vitest';
import {
  account,
  startCampaign,
  useWorld,
  suppressedAddresses,
  untilState,
} from '../harness/world.ts';

const world = useWorld();

interface Attempt {
  kind: string;
  class: string | null;
  reply_code: number | null;
}

test('who is greylisted, busy or rate-limited is tried again, accepted, and never suppressed', async () => {
  const recipients = [
    'greylist+a@qq.example',
    'ratelimit+b@qq.example',
    'busy+c@netease-163.example',
    'ratelimit+d@gmail.example',
    'accept+e@qq.example',
  ];
  const id = await startCampaign(world.api, { recipients });
  await untilState(world.api, id, 'completed');

  const balance = await account(world, id);
  expect(balance).toMatchObject({ accepted: 5, bounced: 0, expired: 0 });
  expect((await suppressedAddresses(world.api)).size).toBe(0);

  const { data } = await world.api.get<{ data: { id: string }[] }>(
    `/v1/campaigns/${id}/deliveries?email=${encodeURIComponent('greylist+a@qq.example')}`,
  );
  const delivery = await world.api.get<{ events: Attempt[] }>(
    `/v1/deliveries/${data[0]?.id ?? ''}`,
  );
  expect(delivery.events.map((attempt) => attempt.class)).toEqual(['greylisted', null]);
  expect(delivery.events.at(-1)?.reply_code).toBe(250);
});
