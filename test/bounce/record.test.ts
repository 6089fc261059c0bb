import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Arrival } from '../../src/bounce/arrival.ts';
import { readDestination } from '../../src/bounce/destination.ts';
import { inspectMessage } from '../../src/bounce/inspect.ts';
import { fingerprintOf } from '../../src/bounce/intake.ts';
import { createReturnRecorder } from '../../src/bounce/record.ts';
import { releaseSuppression } from '../../src/bounce/suppressions/store.ts';
import type { Wish } from '../../src/bounce/findings.ts';
import { unsubscribeByToken } from '../../src/bounce/unsubscribe.ts';
import { bounceAddress, unsubscribeAddress } from '../../src/verp/address.ts';
import { signToken } from '../../src/verp/token.ts';
import { useDatabase } from '../harness/database.ts';
import { BOUNCE_DOMAIN, complaint, dsn, ring, sentCampaign } from './returns.ts';

const database = useDatabase();
const now = new Date('2026-03-01T10:00:30Z');

beforeEach(async () => {
  await database.sql`truncate suppressions, soft_bounces, events, inbound_messages,
    daily_rollups, minute_rollups`;
});

async function arrival(address: string, text: string, envelopeSender = ''): Promise<Arrival> {
  const raw = Buffer.from(text);
  const destination = readDestination(ring, address)!;
  const digest = createHash('sha256').update(raw).digest();
  return {
    destination,
    envelopeSender,
    fingerprint: fingerprintOf(destination.address, digest),
    raw,
    inspection: await inspectMessage(raw),
    receivedAt: now,
  };
}

const recorder = () => createReturnRecorder({ sql: database.sql, keyRing: ring });
const record = async (address: string, text: string) =>
  recorder().record(await arrival(address, text));
const toDelivery = (id: bigint) => bounceAddress(signToken(ring, 'delivery', id), BOUNCE_DOMAIN);
const toBatch = (id: bigint) => bounceAddress(signToken(ring, 'batch', id), BOUNCE_DOMAIN);

const kinds = async () =>
  (await database.sql<{ kind: string }[]>`select kind from events order by id`).map(
    (row) => row.kind,
  );
const suppressed = async () =>
  (
    await database.sql<{ text: string }[]>`
      select address_key || ' ' || reason || ' ' || scope || ' ' || scope_value as text
      from suppressions where released_at is null order by address_key`
  ).map((row) => row.text.trim());
const rollups = async () =>
  await database.sql`
    select d.kind, d.domain, d.class, d.count, m.count as minute_count
    from daily_rollups d join minute_rollups m using (campaign_id, kind) order by d.kind, d.domain`;

