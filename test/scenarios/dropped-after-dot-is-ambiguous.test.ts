import { expect, test } from 'vitest';
import { account, startCampaign, useWorld, statesOf, untilState } from '../harness/world.ts';

const world = useWorld();

test('policy hold: who may have it is listed as ambiguous and not tried again', async () => {
  const id = await startCampaign(world.api, {
    recipients: ['drop+a@gmail.example', 'accept+b@gmail.example'],
  });
  await untilState(world.api, id, 'completed');
  expect((await statesOf(world.api, id)).get('drop+a@gmail.example')).toBe('ambiguous');
  const balance = await account(world, id);
  expect(balance).toMatchObject({ accepted: 1, ambiguous: 1 });
  expect(world.range.ledger.messagesFor('drop+a@gmail.example')).toHaveLength(1);
});

test('policy assume_accepted: it counts as accepted', async () => {
  const id = await startCampaign(world.api, {
    recipients: ['drop+c@gmail.example'],
    ambiguityPolicy: 'assume_accepted',
  });
  await untilState(world.api, id, 'completed');
  const balance = await account(world, id);
  expect(balance).toMatchObject({ accepted: 1, ambiguous: 0 });
});

test('policy retry: it is sent again, and this is the one way to a duplicate', async () => {
  const id = await startCampaign(world.api, {
    recipients: ['drop+d@gmail.example'],
    ambiguityPolicy: 'retry',
  });
  await untilState(world.api, id, 'completed');
  expect((await statesOf(world.api, id)).get('drop+d@gmail.example')).toBe('accepted');
  expect(world.range.ledger.messagesFor('drop+d@gmail.example')).toHaveLength(2);
  const ids = world.range.ledger
    .messagesFor('drop+d@gmail.example')
    .map((message) => message.messageId);
  expect(new Set(ids).size).toBe(1);
});

test('held, and a person decides: accepted for one campaign, retry for another', async () => {
  const known = await startCampaign(world.api, { recipients: ['drop+e@gmail.example'] });
  await untilState(world.api, known, 'completed');
  const path = (id: string): string => `/v1/campaigns/${id}/resolve-ambiguous`;
  expect(await world.api.post(path(known), { as: 'accepted' })).toEqual({ resolved: 1 });
  expect(await account(world, known)).toMatchObject({ accepted: 1, ambiguous: 0 });

  const again = await startCampaign(world.api, { recipients: ['drop+f@gmail.example'] });
  await untilState(world.api, again, 'completed');
  expect(await world.api.post(path(again), { as: 'retry' })).toEqual({ resolved: 1 });
  await untilState(world.api, again, 'completed');
  expect((await statesOf(world.api, again)).get('drop+f@gmail.example')).toBe('accepted');
  expect(world.range.ledger.messagesFor('drop+f@gmail.example')).toHaveLength(2);
  const { balance } = await world.api.get<{ balance: unknown }>(`/v1/campaigns/${again}/report`);
  expect(balance).toMatchObject({ accepted: 1, ambiguous: 0, closes: true });
});
