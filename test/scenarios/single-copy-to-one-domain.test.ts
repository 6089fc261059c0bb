import { expect, test } from 'vitest';
import {
  account,
  startCampaign,
  useWorld,
  statesOf,
  untilBouncedLate,
  untilState,
} from '../harness/world.ts';

const world = useWorld();

const SAME_FOR_ALL = {
  subject: 'Notice',
  html: '<p>The office is closed on Monday.</p>',
  stream: 'statement',
};

test('content that is the same for all goes as few copies, with a result for each recipient', async () => {
  const good = Array.from({ length: 118 }, (_, index) => `accept+r${index}@gmail.example`);
  const id = await startCampaign(world.api, {
    ...SAME_FOR_ALL,
    recipients: [...good, 'unknown+gone@gmail.example', 'late+soon@gmail.example'],
  });
  await untilState(world.api, id, 'completed');
  await world.range.idle();

  const messages = [...world.range.ledger.messages()];
  expect(messages.length).toBeLessThanOrEqual(4);
  expect(messages.reduce((sum, message) => sum + message.recipients.length, 0)).toBe(119);
  await untilBouncedLate(world.api, id, 1);
  const balance = await account(world, id);
  expect(balance).toMatchObject({ recipients: 120, accepted: 118, bounced: 1, bounced_late: 1 });
  const states = await statesOf(world.api, id);
  expect(states.get('unknown+gone@gmail.example')).toBe('bounced');
});