describe('a late report', () => {
  test('leaves message, event, suppression and rollups, all about the delivery of the token', async () => {
    const { campaignId, deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const id = deliveryIds[0]!;
    await record(toDelivery(id), dsn([{ recipient: 'ann@x.example' }]));

    const [message] = await database.sql`select * from inbound_messages`;
    expect(message).toMatchObject({
      kind: 'bounce',
      campaignId,
      deliveryId: id,
      envelopeSender: '',
      envelopeRecipient: toDelivery(id),
      receivedAt: now,
    });
    const [event] = await database.sql`select * from events where kind = 'bounce.late'`;
    expect(event).toMatchObject({
      at: now,
      campaignId,
      deliveryId: id,
      class: 'bad_mailbox',
      enhancedCode: '5.1.1',
      data: { action: 'failed', recipient: 'ann@x.example' },
    });
    expect((event?.data as { inbound: string }).inbound).toMatch(/^inb_[0-9a-z]{13}$/);
    expect(await suppressed()).toEqual(['ann@x.example hard_bounce global']);
    expect(await rollups()).toEqual([
      {
        kind: 'bounce.late',
        domain: 'x.example',
        class: 'bad_mailbox',
        count: 1n,
        minuteCount: 1n,
      },
    ]);
    const [delivery] = await database.sql`select state from deliveries where id = ${id}`;
    expect(delivery).toEqual({ state: 'accepted' });
  });

  test('the same message again is recorded once, one after the other and side by side', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const [address, text] = [toDelivery(deliveryIds[0]!), dsn([{ recipient: 'ann@x.example' }])];
    await Promise.all([1, 2, 3].map(() => record(address, text)));
    const same = recorder();
    const again = await arrival(address, text);
    await Promise.all([same.record(again), same.record(again), same.record(again)]);
    expect(await kinds()).toEqual(['bounce.late', 'suppression.added']);
    expect(await database.sql`select 1 from inbound_messages`).toHaveLength(1);
    expect(await rollups()).toMatchObject([{ count: 1n, minuteCount: 1n }]);
  });

  test('another report about the same delivery is kept, and counts nothing', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const address = toDelivery(deliveryIds[0]!);
    const marks = ['a', 'b', 'c', 'd'];
    await Promise.all(
      marks.map((mark) => record(address, dsn([{ recipient: 'ann@x.example' }], { mark }))),
    );
    expect(await database.sql`select 1 from inbound_messages`).toHaveLength(4);
    expect((await kinds()).filter((kind) => kind === 'bounce.late')).toHaveLength(1);
    expect(await rollups()).toMatchObject([{ count: 1n, minuteCount: 1n }]);
  });

  test('a delay suppresses nobody and counts nothing; the failure after it does', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const address = toDelivery(deliveryIds[0]!);
    await record(
      address,
      dsn([{ recipient: 'ann@x.example', action: 'delayed', status: '4.4.1' }]),
    );
    expect(await kinds()).toEqual(['bounce.notice']);
    expect(await suppressed()).toEqual([]);
    expect(await rollups()).toEqual([]);
    await record(address, dsn([{ recipient: 'ann@x.example' }]));
    expect(await kinds()).toEqual(['bounce.notice', 'bounce.late', 'suppression.added']);
  });

  test('a full mailbox is a late bounce and no suppression', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const full = {
      recipient: 'ann@x.example',
      status: '5.2.2',
      diagnostic: '552 5.2.2 Mailbox full',
    };
    await record(toDelivery(deliveryIds[0]!), dsn([full]));
    expect(await kinds()).toEqual(['bounce.late']);
    expect(await suppressed()).toEqual([]);
    expect(await rollups()).toMatchObject([{ class: 'full', count: 1n }]);
  });

  test('a full mailbox is one soft bounce of the day, however many reports say so', async () => {
    const full = {
      recipient: 'ann@x.example',
      status: '5.2.2',
      diagnostic: '552 5.2.2 Mailbox full',
    };
    for (const state of ['accepted', 'accepted', 'expired']) {
      const sent = await sentCampaign(database.sql, ['ann@x.example'], state);
      for (const mark of ['a', 'b']) {
        await record(toDelivery(sent.deliveryIds[0]!), dsn([full], { mark }));
      }
    }
    const rows = await database.sql`
      select address_key, kind, day::text, count, class, evidence, fresh from soft_bounces`;
    // The third was counted when it expired.
    expect(rows).toEqual([
      {
        addressKey: 'ann@x.example',
        kind: 'full',
        day: '2026-03-01',
        count: 2,
        class: 'full',
        evidence: '552 5.2.2 Mailbox full',
        fresh: true,
      },
    ]);
  });

  test.each(['550 5.7.1 Poor reputation', '554 5.7.1 Message is spam', '451 4.7.0 Rate limited'])(
    'a report that says %s counts against nobody',
    async (diagnostic) => {
      const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
      const status = diagnostic.slice(4, 9);
      const report = dsn([{ recipient: 'ann@x.example', status, diagnostic }]);
      await record(toDelivery(deliveryIds[0]!), report);
      expect(await kinds()).toEqual(['bounce.late']);
      expect(await database.sql`select 1 from soft_bounces`).toEqual([]);
    },
  );

  test('after a release the same report does not suppress again, a new one does', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const address = toDelivery(deliveryIds[0]!);
    await record(address, dsn([{ recipient: 'ann@x.example' }]));
    await releaseSuppression(database.sql, 'ann@x.example', 'me');
    await record(address, dsn([{ recipient: 'ann@x.example' }]));
    expect(await suppressed()).toEqual([]);
    await record(address, dsn([{ recipient: 'ann@x.example' }], { mark: 'new' }));
    expect(await suppressed()).toEqual(['ann@x.example hard_bounce global']);
  });
});

