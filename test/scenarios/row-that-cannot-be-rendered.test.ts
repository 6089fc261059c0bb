import { expect, test } from 'vitest';
import { account, draftCampaign, untilState, useWorld } from '../harness/world.ts';

const world = useWorld();

test('fails alone: the others of its batch get their mail, at once', async () => {
  const id = await draftCampaign(world.api, {
    recipients: [],
    subject: 'for {{v}}',
    html: `<p>${'{{v}}'.repeat(9_000)}</p>`,
  });
  const rows = [
    { email: 'accept+a@qq.example', v: 'a' },
    // Printed 9,000 times it would be 3 GB.
    { email: 'accept+long@qq.example', v: '<'.repeat(60_000) },
    { email: 'accept+object@qq.example', v: { toString: 'x' } },
    { email: 'accept+b@qq.example', v: 'b' },
  ];
  await world.api.upload(`/v1/campaigns/${id}/recipients`, rows);
  await world.api.post(`/v1/campaigns/${id}/start`);
  await untilState(world.api, id, 'completed');

  expect(await account(world, id)).toMatchObject({ recipients: 4, accepted: 2, bounced: 2 });
  expect([...world.range.ledger.addressesAccepted().keys()].sort()).toEqual([
    'accept+a@qq.example',
    'accept+b@qq.example',
  ]);
  // It was not their mailbox that failed.
  const { data } = await world.api.get<{ data: unknown[] }>('/v1/suppressions');
  expect(data).toEqual([]);
});
