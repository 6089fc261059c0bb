import { beforeEach, describe, expect, test } from 'vitest';
import { createNotices } from '../../src/campaigns/notices.ts';
import { retentionPurges } from '../../src/campaigns/retention.ts';
import {
  purgeAttempts,
  purgeInbound,
  purgeNotices,
  purgeRejects,
} from '../../src/campaigns/retention/store.ts';
import { verifyBalance } from '../../src/campaigns/reports.ts';
import { useDatabase } from '../harness/database.ts';
import { insertCampaign } from '../harness/rows.ts';
import { makeSender, testDeps } from './fixture.ts';

const database = useDatabase();
const NOW = new Date('2026-11-01T12:00:00Z');
const DAYS = { inboundDays: 90, attemptDays: 400, noticeDays: 180, rejectDays: 90 };
const daysAgo = (days: number): Date => new Date(NOW.getTime() - days * 86_400_000);
async function purge(isStopping = () => false): Promise<void> {
  const deps = { sql: database.sql, clock: () => NOW };
  for (const work of Object.values(retentionPurges(deps, DAYS, isStopping))) await work();
}

beforeEach(async () => {
  await database.sql`
    truncate inbound_messages, events, notices, uploads, upload_rejects, suppression_imports,
      suppression_import_rejects, recipients, deliveries, batches, daily_rollups, minute_rollups,
      provider_rollups, watched_addresses, campaigns, contents, senders cascade`;
  await database.sql`delete from counters where name = 'events_purged'`;
});

describe('returned messages', () => {
  const insert = (count: number, at: Date) => database.sql`
    insert into inbound_messages (received_at, fingerprint, envelope_sender, envelope_recipient,
      kind, raw)
    select ${at}, decode(md5(${at.toISOString()}::text || n), 'hex'), '', 'b@x.example', 'bounce', 'x'
    from generate_series(1, ${count}::int) n`;

  test('older than their days go, in chunks; the others stay', async () => {
    await insert(1_200, daysAgo(91));
    await insert(7, daysAgo(89));
    await purge();
    const rows = await database.sql`select received_at from inbound_messages`;
    expect(rows.map((row) => row['receivedAt'] as Date)).toEqual(Array(7).fill(daysAgo(89)));
  });

  test('never more in one statement than asked for, and by an index', async () => {
    await insert(30, daysAgo(91));
    expect(await purgeInbound(database.sql, daysAgo(90), 20)).toBe(20);
    expect(await purgeInbound(database.sql, daysAgo(90), 20)).toBe(10);
    expect(await purgeInbound(database.sql, daysAgo(90), 20)).toBe(0);
  });
});

