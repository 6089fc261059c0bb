import { beforeAll, describe, expect, test } from 'vitest';
import { getDelivery, listDeliveries } from '../../src/campaigns/deliveries.ts';
import type { DeliveryQuery, DeliveryState } from '../../src/campaigns/deliveries.ts';
import { startCampaign } from '../../src/campaigns/lifecycle.ts';
import { balance, campaignReport, stepFor, verifyBalance } from '../../src/campaigns/reports.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { EventKind } from '../../src/kernel/events.ts';
import { addToRollups } from '../../src/kernel/rollups/store.ts';
import { addCounts } from '../harness/counts.ts';
import { expandCampaign } from '../../src/scheduler/expand/expand.ts';
import { useDatabase } from '../harness/database.ts';
import { makeCampaign, testDeps, uploadCsv } from './fixture.ts';

const database = useDatabase();
const deps = () => testDeps(database.sql);

async function expanded(addresses: string[]): Promise<bigint> {
  const campaign = await makeCampaign(deps());
  await uploadCsv(deps(), campaign.id, `email\n${addresses.join('\n')}\n`);
  await startCampaign(deps(), campaign.id);
  const { sql } = database;
  await expandCampaign({ sql, clock: systemClock, batchSize: 10, chunkSize: 7 }, campaign.id);
  return campaign.id;
}

/** What the recorder does to one delivery: state, event, rollups in one transaction. */
async function settle(
  campaignId: bigint,
  address: string,
  state: DeliveryState | null,
  kind: EventKind,
  cls = '',
  at = new Date(),
): Promise<bigint> {
  return database.sql.begin(async (tx) => {
    const [row] = await tx<{ id: bigint; domain: string }[]>`
      select d.id, r.domain from deliveries d join recipients r on r.id = d.recipient_id
      where d.campaign_id = ${campaignId} and r.address = ${address}`;
    if (row === undefined) throw new Error(`no delivery to ${address}`);
    if (state !== null) {
      await tx`
        update deliveries set state = ${state}, class = ${cls === '' ? null : cls}, attempts = attempts + 1
        where id = ${row.id}`;
    }
    await tx`
      insert into events (at, kind, campaign_id, delivery_id, class, reply_code, reply_text)
      values (${at}, ${kind}, ${campaignId}, ${row.id}, ${cls === '' ? null : cls}, 250, 'ok')`;
    await addToRollups(tx, [{ campaignId, at, domain: row.domain, kind, class: cls, count: 1 }]);
    return row.id;
  });
}

/** What the recorder does before a final dot. */
async function markOnWire(campaignId: bigint, addresses: string[]): Promise<void> {
  await database.sql`
    update batches b set state = 'claimed', owner = 'me', lease_until = now() + interval '1 hour',
      marked = b.marked + on_wire.ids
    from (
      select r.domain, range_agg(int8range(d.id, d.id, '[]')) as ids
      from deliveries d join recipients r on r.id = d.recipient_id
      where d.campaign_id = ${campaignId} and r.address = any(${addresses}::text[]) group by 1
    ) on_wire
    where b.campaign_id = ${campaignId} and b.domain = on_wire.domain and
      int8range(b.first_delivery_id, b.last_delivery_id, '[]') @> on_wire.ids`;
}

