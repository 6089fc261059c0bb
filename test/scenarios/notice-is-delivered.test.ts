import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNotices } from '../../src/campaigns/notices.ts';
import { formatId } from '../../src/kernel/ids.ts';
import { account, draftCampaign, startWorld, until } from '../harness/world.ts';
import type { TestWorld } from '../harness/world.ts';

let world: TestWorld;
beforeAll(async () => void (world = await startWorld()));
afterAll(() => world.stop());

test('a notice of Volley itself goes out like any mail, and is accounted for', async () => {
  await draftCampaign(world.api, { recipients: ['x@gmail.example'] });
  const [sender] = await world.sql<{ id: bigint }[]>`select id from senders`;
  const notice = { to: 'ann@gmail.example', subject: 'Hi', text: 'Confirm?', replyTo: null };
  await world.sql.begin((tx) =>
    createNotices(world.engine.deps).send(tx, {
      kind: 'report',
      senderId: sender?.id ?? 0n,
      notices: [notice],
      perAddressADay: null,
      perHour: null,
    }),
  );
  const state = async () =>
    await world.sql<{ id: bigint; state: string }[]>`
      select id, state from campaigns where purpose = 'notice'`;

  await until(async () => (await state())[0]?.state === 'completed');

  expect(world.range.ledger.addressesAccepted().get('ann@gmail.example')).toBe(1);
  const [campaign] = await state();
  expect(await account(world, formatId('cmp', campaign?.id ?? 0n))).toMatchObject({ accepted: 1 });
}, 60_000);
