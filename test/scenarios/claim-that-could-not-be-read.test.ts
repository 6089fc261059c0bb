import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { account, startCampaign, untilState, until, useWorld } from '../harness/world.ts';

const world = useWorld({
  range: { tarpitMs: 50 },
  env: {
    VOLLEY_MAX_CONNECTIONS: '4',
    VOLLEY_MAX_CONNECTIONS_PER_DESTINATION: '1',
    VOLLEY_BATCH_SIZE: '10',
    VOLLEY_LEASE_SECONDS: '5',
    VOLLEY_LOG_LEVEL: 'silent',
  },
});

test('a claim whose recipients could not be read is freed when its lease ends', async () => {
  const domains = ['qq.example', 'gmail.example', 'naver.example', 'daum.example'];
  const recipients = domains.flatMap((domain) =>
    Array.from({ length: 60 }, (_, index) => `tarpit+r${index}@${domain}`),
  );
  const id = await startCampaign(world.api, { recipients });
  await until(() => world.range.ledger.addressesAccepted().size >= 10);
  await world.sql`alter table recipients rename to recipients_away`;
  await until(async () => {
    const [row] = await world.sql<{ n: number }[]>`
      select count(*)::int as n from batches where state = 'claimed'`;
    // Those that were in memory have ended; what is claimed now could not be read.
    await sleep(100);
    return row !== undefined && row.n > 0 && world.engine.load().batches === 0;
  });
  await world.sql`alter table recipients_away rename to recipients`;
  await untilState(world.api, id, 'completed');
  expect(await account(world, id)).toMatchObject({ recipients: 240, accepted: 240 });
}, 60_000);
