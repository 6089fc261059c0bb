import { beforeAll, beforeEach, expect, test } from 'vitest';
import { bounceAddress, unsubscribeAddress } from '../../src/verp/address.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { signToken } from '../../src/verp/token.ts';
import { BOUNCE_DOMAIN, dsn, sentCampaign } from '../bounce/returns.ts';
import { SECRET, useApi } from './harness.ts';

const api = useApi();
const ring = createKeyRing([SECRET]);
let deliveryId = 0n;
let to = '';

beforeEach(async () => {
  await api.database
    .sql`truncate suppressions, events, inbound_messages, daily_rollups, minute_rollups`;
});
beforeAll(async () => {
  const sent = await sentCampaign(api.database.sql, ['ann@x.example']);
  deliveryId = sent.deliveryIds[0] ?? 0n;
  to = bounceAddress(signToken(ring, 'delivery', deliveryId), BOUNCE_DOMAIN);
});

const hand = (message: string, query = '', headers: Record<string, string> = {}) =>
  api.call(
    'POST',
    `/v1/inbound${query}`,
    { body: message },
    { as: 'send', headers: { 'Content-Type': 'message/rfc822', ...headers } },
  );
const report = () => dsn([{ recipient: 'ann@x.example' }]);
const facts = async () =>
  (await api.database.sql<{ kind: string }[]>`select kind from events order by id`).map(
    ({ kind }) => kind,
  );

test('a bounce with its envelope recipient is recorded, and a second time nothing is', async () => {
  const query = `?recipient=${encodeURIComponent(to.toUpperCase())}`;
  const first = await hand(report(), query);
  const second = await hand(report(), query);

  expect([first.status, second.status]).toEqual([200, 200]);
  expect(first.body).toMatchObject({ duplicate: false, kind: 'bounce', recipient: to });
  expect(first.body.id).toMatch(/^inb_/);
  expect(second.body).toMatchObject({ duplicate: true, id: null });
  expect(await facts()).toEqual(['bounce.late', 'suppression.added']);
});

test.each([
  ['Delivered-To', (address: string) => address],
  ['X-Original-To', (address: string) => `<${address}>`],
  ['Envelope-To', (address: string) => address],
  ['To', (address: string) => `"Bounces, all" <${address}>, other@else.example`],
])('without one it is found in %s', async (field, write) => {
  const answer = await hand(`${field}: ${write(to)}\r\n${report()}`);

  expect(answer.body).toMatchObject({ recipient: to, kind: 'bounce' });
});

test('what a delivering host wrote goes before what the author wrote', async () => {
  const other = bounceAddress(signToken(ring, 'delivery', deliveryId + 1_000n), BOUNCE_DOMAIN);
  const { body } = await hand(`To: ${other}\r\nDelivered-To: ${to}\r\n${report()}`);

  expect(body).toMatchObject({ recipient: to });
});

test('without any address the signed trace of the returned message says whose it is', async () => {
  const trace = signToken(ring, 'feedback', deliveryId);
  const message = dsn([{ recipient: 'elsewhere@y.example' }], { trace });
  expect((await hand(message)).body).toMatchObject({ recipient: `trace:${trace}` });

  const [event] = await api.database.sql`
    select delivery_id, kind from events where kind = 'bounce.late'`;
  expect(event).toMatchObject({ deliveryId });
});

test('the envelope sender counts for who leaves a single copy', async () => {
  const { batchId } = await sentCampaign(api.database.sql, ['bob@x.example']);
  const batch = unsubscribeAddress(signToken(ring, 'unsubscribe_batch', batchId), BOUNCE_DOMAIN);
  await hand(
    'Subject: unsubscribe\r\n\r\n',
    `?recipient=${encodeURIComponent(batch)}&sender=bob@x.example`,
  );

  expect(await facts()).toContain('recipient.unsubscribed');
});

test.each([
  ['nobody of ours', 'To: someone@elsewhere.example\r\n\r\nhello'],
  ['postmaster in a field that anybody writes', `To: postmaster@${BOUNCE_DOMAIN}\r\n\r\nhello`],
  ['nothing at all', ''],
  ['not even text', '\u0000\u0001\u0002'],
])('a message that names %s is refused and not kept', async (_what, message) => {
  const answer = await hand(message);

  expect([answer.status, answer.body.code]).toEqual([422, 'invalid_request']);
  expect(await api.database.sql`select 1 from inbound_messages`).toEqual([]);
});

test('forged and foreign recipients are refused, by name', async () => {
  const forged = bounceAddress(
    signToken(createKeyRing(['another secret of thirty-two characters']), 'delivery', deliveryId),
    BOUNCE_DOMAIN,
  );
  for (const recipient of [forged, to.replace(BOUNCE_DOMAIN, 'else.example'), 'a@b.example']) {
    const answer = await hand(report(), `?recipient=${encodeURIComponent(recipient)}`);
    expect(answer.body.errors).toMatchObject([{ pointer: 'recipient' }]);
  }
  expect(await api.database.sql`select 1 from inbound_messages`).toEqual([]);
});

test('too large, packed, of another type, or without a key: refused', async () => {
  const query = `?recipient=${encodeURIComponent(to)}`;
  const large = await hand('x'.repeat(1_000_001), query);
  const packed = await hand(report(), query, { 'Content-Encoding': 'gzip' });
  const other = await hand(report(), query, { 'Content-Type': 'text/plain' });
  const reader = await api.call('POST', `/v1/inbound${query}`, { body: 'x' }, { as: 'read' });

  expect([large, packed, other, reader].map(({ status }) => status)).toEqual([413, 415, 415, 403]);
  expect(await api.database.sql`select 1 from inbound_messages`).toEqual([]);
});
