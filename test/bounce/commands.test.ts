import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createAnswers } from '../../src/bounce/answers.ts';
import {
  isAutomatic,
  parseCommand,
  readCookie,
  signCookie,
  writerOf,
} from '../../src/bounce/commands.ts';
import type { ListRequest } from '../../src/bounce/commands.ts';
import { takeIn } from '../../src/bounce/intake.ts';
import { readMessage } from '../../src/bounce/message.ts';
import { createReception } from '../../src/bounce/reception.ts';
import { createNotices } from '../../src/campaigns/notices.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { testDeps } from '../campaigns/fixture.ts';
import { useDatabase } from '../harness/database.ts';
import { BOUNCE_DOMAIN, ring, sentCampaign } from './returns.ts';

const database = useDatabase();
let now = new Date('2026-03-01T12:00:00Z');
const REQUEST: ListRequest = {
  domain: BOUNCE_DOMAIN,
  stream: 'marketing',
  action: 'unsubscribe',
  addressKey: 'ann@x.example',
};
const DAY_MS = 86_400_000;

describe('a cookie', () => {
  const cookie = signCookie(ring, REQUEST, now);
  const read = (over: Partial<ListRequest> = {}, text = cookie, at = now) => {
    const { domain, addressKey } = { ...REQUEST, ...over };
    return readCookie(ring, text, domain, addressKey, at);
  };

  test('says what was asked, to the one who asked, for ten days, in any letter case', () => {
    expect(read()).toEqual(REQUEST);
    expect(read({}, cookie, new Date(now.getTime() + 10 * DAY_MS - 1_000))).toEqual(REQUEST);
    expect(read({}, cookie, new Date(now.getTime() + 10 * DAY_MS))).toBeNull();
    expect(read({}, cookie, new Date(now.getTime() - 3_600_000))).toBeNull();
    expect(parseCommand(`LIST-CONFIRM+${cookie.toUpperCase()}`)).toEqual({
      verb: 'confirm',
      cookie,
    });
    expect(`list-confirm+${cookie}`.length).toBeLessThanOrEqual(64);
  });

  test('is of no use to another address, at another domain, or under another secret', () => {
    expect(read({ addressKey: 'bob@x.example' })).toBeNull();
    expect(read({ domain: 'other.example' })).toBeNull();
    const other = createKeyRing(['another secret of thirty-two characters']);
    expect(readCookie(other, cookie, BOUNCE_DOMAIN, REQUEST.addressKey, now)).toBeNull();
    const rotated = createKeyRing([
      'another secret of thirty-two characters',
      'a secret of more than thirty-two characters',
    ]);
    expect(readCookie(rotated, cookie, BOUNCE_DOMAIN, REQUEST.addressKey, now)).toEqual(REQUEST);
  });

  test('with one character changed, or made up, is refused', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: cookie.length - 1 }),
        fc.constantFrom('a', 'b', 'c', 'z', '2', '7'),
        (at, letter) => {
          fc.pre(cookie[at] !== letter);
          expect(read({}, cookie.slice(0, at) + letter + cookie.slice(at + 1))).toBeNull();
        },
      ),
    );
    fc.assert(fc.property(fc.string(), (text) => read({}, text) === null));
  });
});

test.each([
  'list-subscribe',
  'list-subscribe+x',
  'list-subscribe+constructor',
  'list+marketing',
  'list-confirm+',
])('%s commands nothing', (local) => expect(parseCommand(local)).toBeNull());

test('the tag that changes with every mail is taken off the sender', () => {
  expect(writerOf('prvs=0123abcd=Ann@X.example')?.key).toBe('ann@x.example');
  expect(writerOf('')).toBeNull();
});

describe('who is never answered', () => {
  const automatic = (fields: string, sender = 'ann@x.example', kind = 'none') =>
    isAutomatic(sender, readMessage(Buffer.from(`${fields}\r\n\r\nhello`)).headers, {
      kind: kind as 'none',
    });

  test.each([
    'Auto-Submitted: auto-replied',
    'Auto-Submitted: auto-generated (vacation)',
    'Precedence: bulk',
    'Precedence: LIST',
    'Precedence: junk',
    'List-Id: <x.example>',
    'List-Unsubscribe: <mailto:x@x.example>',
    'Mailing-List: contact x',
    'X-Volley-Trace: ceaaa',
  ])('%s', (field) => expect(automatic(field)).toBe(true));

  test.each(['', 'MAILER-DAEMON@x.example', 'owner-list@x.example', 'list-request@x.example'])(
    'from <%s>',
    (sender) => expect(automatic('Subject: x', sender)).toBe(true),
  );

  test.each(['bounce', 'autoreply', 'feedback', 'delivered'])('a %s', (kind) =>
    expect(automatic('Subject: x', 'ann@x.example', kind)).toBe(true),
  );

  test.each(['Subject: subscribe', 'Auto-Submitted: no', 'Precedence: first-class'])(
    'but %s is',
    (field) => expect(automatic(field)).toBe(false),
  );
});