describe('a report that is faster than we are', () => {
  async function marked(addresses: string[], onWire: number[]) {
    const sent = await sentCampaign(database.sql, addresses, 'pending');
    const ids = onWire.map((index) => sent.deliveryIds[index]!);
    const ranges = `{${ids.map((id) => `[${id},${id}]`).join(',')}}`;
    await database.sql`
      update batches set state = 'claimed', owner = 'me', lease_until = 'infinity',
        marked = ${ranges}::int8multirange where id = ${sent.batchId}`;
    return sent;
  }
  const early = async () =>
    (await database.sql<{ deliveryId: bigint }[]>`select delivery_id from early_bounces`).map(
      (row) => row.deliveryId,
    );

  test('about a delivery that is marked it is late, and waits to be counted', async () => {
    await database.sql`truncate early_bounces`;
    const { deliveryIds } = await marked(['ann@x.example', 'bob@x.example'], [0]);
    await record(toDelivery(deliveryIds[0]!), dsn([{ recipient: 'ann@x.example' }]));
    expect(await kinds()).toEqual(['bounce.late', 'suppression.added']);
    expect(await early()).toEqual([deliveryIds[0]]);
    expect(await rollups()).toEqual([]);
  });

  test('about one that is not, in the same batch, it is a notice', async () => {
    await database.sql`truncate early_bounces`;
    const { deliveryIds } = await marked(['ann@x.example', 'bob@x.example'], [0]);
    await record(toDelivery(deliveryIds[1]!), dsn([{ recipient: 'bob@x.example' }]));
    expect(await kinds()).toEqual(['bounce.notice', 'suppression.added']);
    expect(await early()).toEqual([]);
  });

  test('about recipients of a copy: each as he stands', async () => {
    await database.sql`truncate early_bounces`;
    const names = ['ann', 'bob', 'cat'].map((name) => `${name}@x.example`);
    const { batchId, deliveryIds } = await marked(names, [1, 2]);
    await database.sql`update deliveries set state = 'bounced' where id = ${deliveryIds[2]!}`;
    await record(toBatch(batchId), dsn(names.map((recipient) => ({ recipient }))));
    const facts = await database.sql`
      select kind, delivery_id from events where kind like 'bounce.%' order by 2`;
    expect(facts).toEqual([
      { kind: 'bounce.notice', deliveryId: deliveryIds[0] },
      { kind: 'bounce.late', deliveryId: deliveryIds[1] },
      { kind: 'bounce.notice', deliveryId: deliveryIds[2] },
    ]);
    expect(await early()).toEqual([deliveryIds[1]]);
  });
});

