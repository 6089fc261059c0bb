/**
 * A late bounce in the balance: counted once, against an acceptance that is counted, whatever came
 * first. The real recorder of outcomes beside the real recorder of what comes back.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readDestination } from '../../src/bounce/destination.ts';
import { inspectMessage } from '../../src/bounce/inspect.ts';
import { fingerprintOf } from '../../src/bounce/intake.ts';
import { createReturnRecorder } from '../../src/bounce/record.ts';
import { getDelivery } from '../../src/campaigns/deliveries.ts';
import { balance, campaignReport, verifyBalance } from '../../src/campaigns/reports.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { countLateBounces } from '../../src/scheduler/keep/keeper.ts';
import type { Batch } from '../../src/scheduler/queue/store.ts';
import { createRecorder } from '../../src/scheduler/record/recorder.ts';
import type { Entry, Recorder } from '../../src/scheduler/record/recorder.ts';
import { resolveAmbiguous } from '../../src/scheduler/resolve/resolve.ts';
import { bounceAddress } from '../../src/verp/address.ts';
import { signToken } from '../../src/verp/token.ts';
import { BOUNCE_DOMAIN, dsn, ring } from '../bounce/returns.ts';
import { useDatabase } from '../harness/database.ts';
import { testDeps } from './fixture.ts';
import { claim, expandedCampaign } from '../harness/work.ts';

const database = useDatabase();
const OWNER = 'me';
let recorder: Recorder;

beforeAll(() => {
  const { sql } = database;
  recorder = createRecorder({ sql, owner: OWNER, clock: systemClock, log: createLogger('silent') });
});
afterAll(() => recorder.stop(5_000));
beforeEach(async () => {
  await database.sql`truncate suppressions, inbound_messages`;
});

interface Sent {
  campaignId: bigint;
  batch: Batch;
  deliveryIds: bigint[];
}

/** Claimed and marked: the final dots may be out. */
async function onTheWire(recipients: number, ambiguityPolicy = 'hold'): Promise<Sent> {
  const { sql } = database;
  const campaignId = await expandedCampaign(sql, {
    recipients: { 'x.example': recipients },
    ambiguityPolicy,
  });
  const [batch] = await claim(sql, campaignId, { owner: OWNER });
  const first = batch!.firstDeliveryId;
  const deliveryIds = Array.from({ length: recipients }, (_, index) => first + BigInt(index));
  await recorder.mark(deliveryIds.map((deliveryId) => ({ deliveryId, batchId: batch!.id })));
  return { campaignId, batch: batch!, deliveryIds };
}

type End = Pick<Entry['decision'], 'state' | 'event' | 'class'>;
const ACCEPTED: End = { state: 'accepted', event: 'delivery.accepted', class: null };
const BOUNCED: End = { state: 'bounced', event: 'delivery.bounced', class: 'content' };
const AMBIGUOUS: End = { state: 'ambiguous', event: 'delivery.ambiguous', class: null };

function end({ campaignId, batch }: Sent, deliveryId: bigint, how: End): void {
  recorder.record({
    deliveryId,
    batchId: batch.id,
    campaignId,
    domain: 'x.example',
    addressKey: 'r@x.example',
    decision: {
      ...how,
      rule: null,
      nextAttemptAt: null,
      counted: true,
      suppression: null,
      soft: null,
    },
    outcome: null,
  });
}

const settled = ({ batch }: Sent): Promise<void> => recorder.settle(batch.id);

async function report(deliveryId: bigint, mark = 'one'): Promise<void> {
  const address = bounceAddress(signToken(ring, 'delivery', deliveryId), BOUNCE_DOMAIN);
  const raw = Buffer.from(dsn([{ recipient: 'r@x.example' }], { mark }));
  const destination = readDestination(ring, address)!;
  await createReturnRecorder({ sql: database.sql, keyRing: ring }).record({
    destination,
    envelopeSender: '',
    fingerprint: fingerprintOf(destination.address, createHash('sha256').update(raw).digest()),
    raw,
    inspection: await inspectMessage(raw),
    receivedAt: new Date(),
  });
}

async function count(): Promise<void> {
  await database.sql.begin((tx) => countLateBounces(tx, new Date()));
}
const deps = () => testDeps(database.sql);

