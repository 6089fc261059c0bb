import PostalMime from 'postal-mime';
import { beforeEach, expect, test } from 'vitest';
import type { NoticeOrder } from '../../src/bounce/notices.ts';
import { listCampaigns } from '../../src/campaigns/campaigns.ts';
import { createNotices } from '../../src/campaigns/notices.ts';
import { createMessageSource } from '../../src/campaigns/source.ts';
import { useDatabase } from '../harness/database.ts';
import { makeSender, testDeps } from './fixture.ts';
import { bytesOf } from '../harness/message.ts';

const database = useDatabase();
let now = new Date('2026-03-01T12:00:00Z');
const deps = () => ({ ...testDeps(database.sql), clock: () => now });
let senderId: bigint;

beforeEach(async () => {
  await database.sql`truncate notices, recipients, campaigns cascade`;
  senderId = (await makeSender(deps())).id;
});

const order = (to: string[], more: Partial<NoticeOrder> = {}): NoticeOrder => ({
  kind: 'list',
  senderId,
  notices: to.map((address) => ({
    to: address,
    subject: 'Please confirm {{x}}',
    text: 'Line one <b>\nLine two {{y}}',
    replyTo: 'list-confirm+abc@bounce.shop.example',
  })),
  perAddressADay: null,
  perHour: null,
  ...more,
});

async function send(what: NoticeOrder): Promise<number> {
  return database.sql.begin((tx) => createNotices(deps()).send(tx, what));
}

test('an order is a started campaign that the list of campaigns does not show', async () => {
  const { asked, ...rest } = deps();
  const sent = await database.sql.begin((tx) =>
    createNotices(rest).send(tx, order(['Ann@One.example', 'ann@one.example', 'b@two.example'])),
  );

  expect(sent).toBe(2);
  const [campaign] = await database.sql`select id, state, recipient_count, purpose from campaigns`;
  expect(campaign).toMatchObject({ state: 'expanding', recipientCount: 2n, purpose: 'notice' });
  expect(asked.expansions).toEqual([campaign?.['id']]);
  expect((await listCampaigns(rest, { limit: 10, after: null })).data).toEqual([]);
});

test('what is written is what was ordered, says that a program wrote it, and where to answer', async () => {
  await send(order(['ann@one.example']));
  const [row] = await database.sql<{ campaignId: bigint; variablesJson: string | null }[]>`
    select campaign_id, variables::text as variables_json from recipients`;
  const messages = await createMessageSource(deps()).open(row?.campaignId ?? 0n);
  const rendered = await messages.render({
    deliveryId: 1n,
    recipientId: 1n,
    address: 'ann@one.example',
    name: null,
    variablesJson: row?.variablesJson ?? null,
  });
  if (!rendered.ok) throw new Error(rendered.reason);
  const mail = await PostalMime.parse(bytesOf(rendered.message));

  expect(mail.subject).toBe('Please confirm {{x}}');
  expect(mail.text?.trim()).toBe('Line one <b>\nLine two {{y}}');
  expect(mail.html).toContain('Line one &lt;b&gt;');
  const header = (key: string) => mail.headers.filter((each) => each.key === key);
  expect(header('auto-submitted').map(({ value }) => value)).toEqual(['auto-generated']);
  expect(header('reply-to').map(({ value }) => value)).toEqual([
    'list-confirm+abc@bounce.shop.example',
  ]);
  expect(header('list-unsubscribe')).toEqual([]);
});

test('limits: an address a day, all an hour; and they pass', async () => {
  now = new Date('2026-03-01T12:00:00Z');
  const limits = { perAddressADay: 2, perHour: 4 };
  const sent: number[] = [];
  for (let i = 0; i < 3; i += 1) sent.push(await send(order(['ann@one.example'], limits)));
  expect(sent).toEqual([1, 1, 0]);
  const many = ['a@one.example', 'b@one.example', 'c@one.example'];
  expect(await send(order(many, limits))).toBe(2);
  expect(await send(order(['ann@one.example'], { ...limits, kind: 'unsubscribe' }))).toBe(1);
  now = new Date('2026-03-01T13:00:01Z');
  expect(await send(order(['ann@one.example', 'd@one.example'], limits))).toBe(1);
  now = new Date('2026-03-02T12:00:01Z');
  expect(await send(order(['ann@one.example'], limits))).toBe(1);
});

test('nothing stays of a transaction that fails', async () => {
  const failing = database.sql.begin(async (tx) => {
    await createNotices(deps()).send(tx, order(['ann@one.example']));
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await database.sql`select 1 from campaigns union all select 1 from notices`).toEqual([]);
});