describe('attempts', () => {
  const insert = (kinds: readonly string[], at: Date, campaignId: bigint, deliveryId = 1n) =>
    database.sql`
      insert into events (at, kind, campaign_id, delivery_id)
      select ${at}, kind, ${campaignId}, ${deliveryId} from unnest(${kinds as string[]}::text[]) kind`;
  const kinds = async () =>
    (await database.sql<{ kind: string }[]>`select kind from events order by id`).map(
      (row) => row.kind,
    );

  test('of old deliveries go; what counts once, people decided or was audited stays', async () => {
    const kept = [
      'delivery.resolved',
      'bounce.late',
      'feedback.complaint',
      'recipient.unsubscribed',
      'suppression.added',
      'campaign.started',
    ];
    await insert(['delivery.deferred', 'delivery.accepted', ...kept], daysAgo(401), 1n);
    await insert(['delivery.accepted'], daysAgo(399), 1n, 2n);
    await purge();
    expect(await kinds()).toEqual([...kept, 'delivery.accepted']);
  });

  test('the balance and the count of late bounces are the same afterwards', async () => {
    const { sql } = database;
    const campaignId = await insertCampaign(sql, {
      recipients: ['a@x.example', 'b@x.example'],
      state: 'completed',
    });
    await sql`
      insert into deliveries (id, campaign_id, recipient_id, state)
      select row_number() over (order by id), campaign_id, id, 'accepted' from recipients`;
    const at = daysAgo(500);
    await sql`
      insert into minute_rollups (campaign_id, minute, kind, count) values
        (${campaignId}, ${at}, 'delivery.accepted', 2), (${campaignId}, ${at}, 'bounce.late', 1)`;
    await insert(['delivery.accepted', 'bounce.late'], at, campaignId, 1n);
    await insert(['delivery.accepted'], at, campaignId, 2n);
    const before = await verifyBalance(testDeps(sql), campaignId);
    expect(before).toMatchObject({ agrees: true });
    await purge();
    expect(await kinds()).toEqual(['bounce.late']);
    expect(await verifyBalance(testDeps(sql), campaignId)).toEqual(before);
  });

  test('the walk remembers where it was, and does not pass what is not old', async () => {
    const { sql } = database;
    const old = Array<string>(25).fill('delivery.deferred');
    await insert(old, daysAgo(401), 1n);
    await insert(['delivery.deferred'], daysAgo(10), 1n);
    const counts: number[] = [];
    for (let i = 0; i < 4; i += 1) counts.push(await purgeAttempts(sql, daysAgo(400), 10));
    expect(counts).toEqual([10, 10, 5, 0]);
    expect(await kinds()).toEqual(['delivery.deferred']);
    expect(await purgeAttempts(sql, daysAgo(9), 10)).toBe(1);
    expect(await kinds()).toEqual([]);
  });

  test('two nodes at one time do the work once', async () => {
    await insert(Array<string>(500).fill('delivery.deferred'), daysAgo(401), 1n);
    await Promise.all([purge(), purge(), purge()]);
    expect(await kinds()).toEqual([]);
  });
});

describe('notices', () => {
  /** Ordered, and delivered so many days ago. */
  async function notice(to: string, days: number): Promise<bigint> {
    const { sql } = database;
    const deps = { ...testDeps(sql), clock: () => daysAgo(days) };
    const [found] = await sql<{ id: bigint }[]>`select id from senders limit 1`;
    const senderId = found?.id ?? (await makeSender(deps)).id;
    await sql.begin((tx) =>
      createNotices(deps).send(tx, {
        kind: 'list',
        senderId,
        notices: [{ to, subject: 'Hi', text: 'Confirm?', replyTo: null }],
        perAddressADay: null,
        perHour: null,
      }),
    );
    const [campaign] = await sql<{ id: bigint }[]>`
      update campaigns set state = 'completed', finished_at = ${daysAgo(days)}
      where id = (select max(id) from campaigns) returning id`;
    const id = campaign?.id ?? 0n;
    await sql`
      insert into deliveries (id, campaign_id, recipient_id, state)
      select id, campaign_id, id, 'accepted' from recipients where campaign_id = ${id}`;
    await sql`
      insert into batches (campaign_id, domain, first_delivery_id, last_delivery_id, state)
      select campaign_id, domain, id, id, 'done' from recipients where campaign_id = ${id}`;
    await sql`
      insert into minute_rollups (campaign_id, minute, kind, count)
      values (${id}, ${daysAgo(days)}, 'delivery.accepted', 1)`;
    await sql`
      insert into daily_rollups (campaign_id, day, domain, kind, count)
      values (${id}, '2026-01-01', 'x.example', 'delivery.accepted', 1)`;
    await sql`
      insert into provider_rollups (campaign_id, slot, provider, kind, count)
      values (${id}, ${daysAgo(days)}, 'other', 'delivery.accepted', 1)`;
    await sql`insert into events (kind, campaign_id) values ('suppression.added', ${id})`;
    return id;
  }
  const TABLES = ['notices', 'recipients', 'deliveries', 'batches', 'contents', 'campaigns'];
  const ROLLUPS = ['minute_rollups', 'daily_rollups', 'provider_rollups'];
  const counts = async (tables: readonly string[]) =>
    await Promise.all(
      tables.map(async (table) => {
        const [row] = await database.sql<{ n: number }[]>`
          select count(*)::int as n from ${database.sql(table)}`;
        return row?.n;
      }),
    );

  test('that are old go with everything of theirs; the audit of a suppression stays', async () => {
    await notice('old@x.example', 181);
    await notice('new@x.example', 179);
    await purge();
    expect(await counts([...TABLES, ...ROLLUPS])).toEqual(Array(9).fill(1));
    const kinds = await database.sql<{ kind: string }[]>`select kind from events order by id`;
    expect(kinds.map((row) => row.kind)).toEqual([
      'suppression.added',
      'campaign.started',
      'suppression.added',
    ]);
  });

  test('that the watch waits for, that are not done, and campaigns stay', async () => {
    const { sql } = database;
    const awaited = await notice('awaited@x.example', 400);
    await sql`
      insert into watched_addresses (address_key, state, since, due_at, campaign_id, class,
        notice_campaign_id)
      values ('awaited@x.example', 'warned', now(), now(), 1, 'full', ${awaited})`;
    const open = await notice('open@x.example', 400);
    await sql`update campaigns set state = 'sending' where id = ${open}`;
    const campaign = await insertCampaign(sql, { recipients: ['a@x.example'], state: 'completed' });
    await sql`update campaigns set finished_at = ${daysAgo(900)} where id = ${campaign}`;
    await purge();
    expect(await counts(['campaigns', 'recipients'])).toEqual([3, 3]);
    await sql`delete from watched_addresses`;
    await purge();
    expect(await counts(['campaigns', 'recipients'])).toEqual([2, 2]);
  });

  test('chunk by chunk', async () => {
    for (let i = 0; i < 3; i += 1) await notice(`r${i}@x.example`, 200);
    expect(await purgeNotices(database.sql, daysAgo(180), 2)).toBe(2);
    expect(await purgeNotices(database.sql, daysAgo(180), 2)).toBe(1);
    expect(await counts(TABLES)).toEqual(Array(6).fill(0));
  });
});

