import { afterEach, expect, test } from 'vitest';
import {
  startCampaign,
  statesOf,
  suppressedAddresses,
  until,
  untilState,
  useWorld,
} from '../harness/world.ts';
import { hello } from '../range/client.ts';
import type { RawClient } from '../range/client.ts';

let shiftMs = 0;
const world = useWorld({ clock: () => new Date(Date.now() + shiftMs) });
const DAY_MS = 86_400_000;
const ANN = 'accept+ann@gmail.example';
const BOB = 'accept+bob@gmail.example';
const LIST = 'bounce.shop.example';
const open: RawClient[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

let marks = 0;
/** Replies to RCPT and to the dot of a mail to the listener. */
async function write(
  from: string,
  to: string,
  fields = 'Subject: please',
): Promise<{ rcpt: string; dot: string | null }> {
  const client = await hello('127.0.0.1', world.engine.bouncePort, 'mx.gmail.example');
  open.push(client);
  expect(await client.say(`MAIL FROM:<${from}>`)).toMatch(/^250 /);
  const rcpt = (await client.say(`RCPT TO:<${to}>`)) ?? '';
  if (!rcpt.startsWith('250')) return { rcpt, dot: null };
  await client.say('DATA');
  marks += 1;
  client.write(
    `From: <${from}>\r\n${fields}\r\nMessage-ID: <${marks}@gmail.example>\r\n\r\nHi\r\n`,
  );
  return { rcpt, dot: await client.say('.') };
}

const mailsTo = (address: string) => world.range.ledger.messagesFor(address);
/** Where the newest mail to him wants to be answered. */
function replyTo(address: string): string {
  const text = mailsTo(address).at(-1)?.bytes?.toString('utf8') ?? '';
  return /^Reply-To:\s*<?([^\s>]+)/im.exec(text.replace(/\r\n[ \t]+/g, ' '))?.[1] ?? '';
}

test('unsubscribe and subscribe by mail, as ezmlm does: asked back, confirmed with the cookie, done', async () => {
  const first = await startCampaign(world.api, { recipients: [ANN, BOB], mode: 'parallel' });
  await untilState(world.api, first, 'completed');

  expect((await write(ANN, `list-unsubscribe+marketing@${LIST}`)).dot).toMatch(/^250 /);
  await until(() => mailsTo(ANN).length === 2);
  expect(await suppressedAddresses(world.api)).toEqual(new Map());
  const cookie = replyTo(ANN);
  expect(cookie).toMatch(/^list-confirm\+[a-z2-7]+@bounce\.shop\.example$/);

  // Not for another, not with another letter, not at another list, not from nobody.
  const flipped = cookie.replace(/(.)@/, (_, last: string) => `${last === 'a' ? 'b' : 'a'}@`);
  expect((await write(BOB, cookie)).rcpt).toMatch(/^550 5\.1\.1 /);
  expect((await write('', cookie)).rcpt).toMatch(/^550 5\.1\.1 /);
  expect((await write(ANN, flipped)).rcpt).toMatch(/^550 5\.1\.1 /);
  expect((await write(ANN, cookie.replace(LIST, 'elsewhere.example'))).rcpt).toMatch(/^550 /);
  expect(await suppressedAddresses(world.api)).toEqual(new Map());

  for (let i = 0; i < 2; i += 1) expect((await write(ANN, cookie)).dot).toMatch(/^250 /);
  expect(await suppressedAddresses(world.api)).toEqual(new Map([[ANN, 'unsubscribe']]));
  const second = await startCampaign(world.api, { recipients: [ANN, BOB], mode: 'parallel' });
  await untilState(world.api, second, 'completed');
  expect((await statesOf(world.api, second)).get(ANN)).toBe('suppressed');

  const count = mailsTo(ANN).length;
  expect((await write(ANN, `list-subscribe+marketing@${LIST}`)).dot).toMatch(/^250 /);
  await until(() => mailsTo(ANN).length === count + 1);
  expect((await write(ANN, replyTo(ANN))).dot).toMatch(/^250 /);
  expect(await suppressedAddresses(world.api)).toEqual(new Map());
  const kinds = await world.sql<{ kind: string }[]>`
    select kind from events where kind like 'recipient.%' order by id`;
  expect(kinds.map(({ kind }) => kind)).toEqual(['recipient.unsubscribed', 'recipient.subscribed']);
}, 60_000);

test('a bounce, an automatic answer, a list and our own mail are kept and never answered', async () => {
  const to = `list-unsubscribe+marketing@${LIST}`;
  const before = mailsTo(ANN).length;
  const notices = async () => await world.sql`select 1 from campaigns where purpose = 'notice'`;
  const known = (await notices()).length;
  const own = mailsTo(ANN).at(-1)?.bytes?.toString('utf8').split('\r\n\r\n')[0] ?? '';
  const cases: [string, string][] = [
    ['', 'Subject: Undelivered Mail Returned to Sender'],
    [ANN, 'Auto-Submitted: auto-replied'],
    [ANN, 'Precedence: bulk'],
    [ANN, 'List-Id: <friends.gmail.example>'],
    [ANN, 'Mailing-List: contact friends-help@gmail.example; run by ezmlm'],
    ['friends-request@gmail.example', 'Subject: welcome'],
    [ANN, own],
  ];
  for (const [from, fields] of cases) {
    expect([fields, (await write(from, to, fields)).dot]).toEqual([
      fields,
      expect.stringMatching(/^250 /),
    ]);
  }
  expect((await notices()).length).toBe(known);
  expect(mailsTo(ANN)).toHaveLength(before);
  expect(await suppressedAddresses(world.api)).toEqual(new Map());
});

test('mail to the unsubscribe address: after 60 days too; forged is refused, replayed changes nothing', async () => {
  const head =
    mailsTo(BOB)[0]
      ?.bytes?.toString('utf8')
      .replace(/\r\n[ \t]+/g, ' ') ?? '';
  const mailto = /^List-Unsubscribe:.*<mailto:([^>?]+)/m.exec(head)?.[1] ?? '';
  expect(mailto).toMatch(/^u\+[a-z2-7]+@bounce\.shop\.example$/);
  const mine =
    mailsTo(ANN)[0]
      ?.bytes?.toString('utf8')
      .replace(/\r\n[ \t]+/g, ' ') ?? '';
  const bounceAddress = mailsTo(ANN)[0]?.mailFrom ?? '';
  expect(mine).not.toContain(mailto);
  const live = async () =>
    (await world.sql`select address_key from suppressions where released_at is null`).map(
      (row) => row['addressKey'] as string,
    );

  const flipped = mailto.replace(/(.)@/, (_, last: string) => `${last === 'a' ? 'b' : 'a'}@`);
  const token = /\+([a-z2-7]+)@/.exec(bounceAddress)?.[1] ?? '';
  for (const forged of [flipped, `u+${token}@${LIST}`, mailto.replace(LIST, 'elsewhere.example')]) {
    expect([forged, (await write(BOB, forged)).rcpt]).toEqual([
      forged,
      expect.stringMatching(/^550 5\.1\.1 /),
    ]);
  }
  expect(await live()).toEqual([]);

  shiftMs = 61 * DAY_MS;
  expect((await write(BOB, mailto)).dot).toMatch(/^250 /);
  expect(await live()).toEqual([BOB]);
  for (let i = 0; i < 3; i += 1) {
    expect((await write('someone@else.example', mailto)).dot).toMatch(/^250 /);
  }
  expect(await live()).toEqual([BOB]);
  const facts = await world.sql`
    select 1 from events where kind = 'recipient.unsubscribed' and delivery_id is not null`;
  expect(facts).toHaveLength(1);
});

test('a cookie is too old after ten days; the https link is not after 60', async () => {
  shiftMs = 70 * DAY_MS;
  const id = await startCampaign(world.api, { recipients: ['accept+eve@qq.example'] });
  await untilState(world.api, id, 'completed');
  const head = mailsTo('accept+eve@qq.example')[0]?.bytes?.toString('utf8') ?? '';
  const path = /https:\/\/shop\.example(\/u\/[a-z2-7]+)/.exec(
    head.replace(/=\r\n|\r\n[ \t]+/g, ''),
  );
  await write('accept+eve@qq.example', `list-unsubscribe+marketing@${LIST}`);
  await until(() => mailsTo('accept+eve@qq.example').length === 2);
  const cookie = replyTo('accept+eve@qq.example');

  shiftMs = 81 * DAY_MS;
  expect((await write('accept+eve@qq.example', cookie)).rcpt).toMatch(/^550 5\.1\.1 /);
  shiftMs = 140 * DAY_MS;
  const done = await fetch(`http://127.0.0.1:${world.engine.apiPort}${path?.[1] ?? ''}`, {
    method: 'POST',
    body: new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }),
  });
  expect(done.status).toBe(200);
  expect((await suppressedAddresses(world.api)).get('accept+eve@qq.example')).toBe('unsubscribe');
}, 60_000);