describe('the balance', () => {
  test('closes at every moment, and the rows say the same', async () => {
    await database.sql`
      insert into suppressions (address_key, reason, origin) values ('s@a.example', 'manual', 'operator')`;
    const names = ['acc', 'late', 'bad', 'exp', 's', 'can', 'amb', 'pen', 'snd'];
    const id = await expanded(names.map((name) => `${name}@a.example`));
    const check = async (expected: Record<string, number>): Promise<void> => {
      const now = await balance(deps(), id);
      expect(now).toMatchObject({ recipients: 9, closes: true, ...expected });
      expect(await verifyBalance(deps(), id)).toMatchObject({ agrees: true, counted: expected });
    };
    await check({ suppressed: 1, pending: 8 });
    await settle(id, 'acc@a.example', 'accepted', 'delivery.accepted');
    await settle(id, 'late@a.example', 'accepted', 'delivery.accepted');
    await settle(id, 'bad@a.example', 'bounced', 'delivery.bounced', 'bad_mailbox');
    await settle(id, 'exp@a.example', 'expired', 'delivery.expired', 'full');
    await settle(id, 'can@a.example', 'cancelled', 'delivery.cancelled');
    await settle(id, 'amb@a.example', 'ambiguous', 'delivery.ambiguous');
    await settle(id, 'pen@a.example', 'pending', 'delivery.deferred', 'greylisted');
    await settle(id, 'late@a.example', null, 'bounce.late', 'full');
    await markOnWire(id, ['snd@a.example']);
    await check({
      accepted: 1,
      bounced: 1,
      expired: 1,
      suppressed: 1,
      cancelled: 1,
      ambiguous: 1,
      pending: 2,
      bouncedLate: 1,
    });
    // An operator decides: the ambiguous one is taken back and counted as accepted.
    await settle(id, 'amb@a.example', 'accepted', 'delivery.accepted');
    await addCounts(database.sql, [
      {
        campaignId: id,
        at: new Date(),
        domain: 'a.example',
        kind: 'delivery.ambiguous',
        class: '',
        count: -1,
      },
    ]);
    await check({ accepted: 2, ambiguous: 0, pending: 2 });
  });

  test('a fact that was counted twice, or not at all, is found', async () => {
    const id = await expanded(['a@x.example', 'b@x.example']);
    await settle(id, 'a@x.example', 'accepted', 'delivery.accepted');
    expect((await verifyBalance(deps(), id)).agrees).toBe(true);
    await database.sql`update minute_rollups set count = 2 where campaign_id = ${id} and kind = 'delivery.accepted'`;
    const verified = await verifyBalance(deps(), id);
    expect(verified).toMatchObject({
      agrees: false,
      reported: { accepted: 2 },
      counted: { accepted: 1 },
    });
    await database.sql`update minute_rollups set count = 3 where campaign_id = ${id} and kind = 'delivery.accepted'`;
    expect((await balance(deps(), id)).closes).toBe(false);
    await database.sql`update minute_rollups set count = 1 where campaign_id = ${id}`;
    await database.sql`update campaigns set state = 'completed' where id = ${id}`;
    expect(await balance(deps(), id)).toMatchObject({ pending: 1, closes: false });
  });

  test('before the expansion everybody is pending', async () => {
    const campaign = await makeCampaign(deps());
    await uploadCsv(deps(), campaign.id, 'email\na@x.example\nb@x.example\n');
    expect(await balance(deps(), campaign.id)).toMatchObject({
      recipients: 2,
      pending: 2,
      closes: true,
    });
    expect(await verifyBalance(deps(), campaign.id)).toMatchObject({ agrees: true });
    await expect(balance(deps(), 999_999n)).rejects.toMatchObject({ code: 'not_found' });
    await expect(campaignReport(deps(), 999_999n)).rejects.toMatchObject({ code: 'not_found' });
    await expect(verifyBalance(deps(), 999_999n)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('the report', () => {
  test('by domain the largest and the rest, by class, and over time', async () => {
    const campaign = await makeCampaign(deps());
    const at = (minute: number) => new Date(Date.UTC(2026, 2, 1, 12, minute));
    const base = { campaignId: campaign.id, class: '', kind: 'delivery.accepted' as const };
    await addCounts(database.sql, [
      ...Array.from({ length: 60 }, (_, i) => ({
        ...base,
        at: at(0),
        domain: `d${i}.example`,
        count: 100 - i,
      })),
      {
        ...base,
        at: at(1),
        domain: 'd0.example',
        kind: 'delivery.bounced',
        class: 'bad_mailbox',
        count: 5,
      },
      { ...base, at: at(1), domain: 'd59.example', kind: 'bounce.late', class: 'full', count: 2 },
      {
        ...base,
        at: at(1),
        domain: 'd59.example',
        kind: 'delivery.deferred',
        class: 'full',
        count: 9,
      },
    ]);
    const report = await campaignReport(deps(), campaign.id);
    expect(report.byDomain).toHaveLength(51);
    expect(report.byDomain[0]).toMatchObject({ domain: 'd0.example', accepted: 100, bounced: 5 });
    const others = Array.from({ length: 10 }, (_, i) => 50 - i).reduce((a, b) => a + b);
    expect(report.byDomain[50]).toMatchObject({
      domain: null,
      accepted: others - 2,
      bouncedLate: 2,
      deferred: 9,
    });
    expect(report.byClass).toEqual([
      { class: 'bad_mailbox', bounced: 5, bouncedLate: 0, expired: 0, deferred: 0, count: 5 },
      { class: 'full', bounced: 0, bouncedLate: 2, expired: 0, deferred: 9, count: 2 },
    ]);
    expect(report.byKind).toEqual({ deferred: 9, complained: 0, unsubscribed: 0 });
    expect(report.timeline.stepMinutes).toBe(1);
    expect(report.timeline.points).toMatchObject([
      { at: at(0), bounced: 0 },
      { at: at(1), accepted: 0, bounced: 5, bouncedLate: 2, deferred: 9 },
    ]);
    await addCounts(database.sql, [
      { ...base, at: at(60 * 24 * 3), domain: 'd0.example', count: 1 },
    ]);
    const { timeline } = await campaignReport(deps(), campaign.id);
    expect(timeline.stepMinutes).toBe(15);
    expect(timeline.points).toHaveLength(2);
    expect(timeline.points[0]).toMatchObject({ at: at(0), bounced: 5 });
  });

  test('steps keep the timeline short', () => {
    for (const minutes of [0, 1, 299, 301, 10_000, 400_000]) {
      expect(minutes / stepFor(minutes)).toBeLessThanOrEqual(300);
    }
  });
});

describe('deliveries', () => {
  let id = 0n;
  const all: string[] = [];

  beforeAll(async () => {
    await database.sql`
      insert into suppressions (address_key, reason, origin)
      values ('only@quiet.example', 'manual', 'operator'), ('u0@m.example', 'manual', 'operator'),
        ('u24@m.example', 'manual', 'operator')`;
    for (const domain of ['z', 'm', 'a']) {
      for (let i = 0; i < 25; i += 1) all.push(`u${i}@${domain}.example`);
    }
    all.push('only@quiet.example', 'Solo@big.example');
    id = await expanded(all);
    await settle(id, 'u3@m.example', 'accepted', 'delivery.accepted');
    await settle(id, 'u3@m.example', null, 'bounce.late', 'full');
  });

  async function every(query: Parameters<typeof listDeliveries>[2], limit: number) {
    const found = [];
    let after: bigint | null = null;
    do {
      const page = await listDeliveries(deps(), id, query, { limit, after });
      found.push(...page.data);
      after = page.nextCursor;
    } while (after !== null);
    return found;
  }

  test('come in pages, each once', async () => {
    const found = await every({}, 10);
    expect(found.map(({ email }) => email).sort()).toEqual([...all].sort());
  });

  test.each(['z', 'm', 'a', 'quiet', 'big'])('by domain %s', async (name) => {
    const domain = `${name}.example`;
    const found = await every({ domain: domain.toUpperCase() }, 7);
    expect(found.map(({ email }) => email).sort()).toEqual(
      all.filter((address) => address.endsWith(`@${domain}`)).sort(),
    );
  });

  test('by state, by address, and both with a domain', async () => {
    expect((await every({ state: 'suppressed' }, 2)).map(({ email }) => email).sort()).toEqual(
      ['only@quiet.example', 'u0@m.example', 'u24@m.example'].sort(),
    );
    expect(await every({ state: 'suppressed', domain: 'm.example' }, 10)).toHaveLength(2);
    expect(await every({ email: 'sOLO@big.example' }, 10)).toMatchObject([
      { email: 'Solo@big.example', state: 'pending', bouncedLate: false },
    ]);
    expect(await every({ email: 'u3@m.example' }, 10)).toMatchObject([
      { state: 'accepted', bouncedLate: true, attempts: 1 },
    ]);
    expect(await every({ email: 'u3@m.example', domain: 'a.example' }, 10)).toEqual([]);
    expect(await every({ email: 'nobody@m.example' }, 10)).toEqual([]);
    expect(await every({ domain: 'nowhere.example' }, 10)).toEqual([]);
  });

  test('on the wire: shown as sending, and not among the pending', async () => {
    const on = ['u4@m.example', 'u5@m.example', 'Solo@big.example'];
    // One of them has its outcome: it stays marked, and is no longer sending.
    await markOnWire(id, [...on, 'u3@m.example']);
    const before = await every({}, 100);
    const emails = async (query: DeliveryQuery, limit: number): Promise<string[]> =>
      (await every(query, limit)).map(({ email }) => email).sort();
    expect(await emails({ state: 'sending' }, 1)).toEqual([...on].sort());
    expect(await emails({ state: 'sending', domain: 'm.example' }, 10)).toEqual(on.slice(0, 2));
    expect(await emails({ state: 'sending', domain: 'z.example' }, 10)).toEqual([]);
    const pending = before.filter(({ state }) => state === 'pending').map(({ email }) => email);
    expect(pending).not.toContain('u4@m.example');
    expect(await emails({ state: 'pending' }, 7)).toEqual(pending.sort());
    const [one] = await every({ email: 'u4@m.example' }, 1);
    expect(one).toMatchObject({ state: 'sending', bouncedLate: false });
    expect(await getDelivery(deps(), one?.id ?? 0n)).toMatchObject({ state: 'sending' });
    await database.sql`update batches set marked = '{}' where campaign_id = ${id}`;
    expect(await emails({ state: 'sending' }, 10)).toEqual([]);
  });

  test('one, with everything that happened to it', async () => {
    const [row] = await every({ email: 'u3@m.example' }, 1);
    const delivery = await getDelivery(deps(), row?.id ?? 0n);
    expect(delivery).toMatchObject({ email: 'u3@m.example', state: 'accepted' });
    expect(delivery.events.map(({ kind, replyCode }) => [kind, replyCode])).toEqual([
      ['delivery.accepted', 250],
      ['bounce.late', 250],
    ]);
  });

  test('what is not there, or no address', async () => {
    const page = { limit: 1, after: null };
    await expect(getDelivery(deps(), 999_999n)).rejects.toMatchObject({ code: 'not_found' });
    await expect(listDeliveries(deps(), 999_999n, {}, page)).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(listDeliveries(deps(), id, { email: 'x' }, page)).rejects.toMatchObject({
      code: 'invalid_request',
    });
    await expect(listDeliveries(deps(), id, { domain: 'a b' }, page)).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});
