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

test('a mailbox that does not exist is suppressed and not tried by the next campaign', async () => {
  const recipients = [
    'unknown+gone@gmail.example',
    'accept+here@gmail.example',
    'reject+spam@gmail.example',
  ];
  const first = await startCampaign(world.api, { recipients });
  await untilState(world.api, first, 'completed');
  await account(world, first);
  // Content that was refused is not the recipient's fault.
  expect(await suppressedAddresses(world.api)).toEqual(
    new Map([['unknown+gone@gmail.example', 'hard_bounce']]),
  );
  // It was the receiving host that refused; the recipient himself has asked for nothing.
  for await (const row of world.api.all<{ origin: string }>('/v1/suppressions')) {
    expect(row.origin).toBe('system');
  }

  const second = await startCampaign(world.api, { recipients: ['unknown+gone@gmail.example'] });
  await untilState(world.api, second, 'completed');
  expect(await statesOf(world.api, second)).toEqual(
    new Map([['unknown+gone@gmail.example', 'suppressed']]),
  );
  const balance = await account(world, second);
  expect(balance).toMatchObject({ recipients: 1, suppressed: 1 });
  expect(world.range.ledger.refusals('unknown+gone@gmail.example')[0]?.count).toBe(1);
});