describe('a batch', () => {
  test('one report about two of its recipients, one stranger', async () => {
    await sentCampaign(database.sql, ['stranger@x.example']);
    const { batchId, campaignId, deliveryIds } = await sentCampaign(database.sql, [
      'ann@x.example',
      'bob@x.example',
      'eve@x.example',
    ]);
    await record(
      toBatch(batchId),
      dsn([
        { recipient: 'ann@x.example' },
        { recipient: 'rewritten@y.example', original: 'BOB@x.example' },
        { recipient: 'stranger@x.example' },
      ]),
    );
    const events = await database.sql`
      select campaign_id, delivery_id from events where kind = 'bounce.late' order by delivery_id`;
    expect(events).toEqual([
      { campaignId, deliveryId: deliveryIds[0] },
      { campaignId, deliveryId: deliveryIds[1] },
    ]);
    expect(await suppressed()).toEqual([
      'ann@x.example hard_bounce global',
      'bob@x.example hard_bounce global',
    ]);
    expect(await rollups()).toMatchObject([{ count: 2n, minuteCount: 2n }]);
    const [message] = await database.sql`select campaign_id, delivery_id from inbound_messages`;
    expect(message).toEqual({ campaignId, deliveryId: null });
  });

  test('an address of the campaign that is in another batch is not named', async () => {
    const first = await sentCampaign(database.sql, ['ann@x.example']);
    const second = await sentCampaign(database.sql, ['bob@x.example']);
    await database.sql`
      update deliveries set campaign_id = ${first.campaignId} where campaign_id = ${second.campaignId}`;
    await database.sql`
      update recipients set campaign_id = ${first.campaignId} where campaign_id = ${second.campaignId}`;
    await record(toBatch(first.batchId), dsn([{ recipient: 'bob@x.example' }]));
    expect(await kinds()).toEqual(['bounce.notice']);
    const [event] = await database.sql`select campaign_id, delivery_id from events`;
    expect(event).toEqual({ campaignId: first.campaignId, deliveryId: null });
  });
});

describe('complaints and unsubscribes', () => {
  test('a complaint suppresses everywhere and counts once', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const address = toDelivery(deliveryIds[0]!);
    await record(address, complaint('ann@x.example'));
    await record(address, complaint('ann@x.example', 'abuse', 'two'));
    expect(await suppressed()).toEqual(['ann@x.example complaint global']);
    expect(await rollups()).toMatchObject([{ kind: 'feedback.complaint', count: 1n }]);
  });

  test('mail to the unsubscribe address suppresses the stream', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const token = signToken(ring, 'unsubscribe', deliveryIds[0]!);
    await record(unsubscribeAddress(token, BOUNCE_DOMAIN), 'Subject: unsubscribe\r\n\r\n');
    expect(await suppressed()).toEqual(['ann@x.example unsubscribe stream shop.example/marketing']);
    const [message] = await database.sql`select kind from inbound_messages`;
    expect(message).toEqual({ kind: 'unsubscribe' });
  });

  const leave = (token: string, more: Partial<Wish> = {}) =>
    unsubscribeByToken({ sql: database.sql, keyRing: ring, clock: () => now }, token, {
      choice: 'list',
      why: null,
      how: 'one-click link',
      ...more,
    });

  test('the link: the scope is the one chosen, a pause ends, and the reason is kept', async () => {
    const names = ['list', 'pause', 'sender', 'all'] as const;
    const { deliveryIds } = await sentCampaign(
      database.sql,
      names.map((name) => `${name}@x.example`),
    );
    for (const [i, choice] of names.entries()) {
      await leave(signToken(ring, 'unsubscribe', deliveryIds[i]!), { choice, why: 'too_many' });
    }
    const rows = await database.sql`
      select address_key, scope, scope_value, evidence, expires_at from suppressions order by id`;
    const evidence = 'one-click link; why: too_many';
    const stream = { scope: 'stream', scopeValue: 'shop.example/marketing', evidence };
    expect(rows).toEqual([
      { addressKey: 'list@x.example', ...stream, expiresAt: null },
      {
        addressKey: 'pause@x.example',
        ...stream,
        expiresAt: new Date(now.getTime() + 30 * 86_400_000),
      },
      {
        addressKey: 'sender@x.example',
        scope: 'sender',
        scopeValue: 'shop.example',
        evidence,
        expiresAt: null,
      },
      { addressKey: 'all@x.example', scope: 'global', scopeValue: '', evidence, expiresAt: null },
    ]);
    expect((await kinds()).filter((kind) => kind.startsWith('recipient.'))).toEqual([
      'recipient.unsubscribed',
      'recipient.paused',
      'recipient.unsubscribed',
      'recipient.unsubscribed',
    ]);
  });

  test('the link: a pause does not shorten what was for ever, and may become for ever', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['a@x.example', 'b@x.example']);
    const [a, b] = deliveryIds.map((id) => signToken(ring, 'unsubscribe', id));
    await leave(a!);
    await leave(a!, { choice: 'pause' });
    await leave(b!, { choice: 'pause' });
    await leave(b!);
    const rows = await database.sql`
      select address_key, expires_at from suppressions where released_at is null order by 1`;
    expect(rows).toEqual([
      { addressKey: 'a@x.example', expiresAt: null },
      { addressKey: 'b@x.example', expiresAt: null },
    ]);
  });

  test('the link: once, twice, side by side: one event, one suppression, the same answer', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const token = signToken(ring, 'unsubscribe', deliveryIds[0]!);
    const answer = { outcome: 'unsubscribed', addressKey: 'ann@x.example', stream: 'marketing' };
    expect(await leave(token)).toEqual(answer);
    const again = await Promise.all([1, 2, 3].map(() => leave(token.toUpperCase())));
    expect(again).toEqual([answer, answer, answer]);
    expect(await kinds()).toEqual(['recipient.unsubscribed', 'suppression.added']);
    expect(await rollups()).toMatchObject([{ kind: 'recipient.unsubscribed', count: 1n }]);
  });

  test('the link: other kinds of token, forged and unknown ones change nothing', async () => {
    const { deliveryIds, batchId } = await sentCampaign(database.sql, ['ann@x.example']);
    const unknown = { outcome: 'unknown' };
    expect(await leave(signToken(ring, 'delivery', deliveryIds[0]!))).toEqual(unknown);
    expect(await leave(signToken(ring, 'unsubscribe', 987_654n))).toEqual(unknown);
    expect(await leave('')).toEqual(unknown);
    expect(await leave(signToken(ring, 'unsubscribe_batch', batchId))).toEqual(unknown);
    expect(await kinds()).toEqual([]);
  });
});

