import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeIn } from '../../src/bounce/intake.ts';
import { createReception } from '../../src/bounce/reception.ts';
import type { Reception } from '../../src/bounce/reception.ts';
import { openSource, startPoller } from '../../src/bounce/sources/poller.ts';
import { parseSource } from '../../src/bounce/sources/source.ts';
import type { Source, Take } from '../../src/bounce/sources/source.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { bounceAddress } from '../../src/verp/address.ts';
import { signToken } from '../../src/verp/token.ts';
import { useDatabase } from '../harness/database.ts';
import { BOUNCE_DOMAIN, dsn, ring, sentCampaign } from './returns.ts';
import { startImap } from './servers/imap.ts';
import type { ImapServer } from './servers/imap.ts';
import { startPop3 } from './servers/pop3.ts';
import type { Pop3Server } from './servers/pop3.ts';

const database = useDatabase();
const open: { close(): Promise<void> }[] = [];
let folder = '';
let reception: Reception;
let addresses: string[];

beforeEach(async () => {
  await database.sql`truncate inbound_messages, events, suppressions, recipients, campaigns cascade`;
  folder = mkdtempSync(join(tmpdir(), 'volley-sources-'));
  reception = createReception({ sql: database.sql, keyRing: ring, clock: () => new Date() });
  const { deliveryIds } = await sentCampaign(database.sql, ['a@x.example', 'b@x.example']);
  addresses = deliveryIds.map((id) =>
    bounceAddress(signToken(ring, 'delivery', id), BOUNCE_DOMAIN),
  );
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

const bounce = (i: number) =>
  `Return-Path: <>\r\nDelivered-To: ${addresses[i]}\r\n${dsn([{ recipient: `${'ab'[i]}@x.example` }])}`;
const LETTER = 'To: somebody@else.example\r\nSubject: hello\r\n\r\nhello\r\n.\r\n..\r\n';
const stored = async () =>
  (
    await database.sql<{ recipient: string }[]>`
      select envelope_recipient as recipient from inbound_messages order by id`
  ).map(({ recipient }) => recipient);
const take: Take = async (message) => {
  const intake = await takeIn(message);
  if (intake === null) throw new Error('broken off');
  return (await reception.keepUnaddressed(intake)) === null ? 'foreign' : 'kept';
};
const failing: Take = async (message) => {
  await takeIn(message);
  throw new Error('the database is away');
};

describe('a setting', () => {
  test.each([
    ['maildir:///var/mail/b', { kind: 'maildir', path: '/var/mail/b', remove: false }],
    ['maildir:///var/my%20mail?then=delete', { path: '/var/my mail', remove: true }],
    ['mbox:///var/mail/b', { kind: 'mbox', path: '/var/mail/b' }],
    [
      'imaps://b%40x.example:p%2Cw@imap.x.example/Returns?then=delete',
      {
        kind: 'imap',
        user: 'b@x.example',
        password: 'p,w',
        port: 993,
        secure: true,
        mailbox: 'Returns',
        startTls: false,
      },
    ],
    ['imap://u:p@imap.x.example', { port: 143, secure: false, startTls: true, mailbox: 'INBOX' }],
    ['imap://u:p@127.0.0.1:99', { port: 99, startTls: false }],
    ['pop3s://u:p@pop.x.example', { kind: 'pop3', port: 995, secure: true }],
    ['pop3://u:p@pop.x.example:1110', { port: 1110, startTls: true }],
  ])('%s', (text, wanted) => expect(parseSource(text)).toMatchObject(wanted));

  test.each([
    'nonsense',
    'http://x.example',
    'maildir://relative/path',
    'maildir:///',
    'mbox:///x?then=delete',
    'maildir:///x?then=burn',
    'maildir:///x?when=now',
    'imaps://imap.x.example',
    'imaps://user:hunter2@',
    'imaps://user:hunter2%0d%0aX@x.example',
    'pop3s://user:%zz@x.example',
  ])('%s is refused, without its password', (text) => {
    expect(() => parseSource(text)).toThrow(/^VOLLEY_INBOUND_SOURCES: /);
    try {
      parseSource(text);
    } catch (error) {
      expect(String(error)).not.toContain('hunter2');
    }
  });
});

describe('a Maildir', () => {
  const make = (then = ''): { source: Source; dir: string } => {
    const dir = join(folder, 'Maildir');
    for (const name of ['tmp', 'new', 'cur']) mkdirSync(join(dir, name), { recursive: true });
    return { source: openSource(`maildir://${dir}${then}`), dir };
  };

  test('new mail is taken and moved to cur as seen; what is not ours goes there unread', async () => {
    const { source, dir } = make();
    writeFileSync(join(dir, 'new', '1.a.host'), bounce(0));
    writeFileSync(join(dir, 'new', '2.b.host'), LETTER);
    writeFileSync(join(dir, 'tmp', '3.c.host'), bounce(1));
    await source.poll(take);
    expect(await stored()).toEqual([addresses[0]]);
    expect(readdirSync(join(dir, 'new'))).toEqual([]);
    expect(readdirSync(join(dir, 'cur')).sort()).toEqual(['1.a.host:2,S', '2.b.host:2,']);
    expect(readdirSync(join(dir, 'tmp'))).toEqual(['3.c.host']);
  });

  test('with delete what was kept is gone, what is not ours stays', async () => {
    const { source, dir } = make('?then=delete');
    writeFileSync(join(dir, 'new', '1.a.host'), bounce(0));
    writeFileSync(join(dir, 'new', '2.b.host'), LETTER);
    await source.poll(take);
    expect(readdirSync(join(dir, 'cur'))).toEqual(['2.b.host:2,']);
    expect(readFileSync(join(dir, 'cur', '2.b.host:2,'), 'utf8')).toBe(LETTER);
  });

  test('what could not be recorded stays in new, and is taken the next time, once', async () => {
    const { source, dir } = make();
    writeFileSync(join(dir, 'new', '1.a.host'), bounce(0));
    await expect(source.poll(failing)).rejects.toThrow('the database is away');
    expect(readdirSync(join(dir, 'new'))).toEqual(['1.a.host']);
    await source.poll(take);
    writeFileSync(join(dir, 'new', '9.again.host'), bounce(0));
    await source.poll(take);
    expect(await stored()).toEqual([addresses[0]]);
    expect(readdirSync(join(dir, 'new'))).toEqual([]);
  });

  test('links and folders are left alone', async () => {
    const { source, dir } = make();
    writeFileSync(join(folder, 'secret'), bounce(0));
    symlinkSync(join(folder, 'secret'), join(dir, 'new', '1.link'));
    mkdirSync(join(dir, 'new', '2.folder'));
    await source.poll(take);
    expect(await stored()).toEqual([]);
    expect(readdirSync(join(dir, 'new')).sort()).toEqual(['1.link', '2.folder']);
  });
});

describe('an mbox', () => {
  const lf = (text: string) =>
    `From MAILER-DAEMON Sun Mar  1 10:00:00 2026\n${text.replaceAll('\r\n', '\n')}\n`;
  const file = () => join(folder, 'mbox');
  const settle = () => utimesSync(file(), new Date(0), new Date(0));

  test('is read to its end, and on from there; rotated it is read anew, recorded once', async () => {
    writeFileSync(file(), lf(bounce(0)) + lf(LETTER));
    settle();
    const source = openSource(`mbox://${file()}`);
    const seen: number[] = [];
    const counting: Take = async (message) => {
      seen.push(1);
      return await take(message);
    };
    await source.poll(counting);
    await source.poll(counting);
    expect([await stored(), seen.length]).toEqual([[addresses[0]], 2]);
    appendFileSync(file(), lf(bounce(1)));
    settle();
    await source.poll(counting);
    expect([await stored(), seen.length]).toEqual([[addresses[0], addresses[1]], 3]);
    writeFileSync(file(), lf(bounce(1)));
    settle();
    await source.poll(counting);
    expect([(await stored()).length, seen.length]).toEqual([2, 4]);
    expect(readFileSync(file(), 'utf8')).toBe(lf(bounce(1)));
  });

  test('a message that is still being written waits, and so does a locked file', async () => {
    writeFileSync(file(), lf(bounce(0)) + lf(bounce(1)).slice(0, 200));
    const source = openSource(`mbox://${file()}`);
    await source.poll(take);
    expect(await stored()).toEqual([addresses[0]]);
    appendFileSync(file(), lf(bounce(1)).slice(200));
    settle();
    writeFileSync(`${file()}.lock`, '');
    await source.poll(take);
    expect(await stored()).toHaveLength(1);
    rmSync(`${file()}.lock`);
    await source.poll(take);
    expect(await stored()).toEqual([addresses[0], addresses[1]]);
  });

  test('a border that falls between two reads is found', async () => {
    const pad = (n: number) => lf(`Subject: pad\r\n\r\n${'x'.repeat(n)}\r\n`);
    for (const n of [65_400, 65_470, 65_480, 65_490]) {
      writeFileSync(file(), pad(n) + lf(bounce(0)) + pad(n) + lf(bounce(1)));
      settle();
      let count = 0;
      await openSource(`mbox://${file()}`).poll(async (message) => {
        count += 1;
        return await take(message);
      });
      expect(count).toBe(4);
    }
    expect(await stored()).toHaveLength(2);
  });
});

describe('a POP3 mailbox', () => {
  let server: Pop3Server;
  beforeEach(async () => {
    server = await startPop3('secret');
    open.push(server);
    server.mailbox.set('u1', bounce(0)).set('u2', LETTER).set('u3', bounce(1));
  });
  const source = (then = '', password = 'secret') =>
    openSource(`pop3://bounces:${password}@127.0.0.1:${server.port}${then}`);

  test('is taken whole, dots too, and known by its ids the next time', async () => {
    const mine = source();
    const bytes: Buffer[] = [];
    await mine.poll(async (message) => {
      const intake = await takeIn(message);
      bytes.push(Buffer.from(intake!.kept));
      return (await reception.keepUnaddressed(intake!)) === null ? 'foreign' : 'kept';
    });
    expect(bytes.map((each) => each.toString())).toEqual([...server.mailbox.values()]);
    expect(await stored()).toEqual(addresses);
    server.heard.length = 0;
    await mine.poll(take);
    expect(server.heard.filter((line) => line.startsWith('RETR'))).toEqual([]);
    await source().poll(take);
    expect(await stored()).toHaveLength(2);
    expect(server.mailbox.size).toBe(3);
  });

  test('with delete only what was kept goes, after the commit', async () => {
    await expect(source('?then=delete').poll(failing)).rejects.toThrow('the database is away');
    expect(server.mailbox.size).toBe(3);
    await source('?then=delete').poll(take);
    expect([...server.mailbox.keys()]).toEqual(['u2']);
  });

  test('a connection that breaks off in a message loses nothing and records no half', async () => {
    server.breakNext = true;
    await expect(source('?then=delete').poll(take)).rejects.toThrow('the connection ended');
    expect(await stored()).toEqual([]);
    await source('?then=delete').poll(take);
    expect(await stored()).toEqual(addresses);
  });

  test('a wrong password is told, and not what it was', async () => {
    await expect(source('', 'hunter2').poll(take)).rejects.toThrow('POP3: -ERR wrong password');
  });
});

describe('an IMAP mailbox', () => {
  let server: ImapServer;
  beforeEach(async () => {
    server = await startImap('secret');
    open.push(server);
    for (const text of [bounce(0), LETTER, bounce(1)]) server.add(text);
  });
  const source = (then = '', password = 'secret') =>
    openSource(`imap://bounces:${password}@127.0.0.1:${server.port}${then}`);
  const unseen = () => server.mailbox.filter(({ flags }) => !flags.has('\\Seen')).length;

  test('what is unseen is taken and marked; the next time there is nothing', async () => {
    await source().poll(take);
    expect(await stored()).toEqual(addresses);
    expect([server.mailbox.length, unseen()]).toEqual([3, 0]);
    server.heard.length = 0;
    await source().poll(take);
    expect(server.heard.filter((line) => /FETCH/.test(line))).toEqual([]);
  });

  test('with delete only what was kept goes, after the commit', async () => {
    await expect(source('?then=delete').poll(failing)).rejects.toThrow('the database is away');
    expect([server.mailbox.length, unseen()]).toEqual([3, 3]);
    await source('?then=delete').poll(take);
    expect(server.mailbox.map(({ text }) => text)).toEqual([LETTER]);
  });

  test('a large message comes in pieces, whole', async () => {
    server.mailbox.length = 0;
    const large = `To: ${addresses[0]}\r\nSubject: x\r\n\r\n${'0123456789abcde\r\n'.repeat(20_000)}`;
    server.add(large);
    const got: Buffer[] = [];
    await source().poll(async (message) => {
      const intake = await takeIn(message);
      got.push(Buffer.from(intake!.kept));
      return 'kept';
    });
    expect(got.map((each) => each.toString())).toEqual([large]);
  });

  test('a wrong password is an error without it', async () => {
    const failure = await source('', 'hunter2')
      .poll(take)
      .catch((error: unknown) => error);
    expect(String(failure)).toMatch(/^Error: IMAP: .*wrong password/);
    expect(String(failure)).not.toContain('hunter2');
  });
});

test('the poller looks again after a failure, and stops after the message under way', async () => {
  let fail = true;
  const messages = [bounce(0), bounce(1)];
  const source: Source = {
    name: 'test',
    async poll(takeMessage) {
      if (fail) throw new Error('away');
      for (const text of messages.splice(0)) {
        await takeMessage(
          (async function* () {
            yield Buffer.from(text);
          })(),
        );
      }
    },
  };
  const poller = startPoller({ reception, intervalMs: 20, log: createLogger('silent') }, [source]);
  fail = false;
  await expect.poll(stored).toEqual(addresses);
  await poller.stop();
});
