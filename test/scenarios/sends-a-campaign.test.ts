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

test('a campaign to many domains is sent, each recipient gets his own message, and all are accounted for', async () => {
  const recipients = [
    'qq.example',
    'netease-163.example',
    'gmail.example',
    'naver.example',
  ].flatMap((domain) => Array.from({ length: 30 }, (_, index) => `accept+r${index}@${domain}`));
  const id = await startCampaign(world.api, {
    recipients: [...recipients, 'unknown+gone@qq.example', 'nobody@no-such-domain.example'],
  });
  await untilState(world.api, id, 'completed');

  const balance = await account(world, id);
  expect(balance).toMatchObject({ recipients: 122, accepted: 120, bounced: 2, pending: 0 });
  const states = await statesOf(world.api, id);
  expect(recipients.every((address) => states.get(address) === 'accepted')).toBe(true);

  const [message] = world.range.ledger.messagesFor('accept+r0@qq.example');
  expect(message?.mailFrom).toMatch(/^b\+[a-z2-7]+@bounce\.shop\.example$/);
  expect(message?.bytes?.toString()).toContain('DKIM-Signature:');
  expect(new Set([...world.range.ledger.messages()].map((each) => each.mailFrom)).size).toBe(120);
  expect(new Set((await suppressedAddresses(world.api)).keys())).toEqual(
    new Set(['unknown+gone@qq.example', 'nobody@no-such-domain.example']),
  );
});