test('rejected rows of old uploads and imports go; their counts stay', async () => {
  const { sql } = database;
  for (const days of [200, 95, 80]) {
    const at = daysAgo(days);
    await sql`
      with made as (
        insert into uploads (campaign_id, accepted, duplicate, invalid, suppressed, created_at)
        values (1, 0, 0, 40, 0, ${at}) returning id)
      insert into upload_rejects (upload_id, row_number, input, code, reason)
      select id, n, 'x', 'address_invalid', 'no' from made, generate_series(1, 40) n`;
    await sql`
      with made as (
        insert into suppression_imports (created_by, added, extended, unchanged, rejected, created_at)
        values ('cli', 0, 0, 0, 40, ${at}) returning id)
      insert into suppression_import_rejects (import_id, row_number, input, reason)
      select id, n, 'x', 'no' from made, generate_series(1, 40) n`;
  }
  expect(await purgeRejects(sql, daysAgo(90), 50)).toBe(50);
  await purge();
  for (const table of ['upload_rejects', 'suppression_import_rejects']) {
    expect(await sql`select 1 from ${sql(table)}`).toHaveLength(40);
  }
  expect(await sql`select 1 from uploads`).toHaveLength(3);
  expect(await sql`select 1 from suppression_imports`).toHaveLength(3);
});

test('an end of the process is not waited for longer than one chunk', async () => {
  await database.sql`
    insert into inbound_messages (received_at, fingerprint, envelope_sender, envelope_recipient,
      kind, raw)
    select ${daysAgo(100)}, decode(md5(n::text), 'hex'), '', '', 'bounce', ''
    from generate_series(1, 1200) n`;
  let asked = 0;
  await purge(() => (asked += 1) > 1);
  expect(await database.sql`select 1 from inbound_messages`).toHaveLength(700);
});
