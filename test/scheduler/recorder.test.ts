import { selectDeliveryEvents } from '../../src/campaigns/deliveries/store.ts';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { createRecorder } from '../../src/scheduler/record/recorder.ts';
import type { Entry } from '../../src/scheduler/record/recorder.ts';
import { useDatabase } from '../harness/database.ts';
import { claim, expandedCampaign } from '../harness/work.ts';

const database = useDatabase();

async function claimed(count: number) {
  const { sql } = database;
  const campaignId = await expandedCampaign(sql, { recipients: { 'a.example': count } });
  const [batch] = await claim(sql, campaignId);
  if (batch === undefined) throw new Error('no batch');
  return { campaignId, batch };
}

function accepted(campaignId: bigint, batchId: bigint, deliveryId: bigint, text: string): Entry {
  return {
    campaignId,
    batchId,
    deliveryId,
    domain: 'a.example',
    addressKey: 'r@a.example',
    decision: {
      state: 'accepted',
      event: 'delivery.accepted',
      class: null,
      rule: null,
      nextAttemptAt: null,
      counted: true,
      suppression: null,
      soft: null,
    },
    outcome: {
      result: 'accepted',
      stage: 'dot',
      reply: { code: 250, enhanced: null, text },
      failure: null,
      mxHost: 'mx.a.example',
      mxAddress: '127.0.0.1',
      sourceAddress: null,
      tls: null,
      startedAt: new Date(),
      durationMs: 1,
    },
  };
}

test('an outcome that the database refuses keeps its state and stops nobody else', async () => {
  const { sql } = database;
  const { campaignId, batch } = await claimed(300);
  const log = createLogger('silent');
  const recorder = createRecorder({ sql, owner: 'me', clock: systemClock, log });
  for (let index = 0n; index < 300n; index += 1n) {
    // PostgreSQL has no NUL in its texts.
    const text = index === 170n ? 'never\u0000' : 'queued';
    recorder.record(accepted(campaignId, batch.id, batch.firstDeliveryId + index, text));
  }
  await recorder.settle(batch.id);
  await recorder.stop(1_000);

  const states = await sql`
    select state, count(*)::int as n from deliveries where campaign_id = ${campaignId} group by state`;
  expect(states).toEqual([{ state: 'accepted', n: 300 }]);
  const events = await sql`
    select reply_text, count(*)::int as n from events
    where campaign_id = ${campaignId} and kind = 'delivery.accepted' group by 1 order by 2`;
  expect(events).toEqual([
    { replyText: null, n: 1 },
    { replyText: 'queued', n: 299 },
  ]);
  const [counted] = await sql`
    select sum(count)::int as n from daily_rollups
    where campaign_id = ${campaignId} and kind = 'delivery.accepted'`;
  expect(counted).toEqual({ n: 300 });
});

test('what TLS was is kept as it was: verified, not verified, in clear', async () => {
  const { sql } = database;
  const { campaignId, batch } = await claimed(3);
  const log = createLogger('silent');
  const recorder = createRecorder({ sql, owner: 'me', clock: systemClock, log });
  for (const [index, tlsVerified] of [true, false, null].entries()) {
    const entry = accepted(campaignId, batch.id, batch.firstDeliveryId + BigInt(index), 'ok');
    const { outcome } = entry;
    if (outcome === null) throw new Error('no outcome');
    recorder.record({
      ...entry,
      outcome: tlsVerified === null ? outcome : { ...outcome, tls: 'TLSv1.3', tlsVerified },
    });
  }
  await recorder.settle(batch.id);
  await recorder.stop(1_000);

  const events = await sql<{ tlsVerified: boolean | null }[]>`
    select tls_verified from events
    where campaign_id = ${campaignId} and kind = 'delivery.accepted' order by delivery_id`;
  expect(events.map((event) => event.tlsVerified)).toEqual([true, false, null]);
});

test('one reply for many is one event, and each of them is told it', async () => {
  const { sql } = database;
  const { campaignId, batch } = await claimed(40);
  const recorder = createRecorder({
    sql,
    owner: 'me',
    clock: systemClock,
    log: createLogger('silent'),
  });
  const ids = Array.from({ length: 40 }, (_, index) => batch.firstDeliveryId + BigInt(index));
  await recorder.mark(ids.map((deliveryId) => ({ deliveryId, batchId: batch.id })));
  const { outcome, ...rest } = accepted(campaignId, batch.id, 0n, 'queued as one');
  if (outcome === null) throw new Error('no outcome');
  for (const [index, deliveryId] of ids.entries()) {
    // The eleventh had a reply of his own, though it says the same.
    const own = { ...outcome, reply: { code: 250, enhanced: null, text: 'queued as one' } };
    recorder.record({ ...rest, deliveryId, outcome: index === 10 ? own : outcome });
  }
  await recorder.settle(batch.id);
  await recorder.stop(1_000);

  const events = await sql<{ deliveryId: bigint; lastDeliveryId: bigint | null }[]>`
    select delivery_id, last_delivery_id from events
    where campaign_id = ${campaignId} and kind = 'delivery.accepted' order by id`;
  const first = batch.firstDeliveryId;
  expect(events).toEqual([
    { deliveryId: first, lastDeliveryId: first + 9n },
    { deliveryId: first + 10n, lastDeliveryId: null },
    { deliveryId: first + 11n, lastDeliveryId: first + 39n },
  ]);
  for (const deliveryId of ids) {
    const told = await selectDeliveryEvents(sql, deliveryId, 10);
    expect(told.map(({ replyText, attempt }) => [replyText, attempt])).toEqual([
      ['queued as one', 1],
    ]);
  }
  expect(await selectDeliveryEvents(sql, first + 40n, 10)).toEqual([]);
  const states = await sql`
    select state, attempts, count(*)::int as n from deliveries
    where campaign_id = ${campaignId} group by 1, 2`;
  expect(states).toEqual([{ state: 'accepted', attempts: 1, n: 40 }]);
});
