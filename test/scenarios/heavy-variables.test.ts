import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { account, draftCampaign, until, untilState, useWorld } from '../harness/world.ts';

const world = useWorld({
  range: { tarpitMs: 50 },
  env: { VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '2' },
});

/** 100 rows of 60 KB each: 6 MB a batch, 84 MB in all. */
const DOMAINS = 'qq gmail naver daum nate yahoo outlook hotmail icloud sina sohu foxmail aliyun'
  .split(' ')
  .concat('netease-163')
  .map((name) => `${name}.example`);

function* rows(): Generator<object> {
  const v = 'x'.repeat(60_000);
  for (const domain of DOMAINS) {
    for (let index = 0; index < 100; index += 1) yield { email: `tarpit+r${index}@${domain}`, v };
  }
}

test('claims stop at 64 MB of variables, and go on as batches end', async () => {
  const id = await draftCampaign(world.api, { recipients: [] });
  await world.api.upload(`/v1/campaigns/${id}/recipients`, rows());
  let most = 0;
  let done = false;
  const watching = until(async () => {
    most = Math.max(most, world.engine.load().batches);
    await sleep(5);
    return done;
  });
  await world.api.post(`/v1/campaigns/${id}/start`);
  await untilState(world.api, id, 'completed');
  done = true;
  await watching;

  expect(await account(world, id)).toMatchObject({ recipients: 1_400, accepted: 1_400 });
  // 11 batches are more than 64 MB; the last read may bring two.
  expect(most).toBeGreaterThan(4);
  expect(most).toBeLessThanOrEqual(12);
}, 90_000);
