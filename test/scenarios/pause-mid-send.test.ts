import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { account, startCampaign, useWorld, until, untilState } from '../harness/world.ts';

const world = useWorld({
  range: { tarpitMs: 50 },
  env: { VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '2' },
});

test('after a pause no message is begun; resume goes on without a gap or a double', async () => {
  const recipients = Array.from({ length: 200 }, (_, index) => `tarpit+r${index}@qq.example`);
  const id = await startCampaign(world.api, { recipients });
  const received = (): number => world.range.ledger.addressesAccepted().size;
  await until(() => received() >= 5);
  await world.api.post(`/v1/campaigns/${id}/pause`);
  await sleep(1_000);
  const atPause = received();
  expect(atPause).toBeLessThan(200);
  await sleep(1_000);
  expect(received()).toBe(atPause);
  const paused = await account(world, id);
  expect(paused.pending).toBe(200 - atPause);

  await world.api.post(`/v1/campaigns/${id}/resume`);
  await untilState(world.api, id, 'completed');
  const balance = await account(world, id);
  expect(balance).toMatchObject({ recipients: 200, accepted: 200 });
});
