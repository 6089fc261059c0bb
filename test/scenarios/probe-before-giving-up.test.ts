import { afterAll, beforeAll, expect, test } from 'vitest';
import { SOFT_LIMITS } from '../../src/bounce/policy.ts';
import { takeWatchTurn } from '../../src/bounce/watch/keeper.ts';
import { createNotices } from '../../src/campaigns/notices.ts';
import { loadLetters } from '../../src/campaigns/notices/letters.ts';
import { createLogger } from '../../src/kernel/log.ts';
import {
  startCampaign,
  startWorld,
  suppressedAddresses,
  until,
  untilState,
} from '../harness/world.ts';
import type { TestWorld } from '../harness/world.ts';

let world: TestWorld;
beforeAll(async () => void (world = await startWorld()));
afterAll(() => world.stop());

/** The watch `days` from now; everything else runs on the real clock. */
async function watchIn(days: number): Promise<void> {
  const { deps } = world.engine;
  const clock = () => new Date(Date.now() + days * 86_400_000);
  await takeWatchTurn({
    sql: world.sql,
    clock,
    log: createLogger('silent'),
    // On the real clock: a message is sent before its campaign expires.
    notices: createNotices(deps),
    compose: loadLetters(),
    action: 'probe',
    limits: SOFT_LIMITS,
    times: { warnAfterDays: 1, probeAfterDays: 3, graceDays: 5 },
  });
}

async function noticesDone(count: number): Promise<void> {
  await until(async () => {
    const [row] = await world.sql`
      select count(*)::int as n from campaigns where purpose = 'notice' and state = 'completed'`;
    return row?.['n'] === count;
  });
  await world.range.idle();
}

const STUBBORN = 'latefull+ann@qq.example';
const BACK = 'accept+bob@qq.example';

test('who keeps bouncing is warned, asked, and only then given up; who answers is not', async () => {
  const id = await startCampaign(world.api, { recipients: [STUBBORN, BACK] });
  await untilState(world.api, id, 'completed');
  await world.range.idle();
  // One bounce is real; the other four happened on the days before.
  const [campaign] = await world.sql<{ id: bigint }[]>`select max(id) as id from campaigns`;
  await world.sql`
    insert into soft_bounces (address_key, kind, day, count, class, evidence, campaign_id)
    select a, 'full', current_date - n, 1, 'full', '452 4.2.2 full', ${campaign?.id ?? 0n}
    from unnest(${[STUBBORN, BACK]}::text[]) a, generate_series(1, 4) n`;
  await world.sql`
    insert into soft_bounces (address_key, kind, day, count, class, campaign_id)
    values (${BACK}, 'full', current_date, 1, 'full', ${campaign?.id ?? 0n})`;

  await watchIn(0);
  await watchIn(1.1);
  await noticesDone(1);
  expect(world.range.ledger.addressesAccepted().get(STUBBORN)).toBe(2);
  expect(await suppressedAddresses(world.api)).toEqual(new Map());
  await watchIn(2);
  await watchIn(5.1);
  await noticesDone(2);
  expect(world.range.ledger.addressesAccepted().get(STUBBORN)).toBe(3);
  await watchIn(6);
  await watchIn(9);

  expect(await suppressedAddresses(world.api)).toEqual(new Map([[STUBBORN, 'soft_bounce_limit']]));
  expect(world.range.ledger.addressesAccepted().get(BACK)).toBe(2);
  expect(await world.sql`select 1 from watched_addresses`).toEqual([]);
  expect(await world.sql`select 1 from soft_bounces where address_key = ${BACK}`).toEqual([]);
});
