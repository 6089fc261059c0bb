import { expect, test } from 'vitest';
import {
  draftCampaign,
  startCampaign,
  statesOf,
  suppressedAddresses,
  until,
  untilState,
  useWorld,
} from '../harness/world.ts';

const world = useWorld();
const ONE_CLICK = 'List-Unsubscribe=One-Click';
const base = (): string => `http://127.0.0.1:${world.engine.apiPort}`;

/** Header fields of what a host got, unfolded. */
function headersOf(address: string): string {
  const [message] = world.range.ledger.messagesFor(address);
  const text = message?.bytes?.toString('utf8') ?? '';
  return (text.split('\r\n\r\n')[0] ?? '').replace(/\r\n[ \t]+/g, ' ');
}

/** As it is in the mail, led to the API as a proxy would. */
function linkIn(text: string): string {
  const path = /https:\/\/shop\.example(\/u\/[a-z2-7]+)/.exec(text)?.[1];
  if (path === undefined) throw new Error(`no link in ${text.slice(0, 500)}`);
  return base() + path;
}

const post = (url: string, body: string): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body,
  });
const unsubscribed = async () =>
  await world.sql`select 1 from events where kind = 'recipient.unsubscribed'`;

test('a thousand scanners follow the link and nobody is unsubscribed; one POST is enough, without cookie or redirect; the next campaign leaves him out', async () => {
  const recipients = ['accept+ann@gmail.example', 'accept+bob@gmail.example'];
  const id = await startCampaign(world.api, { recipients, mode: 'parallel' });
  await untilState(world.api, id, 'completed');
  const head = headersOf('accept+ann@gmail.example');
  expect(head).toContain('List-Unsubscribe-Post: List-Unsubscribe=One-Click');
  const link = linkIn(/^List-Unsubscribe: .*$/m.exec(head)?.[0] ?? '');

  for (let i = 0; i < 50; i += 1) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        fetch(n % 2 === 0 ? link : `${link}?${ONE_CLICK}`, {
          method: n % 4 === 3 ? 'HEAD' : 'GET',
          headers: { 'User-Agent': 'LinkScanner/1.0' },
        }),
      ),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    }
  }
  expect(await unsubscribed()).toEqual([]);
  expect(await suppressedAddresses(world.api)).toEqual(new Map());

  const done = await post(link, ONE_CLICK);
  expect([done.status, done.headers.get('location'), done.headers.get('set-cookie')]).toEqual([
    200,
    null,
    null,
  ]);
  expect(await suppressedAddresses(world.api)).toEqual(
    new Map([['accept+ann@gmail.example', 'unsubscribe']]),
  );
  const next = await startCampaign(world.api, { recipients, mode: 'parallel' });
  await untilState(world.api, next, 'completed');
  expect(await statesOf(world.api, next)).toEqual(
    new Map([
      ['accept+ann@gmail.example', 'suppressed'],
      ['accept+bob@gmail.example', 'accepted'],
    ]),
  );
}, 60_000);

test('the link of a single copy asks who, mails him his own link, and that one unsubscribes him', async () => {
  const recipients = ['accept+carl@qq.example', 'accept+dora@qq.example'];
  const id = await draftCampaign(world.api, {
    recipients,
    mode: 'single_copy',
    subject: 'The same for all',
    html: '<p>The same for all. <a href="{{unsubscribe_url}}">Unsubscribe</a></p>',
  });
  await world.api.post(`/v1/campaigns/${id}/start`);
  await untilState(world.api, id, 'completed');
  const messages = world.range.ledger.messagesFor('accept+carl@qq.example');
  expect(messages[0]?.recipients).toHaveLength(2);
  const head = headersOf('accept+carl@qq.example');
  expect(head).not.toMatch(/^List-Unsubscribe-Post:/m);
  const link = linkIn(/^List-Unsubscribe: .*$/m.exec(head)?.[0] ?? '');

  const page = await (await fetch(link)).text();
  expect(page).toContain('type="email"');
  const before = await suppressedAddresses(world.api);
  const asked = await post(link, `${ONE_CLICK}&email=accept%2Bcarl%40qq.example`);
  const stranger = await post(link, `${ONE_CLICK}&email=accept%2Bstranger%40qq.example`);
  expect(await asked.text()).toBe(await stranger.text());
  expect(await suppressedAddresses(world.api)).toEqual(before);

  const mails = () => world.range.ledger.messagesFor('accept+carl@qq.example');
  await until(() => mails().length === 2);
  expect(world.range.ledger.messagesFor('accept+stranger@qq.example')).toEqual([]);
  const raw = mails()[1]?.bytes?.toString('utf8') ?? '';
  expect(raw).toMatch(/^Auto-Submitted: auto-generated/m);
  const own = linkIn(raw.replaceAll('=\r\n', ''));
  expect(own).not.toBe(link);
  await (await fetch(own)).arrayBuffer();
  expect(await suppressedAddresses(world.api)).toEqual(before);
  expect((await post(own, ONE_CLICK)).status).toBe(200);
  const now = await suppressedAddresses(world.api);
  expect(now.get('accept+carl@qq.example')).toBe('unsubscribe');
  expect(now.has('accept+dora@qq.example')).toBe(false);
}, 60_000);