describe('by mail', () => {
  beforeEach(async () => {
    now = new Date();
    await database.sql`
      truncate notices, inbound_messages, events, suppressions, recipients, campaigns cascade`;
    await sentCampaign(database.sql, ['ann@x.example']);
  });

  let marks = 0;
  /** Whether the address was taken at RCPT. */
  async function write(to: string, fields = 'Subject: hello', sender = 'Ann@x.example') {
    const { sql } = database;
    const clock = () => now;
    const notices = createNotices({ ...testDeps(sql), clock });
    const answer = createAnswers({ keyRing: ring, notices, postmasterForwardTo: null });
    const reception = createReception({ sql, keyRing: ring, clock, answer });
    const destination = await reception.destinationOf(to, sender);
    if (destination === null) return false;
    marks += 1;
    const intake = await takeIn(
      (async function* () {
        yield Buffer.from(`${fields}\r\nMessage-ID: <${marks}@x.example>\r\n\r\nhello\r\n`);
      })(),
    );
    if (intake === null) throw new Error('broken off');
    await reception.keep(intake, sender, [destination]);
    return true;
  }
  const answers = async () =>
    (
      await database.sql<{ address: string; replyTo: string }[]>`
        select r.address, r.variables ->> 'reply_to' as reply_to from recipients r
        join campaigns c on c.id = r.campaign_id where c.purpose = 'notice' order by r.id`
    ).map(({ address, replyTo }) => ({ address, replyTo }));
  const live = () => database.sql`
    select scope, scope_value, reason from suppressions
    where address_key = 'ann@x.example' and released_at is null order by id`;
  const kinds = async () =>
    (
      await database.sql<{ kind: string }[]>`
        select kind from events where kind like 'recipient.%' order by id`
    ).map(({ kind }) => kind);

  test('unsubscribe: asked back first, done when confirmed, and twice is once', async () => {
    expect(await write(`list-unsubscribe+marketing@${BOUNCE_DOMAIN}`)).toBe(true);
    expect(await live()).toEqual([]);
    const [asked] = await answers();
    expect(asked?.address).toBe('Ann@x.example');
    expect(asked?.replyTo).toMatch(/^list-confirm\+[a-z2-7]+@bounce\.shop\.example$/);
    for (let i = 0; i < 2; i += 1) expect(await write(asked?.replyTo ?? '')).toBe(true);
    expect(await live()).toEqual([
      { scope: 'stream', scopeValue: 'shop.example/marketing', reason: 'unsubscribe' },
    ]);
    expect(await kinds()).toEqual(['recipient.unsubscribed']);
  });

  test('subscribe lifts what he asked for himself, and nothing else', async () => {
    await database.sql`
      insert into suppressions (address_key, scope, scope_value, reason, origin) values
        ('ann@x.example', 'stream', 'shop.example/marketing', 'unsubscribe', 'recipient'),
        ('ann@x.example', 'stream', 'other.example/marketing', 'unsubscribe', 'recipient'),
        ('ann@x.example', 'sender', 'shop.example', 'unsubscribe', 'recipient'),
        ('ann@x.example', 'stream', 'shop.example/statement', 'unsubscribe', 'recipient'),
        ('ann@x.example', 'sender', 'other.example', 'manual', 'operator')`;
    await write(`list-subscribe+marketing@${BOUNCE_DOMAIN}`);
    expect(await live()).toHaveLength(5);
    const [asked] = await answers();
    await write(asked?.replyTo ?? '');
    expect(await live()).toEqual([
      { scope: 'stream', scopeValue: 'other.example/marketing', reason: 'unsubscribe' },
      { scope: 'stream', scopeValue: 'shop.example/statement', reason: 'unsubscribe' },
      { scope: 'sender', scopeValue: 'other.example', reason: 'manual' },
    ]);
    expect(await kinds()).toEqual(['recipient.subscribed']);
  });

  test('a confirmation is refused at RCPT: forged, from another, and after ten days', async () => {
    await write(`list-unsubscribe+marketing@${BOUNCE_DOMAIN}`);
    const [asked] = await answers();
    const confirm = asked?.replyTo ?? '';
    expect(await write(confirm, 'Subject: x', 'bob@x.example')).toBe(false);
    expect(await write(confirm, 'Subject: x', '')).toBe(false);
    expect(await write(confirm.replace(/\+./, '+z'))).toBe(false);
    expect(await write(confirm.replace(BOUNCE_DOMAIN, 'else.example'))).toBe(false);
    now = new Date(now.getTime() + 11 * DAY_MS);
    expect(await write(confirm)).toBe(false);
    expect(await live()).toEqual([]);
  });

  test('programs are kept, not answered; people three times a day', async () => {
    const to = `list-subscribe+marketing@${BOUNCE_DOMAIN}`;
    await write(to, 'Auto-Submitted: auto-replied');
    await write(to, 'List-Id: <x.example>');
    await write(to, 'Subject: x', '');
    expect(await answers()).toEqual([]);
    expect(await database.sql`select 1 from inbound_messages where kind = 'list'`).toHaveLength(3);
    for (let i = 0; i < 5; i += 1) await write(to);
    expect(await answers()).toHaveLength(3);
  });

  test('a request that claims to come from one of our bounce addresses is not answered', async () => {
    const to = `list-unsubscribe+marketing@${BOUNCE_DOMAIN}`;
    await write(to, 'Subject: x', `b+ceaaa@${BOUNCE_DOMAIN}`);
    await write(to, 'Subject: x', to);
    expect(await answers()).toEqual([]);
  });

  test('our own mail sent back to a list address is not answered: no loop', async () => {
    await write(`list-subscribe+marketing@${BOUNCE_DOMAIN}`, 'X-Volley-Trace: ceaaa');
    expect(await answers()).toEqual([]);
  });
});