describe('the recorder', () => {
  test('records hundreds side by side, each once, in a few transactions', async () => {
    const addresses = Array.from({ length: 500 }, (_, i) => `u${i}@x.example`);
    const { deliveryIds } = await sentCampaign(database.sql, addresses);
    const one = recorder();
    const two = recorder();
    const arrivals = await Promise.all(
      deliveryIds.map((id, i) => arrival(toDelivery(id), dsn([{ recipient: addresses[i]! }]))),
    );
    await Promise.all([
      ...arrivals.map((each) => one.record(each)),
      ...arrivals.toReversed().map((each) => two.record(each)),
    ]);
    expect(await database.sql`select 1 from inbound_messages`).toHaveLength(500);
    expect(await suppressed()).toHaveLength(500);
    expect(await rollups()).toMatchObject([{ count: 500n, minuteCount: 500n }]);
    const transactions = await database.sql`select distinct xmin::text from inbound_messages`;
    expect(transactions.length).toBeLessThan(20);
  });

  test('a message the database refuses does not keep the others of its group out', async () => {
    const addresses = Array.from({ length: 20 }, (_, i) => `v${i}@x.example`);
    const { deliveryIds } = await sentCampaign(database.sql, addresses);
    const arrivals = await Promise.all(
      deliveryIds.map((id, i) => arrival(toDelivery(id), dsn([{ recipient: addresses[i]! }]))),
    );
    // What cannot be stored as text: nothing that comes through the listener holds it.
    arrivals[7] = { ...arrivals[7]!, envelopeSender: 'nul\0@x.example' };
    const one = recorder();
    const results = await Promise.allSettled(arrivals.map((each) => one.record(each)));
    expect(results.map(({ status }) => status).indexOf('rejected')).toBe(7);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(await database.sql`select 1 from inbound_messages`).toHaveLength(19);
  });
});