async function expectBalance({ campaignId }: Sent, figures: object): Promise<void> {
  expect(await balance(deps(), campaignId)).toMatchObject({ closes: true, ...figures });
  expect(await verifyBalance(deps(), campaignId)).toMatchObject({
    agrees: true,
    counted: figures,
  });
}

const state = async (id: bigint): Promise<string> => (await getDelivery(deps(), id)).state;

test('a report about an accepted delivery moves its recipient, and leaves the row', async () => {
  const sent = await onTheWire(2);
  const [first] = sent.deliveryIds;
  for (const id of sent.deliveryIds) end(sent, id, ACCEPTED);
  await settled(sent);
  await expectBalance(sent, { accepted: 2, bouncedLate: 0 });
  await report(first!);
  await expectBalance(sent, { recipients: 2, accepted: 1, bouncedLate: 1, pending: 0 });
  expect(await state(first!)).toBe('accepted');
  expect(await getDelivery(deps(), first!)).toMatchObject({ bouncedLate: true });
  const { byDomain, timeline } = await campaignReport(deps(), sent.campaignId);
  expect(byDomain).toMatchObject([{ domain: 'x.example', accepted: 1, bouncedLate: 1 }]);
  expect(timeline.points.reduce((sum, point) => sum + point.accepted, 0)).toBe(2);
  await report(first!, 'another');
  await count();
  await expectBalance(sent, { accepted: 1, bouncedLate: 1 });
});

test('a report that overtakes the acceptance waits for it, and counts once', async () => {
  const sent = await onTheWire(2);
  const [first] = sent.deliveryIds;
  await report(first!);
  await count();
  await expectBalance(sent, { accepted: 0, bouncedLate: 0, pending: 2 });
  expect(await getDelivery(deps(), first!)).toMatchObject({ state: 'sending', bouncedLate: false });
  for (const id of sent.deliveryIds) end(sent, id, ACCEPTED);
  await settled(sent);
  await expectBalance(sent, { accepted: 2, bouncedLate: 0, pending: 0 });
  await report(first!, 'another');
  await Promise.all([count(), count(), count()]);
  await expectBalance(sent, { accepted: 1, bouncedLate: 1, pending: 0 });
});

test('it counts nothing when the delivery ends otherwise', async () => {
  const sent = await onTheWire(1);
  await report(sent.deliveryIds[0]!);
  end(sent, sent.deliveryIds[0]!, BOUNCED);
  await settled(sent);
  await count();
  await expectBalance(sent, { accepted: 0, bouncedLate: 0, bounced: 1, pending: 0 });
  expect(await database.sql`select 1 from early_bounces`).toEqual([]);
  expect(await getDelivery(deps(), sent.deliveryIds[0]!)).toMatchObject({ bouncedLate: false });
});

test('of an ambiguous delivery it counts when a person says that it was accepted', async () => {
  const sent = await onTheWire(2);
  for (const id of sent.deliveryIds) end(sent, id, AMBIGUOUS);
  await settled(sent);
  await report(sent.deliveryIds[0]!);
  await count();
  await expectBalance(sent, { ambiguous: 2, accepted: 0, bouncedLate: 0 });
  await resolveAmbiguous(deps(), sent.campaignId, 'accepted');
  await count();
  await expectBalance(sent, { ambiguous: 0, accepted: 1, bouncedLate: 1 });
});

test('reports and acceptances at one moment: never negative, each counted once', async () => {
  const sent = await onTheWire(150);
  let running = true;
  async function watch(): Promise<void> {
    while (running) {
      const now = await balance(deps(), sent.campaignId);
      expect(now).toMatchObject({ closes: true });
      expect(now.accepted).toBeGreaterThanOrEqual(0);
      await count();
    }
  }
  const watching = watch();
  await Promise.all(
    sent.deliveryIds.map(async (id, index) => {
      if (index % 2 === 0) end(sent, id, ACCEPTED);
      await report(id);
      if (index % 2 === 1) end(sent, id, ACCEPTED);
    }),
  );
  await settled(sent);
  running = false;
  await watching;
  await count();
  await expectBalance(sent, { recipients: 150, accepted: 0, bouncedLate: 150, pending: 0 });
});
