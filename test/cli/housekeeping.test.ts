/** The hourly housekeeping: one chore that fails stops no other. */
import { expect, test } from 'vitest';
import { keepHouse } from '../../src/cli/housekeeping.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const NOW = new Date('2026-11-01T12:00:00Z');
const LONG_AGO = new Date('2020-01-01T00:00:00Z');

async function keep(isStopping: () => boolean) {
  const failed: string[] = [];
  let refreshed = 0;
  await keepHouse(
    {
      sql: database.sql,
      clock: () => NOW,
      log: { error: ({ chore }: { chore: string }) => void failed.push(chore) } as never,
      days: { inboundDays: 90, attemptDays: 400, noticeDays: 180, rejectDays: 90 },
      refreshPolicies: () => {
        refreshed += 1;
      },
    },
    isStopping,
  );
  return { failed, refreshed };
}

async function insertOld(): Promise<void> {
  const { sql } = database;
  await sql`
    insert into inbound_messages (received_at, fingerprint, envelope_sender, envelope_recipient, kind, raw)
    values (${LONG_AGO}, '\\x01', '', 'b@x.example', 'bounce', 'x')`;
  await sql`
    insert into suppression_imports (created_by, added, extended, unchanged, rejected, created_at)
    values ('me', 0, 0, 0, 1, ${LONG_AGO})`;
  await sql`
    insert into suppression_import_rejects (import_id, row_number, input, reason)
    select max(id), 1, 'x', 'has no @' from suppression_imports`;
}

async function left(): Promise<number[]> {
  const [row] = await database.sql<{ inbound: number; rejects: number }[]>`
    select (select count(*)::int from inbound_messages) as inbound,
      (select count(*)::int from suppression_import_rejects) as rejects`;
  return [row?.inbound ?? -1, row?.rejects ?? -1];
}

test('chores that fail are named, and all others are done', async () => {
  const { sql } = database;
  await insertOld();
  // The first that asks the database, and one in the middle.
  await sql`alter table idempotency_keys rename to away_keys`;
  await sql`alter table counters rename to away_counters`;
  try {
    expect(await keep(() => false)).toEqual({
      failed: ['idempotency keys', 'attempts'],
      refreshed: 1,
    });
  } finally {
    await sql`alter table away_keys rename to idempotency_keys`;
    await sql`alter table away_counters rename to counters`;
  }
  expect(await left()).toEqual([0, 0]);
  expect((await keep(() => false)).failed).toEqual([]);
});

test('who stops does not wait for what is not begun', async () => {
  await insertOld();
  expect(await keep(() => true)).toEqual({ failed: [], refreshed: 0 });
  expect(await left()).toEqual([1, 1]);
});
