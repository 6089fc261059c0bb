/** The upgrade of a database whose deliveries bore the mark themselves (0016_mark_on_batch). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { useDatabase } from '../harness/database.ts';
import { insertCampaign } from '../harness/rows.ts';
import { ROOT } from '../house/source-files.ts';

const database = useDatabase();

async function upgrade(): Promise<void> {
  const text = readFileSync(join(ROOT, 'drizzle/migrations/0016_mark_on_batch.sql'), 'utf8');
  await database.sql.begin(async (tx) => {
    await tx`alter table batches drop column marked`;
    await tx`alter table batches reset (fillfactor)`;
    for (const statement of text.split('--> statement-breakpoint')) await tx.unsafe(statement);
  });
}

test('what was sending is pending and marked by its batch; nothing else changes', async () => {
  const { sql } = database;
  const id = await insertCampaign(sql, {
    recipients: { 'a.example': 25, 'b.example': 10, 'c.example': 10 },
  });
  await expandCampaign({ sql, clock: systemClock, batchSize: 10, chunkSize: 1_000 }, id);
  const batches = await sql<{ id: bigint; first: bigint }[]>`
    select id, first_delivery_id as first from batches where campaign_id = ${id} order by 2`;
  expect(batches).toHaveLength(5);
  const [held, , , stuck, done] = batches;
  const at = (batch: typeof held, place: bigint): string => String((batch?.first ?? 0n) + place);
  await sql`
    update batches set state = 'claimed', owner = 'him', lease_until = 'infinity' where id = ${held!.id}`;
  await sql`update batches set state = 'done' where id = ${done!.id}`;
  await sql`
    update deliveries set state = 'sending'
    where id = any(${[at(held, 2n), at(held, 3n), at(held, 9n), at(stuck, 0n)]}::bigint[])`;
  await sql`
    update deliveries set state = 'accepted' where id = any(${[at(held, 4n), at(done, 0n)]}::bigint[])`;

  await upgrade();

  const states = await sql`
    select state, count(*)::int as n from deliveries where campaign_id = ${id} group by 1 order by 1`;
  expect(states).toEqual([
    { state: 'pending', n: 43 },
    { state: 'accepted', n: 2 },
  ]);
  const rows = await sql`
    select state, owner, marked, lease_until <= now() as lease_over from batches
    where campaign_id = ${id} order by first_delivery_id`;
  const ready = { state: 'ready', owner: null, marked: '{}', leaseOver: null };
  expect(rows).toEqual([
    {
      state: 'claimed',
      owner: 'him',
      marked: `{[${at(held, 2n)},${at(held, 4n)}),[${at(held, 9n)},${at(held, 10n)})}`,
      leaseOver: false,
    },
    ready,
    ready,
    // Nobody held it: the reaper takes it next.
    {
      state: 'claimed',
      owner: null,
      marked: `{[${at(stuck, 0n)},${at(stuck, 1n)})}`,
      leaseOver: true,
    },
    { ...ready, state: 'done' },
  ]);
});
