import { expect, test } from 'vitest';
import {
  account,
  startCampaign,
  useWorld,
  statesOf,
  suppressedAddresses,
  untilBouncedLate,
  untilState,
} from '../harness/world.ts';

const world = useWorld();

test('a DSN that comes later suppresses by its VERP token, and changes the report, not the delivery', async () => {
  const recipients = ['late+gone@qq.example', 'latefull+full@qq.example', 'accept+fine@qq.example'];
  const id = await startCampaign(world.api, { recipients });
  await untilState(world.api, id, 'completed');
  await world.range.idle();

  await untilBouncedLate(world.api, id, 2);
  expect(await account(world, id)).toMatchObject({ accepted: 1, bounced_late: 2 });
  expect((await statesOf(world.api, id)).get('late+gone@qq.example')).toBe('accepted');
  expect(await suppressedAddresses(world.api)).toEqual(
    new Map([['late+gone@qq.example', 'hard_bounce']]),
  );
});
