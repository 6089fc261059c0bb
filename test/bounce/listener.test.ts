import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startBounceListener } from '../../src/bounce/listener.ts';
import type { BounceListener, ListenerOptions } from '../../src/bounce/listener.ts';
import { createReception } from '../../src/bounce/reception.ts';
import type { Storage } from '../../src/bounce/storage.ts';
import { selfSignedCertificate } from '../../src/kernel/certificate.ts';
import { CHANNELS } from '../../src/kernel/events.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { connect } from '../../src/kernel/postgres/connect.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { signToken } from '../../src/verp/token.ts';
import type { TokenKind } from '../../src/verp/token.ts';
import { createDatabase, useDatabase } from '../harness/database.ts';
import { RawClient } from '../range/client.ts';
import { HOSTILE } from './hostile.ts';
import { BOUNCE_DOMAIN, dsn, ring, sentCampaign } from './returns.ts';

const database = useDatabase();
const open: { close(): unknown }[] = [];

beforeEach(async () => {
  await database.sql`truncate suppressions, events, inbound_messages, daily_rollups, minute_rollups`;
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(
  over: Partial<ListenerOptions> = {},
  sql: Sql = database.sql,
  storage?: Storage,
): Promise<BounceListener> {
  const listener = await startBounceListener(
    {
      reception: createReception({ sql, keyRing: ring, clock: () => new Date() }),
      log: createLogger('silent'),
      ...(storage === undefined ? {} : { storage }),
    },
    {
      host: '127.0.0.1',
      port: 0,
      name: 'mx.bounce.example',
      maxMessageBytes: 200_000,
      drainMs: 500,
      ...over,
    },
  );
  open.push(listener);
  return listener;
}

async function dial(listener: BounceListener): Promise<RawClient> {
  const client = await RawClient.to('127.0.0.1', listener.port);
  open.push(client);
  return client;
}

/** Has said EHLO and MAIL FROM:<>. */
async function session(listener: BounceListener): Promise<RawClient> {
  const client = await dial(listener);
  expect(await client.reply()).toMatch(/^220 /);
  expect(await client.say('EHLO mx.example')).toMatch(/^250-/);
  expect(await client.say('MAIL FROM:<>')).toMatch(/^250 /);
  return client;
}

async function send(client: RawClient, address: string, message: string): Promise<string | null> {
  expect(await client.say(`RCPT TO:<${address}>`)).toMatch(/^250 /);
  expect(await client.say('DATA')).toMatch(/^354 /);
  client.write(message.replace(/^\./gm, '..'));
  return await client.say('.');
}

const address = (prefix: string, kind: TokenKind, id: bigint) =>
  `${prefix}+${signToken(ring, kind, id)}@${BOUNCE_DOMAIN}`;
const stored = async () =>
  await database.sql<
    { kind: string; raw: Uint8Array; envelopeSender: string; envelopeRecipient: string }[]
  >`
    select kind, raw, envelope_sender, envelope_recipient from inbound_messages order by id`;

describe('RCPT', () => {
  test('takes signed addresses of our domains, postmaster and abuse; nothing else', async () => {
    await sentCampaign(database.sql, ['ann@x.example']);
    const client = await session(await start());
    const token = signToken(ring, 'delivery', 1n);
    const accepted = [
      address('b', 'delivery', 1n),
      address('b', 'delivery', 2n).toUpperCase(),
      address('b', 'batch', 1n),
      address('u', 'unsubscribe', 1n),
      address('u', 'unsubscribe_batch', 1n),
      address('fbl', 'feedback', 1n),
      `postmaster@${BOUNCE_DOMAIN}`,
      `Abuse@${BOUNCE_DOMAIN}`,
      'postmaster',
      `b+${token}@${BOUNCE_DOMAIN}.`,
    ];
    for (const to of accepted) {
      expect([to, await client.say(`RCPT TO:<${to}>`)]).toEqual([to, '250 2.1.5 Accepted']);
    }
    const forged = signToken(
      createKeyRing(['another secret of thirty-two characters']),
      'delivery',
      1n,
    );
    const refused = [
      `b+${forged}@${BOUNCE_DOMAIN}`,
      `b+${token.slice(0, -1)}@${BOUNCE_DOMAIN}`,
      `b+${token}@elsewhere.example`,
      address('b', 'unsubscribe', 1n),
      address('u', 'delivery', 1n),
      address('fbl', 'delivery', 1n),
      `postmaster@elsewhere.example`,
      `info@${BOUNCE_DOMAIN}`,
      'someone@example.com',
      `someone%example.com@${BOUNCE_DOMAIN}`,
      `"b+${token}@${BOUNCE_DOMAIN}"`,
    ];
    for (const to of refused) {
      const reply = await client.say(`RCPT TO:<${to}>`);
      expect([to, reply]).toEqual([to, expect.stringMatching(/^50[01] |^550 5\.1\.1 /) as string]);
    }
    expect(await client.say(`RCPT TO:<someone@example.com>`)).toBe(
      '550 5.1.1 No such address here',
    );
    expect(await client.say(`RCPT TO:<b+${forged}@${BOUNCE_DOMAIN}>`)).toBe(
      '550 5.1.1 No such address here',
    );
  });

  test('a new sender\u2019s domain is known within about a second', async () => {
    const client = await session(await start());
    const to = `b+${signToken(ring, 'delivery', 1n)}@new.example`;
    expect(await client.say(`RCPT TO:<${to}>`)).toMatch(/^550 5\.1\.1 /);
    await database.sql`
      insert into senders (from_address, display_name, domain, bounce_domain)
      values ('a@new.example', '', 'new.example', 'New.example')`;
    await expect
      .poll(() => client.say(`RCPT TO:<${to}>`), { timeout: 3_000, interval: 100 })
      .toMatch(/^250 /);
  });

  test('a bound number of recipients', async () => {
    await sentCampaign(database.sql, ['ann@x.example']);
    const client = await session(await start({ maxRecipients: 3 }));
    for (const id of [1n, 2n, 3n]) {
      expect(await client.say(`RCPT TO:<${address('b', 'delivery', id)}>`)).toMatch(/^250 /);
    }
    expect(await client.say(`RCPT TO:<${address('b', 'delivery', 4n)}>`)).toMatch(/^452 4\.5\.3 /);
  });

  test('who asks for 100 addresses that are not ours is told to go; his next session may ask again', async () => {
    await sentCampaign(database.sql, ['ann@x.example']);
    const listener = await start();
    const client = await session(listener);
    const ours = `RCPT TO:<${address('b', 'delivery', 1n)}>`;
    for (let i = 1; i < 100; i += 1) {
      expect(await client.say(`RCPT TO:<guess${i}@${BOUNCE_DOMAIN}>`)).toMatch(/^550 5\.1\.1 /);
      // Neither ours nor a new message begins the count again.
      if (i % 20 === 0) {
        expect(await client.say(ours)).toMatch(/^250 /);
        await client.say('RSET');
        await client.say('MAIL FROM:<>');
      }
    }
    expect(await client.say(ours)).toMatch(/^250 /);
    expect(await client.say(`RCPT TO:<guess100@${BOUNCE_DOMAIN}>`)).toMatch(/^550 5\.1\.1 /);
    expect(await client.reply()).toMatch(/^421 .*Too many addresses that are not here/);
    expect(await client.rest()).toBe('');
    const next = await session(listener);
    expect(await next.say(ours)).toMatch(/^250 /);
  });

  test('no AUTH, no STARTTLS, no dummy commands; SIZE, 8BITMIME, SMTPUTF8, PIPELINING', async () => {
    const client = await dial(await start());
    expect(await client.reply()).toBe('220 mx.bounce.example ESMTP Volley returns');
    const features = (await client.say('EHLO mx.example'))
      ?.split('\n')
      .map((line) => line.slice(4));
    expect(features?.slice(1).sort()).toEqual([
      '8BITMIME',
      'ENHANCEDSTATUSCODES',
      'PIPELINING',
      'SIZE 200000',
      'SMTPUTF8',
    ]);
    for (const command of [
      'AUTH PLAIN AGEAYg==',
      'STARTTLS',
      'WIZ x',
      'KILL',
      'XCLIENT ADDR=1.2.3.4',
    ]) {
      expect(await client.say(command)).toMatch(/^500 5\.5\.2 /);
    }
  });
});

describe('STARTTLS', () => {
  const names: [string] = ['mx.bounce.example'];

  test('is offered with a certificate, and a message goes through it', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const tls = selfSignedCertificate(names, new Date());
    const client = await dial(await start({ tls }));
    await client.reply();
    expect(await client.say('EHLO mx.example')).toMatch(/^250-STARTTLS$|^250[ -]STARTTLS/m);
    expect(await client.say('STARTTLS')).toMatch(/^220 /);
    await client.secure(tls.cert, 'mx.bounce.example');
    expect(await client.say('EHLO mx.example')).not.toMatch(/STARTTLS/);
    await client.say('MAIL FROM:<>');
    const to = address('b', 'delivery', deliveryIds[0]!);
    expect(await send(client, to, dsn([{ recipient: 'ann@x.example' }]))).toMatch(/^250 2\.6\.0 /);
    expect(await stored()).toHaveLength(1);
  });

  test('what was sent in clear behind it is no command', async () => {
    await sentCampaign(database.sql, ['ann@x.example']);
    const tls = selfSignedCertificate(names, new Date());
    const client = await dial(await start({ tls }));
    await client.reply();
    await client.say('EHLO mx.example');
    client.write('STARTTLS\r\nMAIL FROM:<smuggled@x.example>\r\nRSET\r\n');
    expect(await client.reply()).toMatch(/^220 /);
    await client.secure(tls.cert, 'mx.bounce.example');
    expect(await client.say('EHLO mx.example')).toMatch(/^250-/);
    // The smuggled MAIL would make this one a nested one.
    expect(await client.say('MAIL FROM:<>')).toMatch(/^250 2\.1\.0 /);
  });

  test('takes a renewed certificate without a restart', async () => {
    const tls = selfSignedCertificate(names, new Date());
    const listener = await start({ tls });
    const renewed = selfSignedCertificate(names, new Date());
    listener.renewCertificate(renewed);
    const client = await dial(listener);
    await client.reply();
    await client.say('EHLO mx.example');
    await client.say('STARTTLS');
    await client.secure(renewed.cert, 'mx.bounce.example');
    expect(await client.say('NOOP')).toMatch(/^250 |^503 /);
  });

  test('a peer that never begins the handshake is told to go, and costs nobody else', async () => {
    const tls = selfSignedCertificate(names, new Date());
    const listener = await start({ tls, deadlineMs: 500 });
    const client = await dial(listener);
    await client.reply();
    await client.say('EHLO mx.example');
    expect(await client.say('STARTTLS')).toMatch(/^220 /);
    const next = await dial(listener);
    expect(await next.reply()).toMatch(/^220 /);
    expect(await client.rest()).toBe('');
  });
});

describe('a message', () => {
  test('is durable and accounted for when the 250 is there, and heard of by NOTIFY', async () => {
    const { deliveryIds, campaignId } = await sentCampaign(database.sql, ['ann@x.example']);
    const heard: string[] = [];
    const { unlisten } = await database.sql.listen(CHANNELS.suppressions, (key) => heard.push(key));
    const client = await session(await start());
    const to = address('b', 'delivery', deliveryIds[0]!);
    expect(await send(client, to, dsn([{ recipient: 'ann@x.example' }]))).toMatch(/^250 2\.6\.0 /);
    const [event] =
      await database.sql`select campaign_id, class from events where kind = 'bounce.late'`;
    expect(event).toEqual({ campaignId, class: 'bad_mailbox' });
    expect(
      await database.sql`select 1 from suppressions where address_key = 'ann@x.example'`,
    ).toHaveLength(1);
    await expect.poll(() => heard).toEqual(['ann@x.example']);
    await unlisten();
  });

  test('again: 250 again, recorded once; also when the first 250 was never read', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const listener = await start();
    const to = address('b', 'delivery', deliveryIds[0]!);
    const text = dsn([{ recipient: 'ann@x.example' }]);
    for (let i = 0; i < 3; i += 1) {
      const client = await session(listener);
      expect(await send(client, i === 1 ? to.toUpperCase() : to, text)).toMatch(/^250 /);
      client.close();
    }
    expect(await stored()).toHaveLength(1);
  });

  test('for several recipients is recorded for each', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example', 'bob@x.example']);
    const client = await session(await start());
    for (const id of deliveryIds) await client.say(`RCPT TO:<${address('b', 'delivery', id)}>`);
    expect(await client.say('RCPT TO:<nobody@x.example>')).toMatch(/^550 /);
    const text = dsn([{ recipient: 'ann@x.example' }, { recipient: 'bob@x.example' }]);
    expect(await send(client, `postmaster@${BOUNCE_DOMAIN}`, text)).toMatch(/^250 /);
    expect((await stored()).map((row) => row.kind).sort()).toEqual([
      'bounce',
      'bounce',
      'postmaster',
    ]);
    const late =
      await database.sql`select delivery_id from events where kind = 'bounce.late' order by 1`;
    expect(late.map((row) => row['deliveryId'] as bigint)).toEqual(deliveryIds);
  });

  test('with SMTPUTF8, 8BITMIME and a sender is taken as it is', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const client = await dial(await start());
    await client.reply();
    await client.say('EHLO mx.example');
    expect(
      await client.say('MAIL FROM:<b\u00f6b@b\u00fccher.example> SMTPUTF8 BODY=8BITMIME SIZE=100'),
    ).toMatch(/^250 /);
    const body = Buffer.concat([
      Buffer.from('Subject: gr\u00fc\u00df\r\n\r\n'),
      Buffer.from([0xff, 0x00, 0x80]),
    ]);
    expect(await client.say(`RCPT TO:<${address('u', 'unsubscribe', deliveryIds[0]!)}>`)).toMatch(
      /^250 /,
    );
    await client.say('DATA');
    client.write(body);
    expect(await client.say('\r\n.')).toMatch(/^250 /);
    const [row] = await stored();
    expect(row?.envelopeSender).toBe('b\u00f6b@b\u00fccher.example');
    expect(Buffer.from(row!.raw)).toEqual(Buffer.concat([body, Buffer.from('\r\n')]));
  });

  test('keeps the first 64 KiB; a second one that differs after them is another message', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const client = await session(await start());
    const to = address('b', 'delivery', deliveryIds[0]!);
    const long = `Subject: x\r\n\r\n${'0123456789abcde\r\n'.repeat(8_000)}`;
    expect(await send(client, to, long)).toMatch(/^250 /);
    await client.say('MAIL FROM:<>');
    expect(await send(client, to, `${long}end\r\n`)).toMatch(/^250 /);
    const rows = await stored();
    expect(rows.map((row) => row.raw.length)).toEqual([65_536, 65_536]);
  });
});

describe('bounds', () => {
  test('over the size: 552, by SIZE and by bytes, nothing stored, and the session goes on', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const client = await dial(await start({ maxMessageBytes: 70_000 }));
    await client.reply();
    await client.say('EHLO mx.example');
    expect(await client.say('MAIL FROM:<> SIZE=70001')).toMatch(/^552 5\.3\.4 /);
    await client.say('MAIL FROM:<>');
    const to = address('b', 'delivery', deliveryIds[0]!);
    expect(await send(client, to, 'x'.repeat(998).concat('\r\n').repeat(3_000))).toMatch(
      /^552 5\.3\.4 /,
    );
    expect(await stored()).toEqual([]);
    await client.say('MAIL FROM:<>');
    expect(await send(client, to, 'Subject: small\r\n\r\n')).toMatch(/^250 /);
  });

  test('one address has its share of connections, and gets it back', async () => {
    const listener = await start({ maxConnectionsPerAddress: 2 });
    const [one, two] = [await session(listener), await session(listener)];
    const three = await dial(listener);
    expect(await three.reply()).toMatch(/^421 /);
    expect(await three.reply()).toBeNull();
    const gone = once(one.socket, 'close');
    one.close();
    await gone;
    await expect
      .poll(async () => (await dial(listener)).reply(), { timeout: 3_000 })
      .toMatch(/^220 /);
    two.close();
  });

  test('all together have theirs', async () => {
    const listener = await start({ maxConnections: 2 });
    await session(listener);
    await session(listener);
    expect(await (await dial(listener)).reply()).toMatch(/^421 /);
  });

  test('one address has its rate of messages; another has its own', async () => {
    await sentCampaign(database.sql, ['ann@x.example']);
    const client = await session(await start({ maxMessagesPerMinute: 3 }));
    for (let i = 0; i < 2; i += 1) {
      await client.say('RSET');
      expect(await client.say('MAIL FROM:<>')).toMatch(/^250 /);
    }
    await client.say('RSET');
    expect(await client.say('MAIL FROM:<>')).toBe('451 4.7.1 Too many messages, try again later');
    expect(await client.say('NOOP')).toMatch(/^250 /);
  });

  test('a short disk: 452 4.3.1, and mail is taken again when there is room', async () => {
    await sentCampaign(database.sql, ['ann@x.example']);
    let short = true;
    const client = await dial(
      await start({}, database.sql, { isShort: () => Promise.resolve(short) }),
    );
    await client.reply();
    await client.say('EHLO mx.example');
    expect(await client.say('MAIL FROM:<>')).toBe('452 4.3.1 Out of storage, try again later');
    short = false;
    expect(await client.say('MAIL FROM:<>')).toMatch(/^250 /);
  });

  test.each(Object.entries(HOSTILE))(
    '%s is kept, and another peer is served meanwhile',
    async (_name, make) => {
      const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
      const listener = await start({ maxMessageBytes: 60_000_000 });
      const other = await session(listener);
      const client = await session(listener);
      await client.say(`RCPT TO:<${address('b', 'delivery', deliveryIds[0]!)}>`);
      await client.say('DATA');
      for (const piece of make()) {
        if (!client.socket.write(piece)) await once(client.socket, 'drain');
      }
      client.write('\r\n.\r\n');
      expect(await other.say('NOOP')).toMatch(/^250 /);
      expect(await client.reply()).toMatch(/^250 2\.6\.0 /);
      const [row] = await stored();
      expect(row!.raw.length).toBeLessThanOrEqual(65_536);
    },
  );

  test('who says nothing is told to go', async () => {
    const client = await session(await start({ idleTimeoutMs: 150 }));
    expect(await client.reply()).toMatch(/^421 .*Timeout/);
    expect(await client.reply()).toBeNull();
  });

  test('who says a little now and then, but never completes a message, too', async () => {
    const client = await session(await start({ idleTimeoutMs: 10_000, deadlineMs: 700 }));
    const drip = setInterval(() => client.write('N'), 50);
    try {
      expect(await client.reply()).toMatch(/^421 .*No message completed in time/);
    } finally {
      clearInterval(drip);
    }
  });

  test('a command line of 5 KB ends the session', async () => {
    const client = await session(await start());
    expect(await client.say(`RCPT TO:<${'a'.repeat(5_000)}@x.example>`)).toMatch(/^421 /);
  });

  test('a connection that breaks off in the middle of a message leaves nothing', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const listener = await start();
    const client = await session(listener);
    await client.say(`RCPT TO:<${address('b', 'delivery', deliveryIds[0]!)}>`);
    await client.say('DATA');
    client.write(dsn([{ recipient: 'ann@x.example' }]));
    client.close();
    const next = await session(listener);
    expect(
      await send(next, address('b', 'delivery', deliveryIds[0]!), 'Subject: x\r\n\r\n'),
    ).toMatch(/^250 /);
    expect(await stored()).toHaveLength(1);
  });
});

describe('smuggling', () => {
  test.each(['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\n\r.\n', '\r\n.\r', '\r\n\x00.\r\n'])(
    '%j does not end a message, and what follows is no command',
    async (end) => {
      const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example', 'bob@x.example']);
      const to = (i: number) => address('b', 'delivery', deliveryIds[i]!);
      const smuggled = `MAIL FROM:<>\r\nRCPT TO:<${to(1)}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx`;
      // Whole, and byte by byte around the sequence: it must not depend on packets.
      for (const pieces of [[`${end}${smuggled}`], [...Array.from(end), smuggled]]) {
        const client = await session(await start());
        await client.say(`RCPT TO:<${to(0)}>`);
        await client.say('DATA');
        client.write(`Subject: outer ${pieces.length}\r\n\r\nhello`);
        for (const piece of pieces) {
          client.write(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(await client.say('\r\n.')).toMatch(/^250 /);
        expect(await client.say('NOOP')).toMatch(/^250 2\.0\.0 OK/);
      }
      const rows = await stored();
      expect(rows.map((row) => row.envelopeRecipient)).toEqual([to(0), to(0)]);
      for (const row of rows) expect(Buffer.from(row.raw).toString('latin1')).toContain(smuggled);
    },
  );

  test('a line that is a dot, stuffed, arrives as a dot and ends nothing, in any packets', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    for (const pieces of [
      ['..\r\nx\r\n.\r\n'],
      Array.from('..\r\nx\r\n.\r\n'),
      ['.', '.\r\nx\r\n.\r\n'],
    ]) {
      const client = await session(await start());
      await client.say(`RCPT TO:<${address('b', 'delivery', deliveryIds[0]!)}>`);
      await client.say('DATA');
      for (const piece of pieces) {
        client.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await client.reply()).toMatch(/^250 /);
    }
    const rows = await stored();
    expect(rows.map((row) => Buffer.from(row.raw).toString())).toEqual(['.\r\nx\r\n']);
  });

  test('commands sent in one packet with the end of a message are taken as such', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const to = address('b', 'delivery', deliveryIds[0]!);
    const client = await session(await start());
    await client.say(`RCPT TO:<${to}>`);
    await client.say('DATA');
    client.write('Subject: one\r\n\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<x@elsewhere.example>\r\n');
    expect(await client.reply()).toMatch(/^250 2\.6\.0 /);
    expect(await client.reply()).toMatch(/^250 2\.1\.0 /);
    expect(await client.reply()).toMatch(/^550 5\.1\.1 /);
  });
});

describe('the database away', () => {
  test('451 at RCPT and at the dot; the same message is taken when it is back', async () => {
    const own = await createDatabase();
    const sql = connect(own.url, { poolSize: 4 });
    const name = new URL(own.url).pathname.slice(1);
    const away = async (is: boolean) => {
      await database.sql.unsafe(
        `alter database ${name} allow_connections ${is ? 'false' : 'true'}`,
      );
      if (is)
        await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    };
    open.push({ close: async () => (await sql.end({ timeout: 1 }), own.drop()) });
    const { deliveryIds } = await sentCampaign(sql, ['ann@x.example']);
    const to = address('b', 'delivery', deliveryIds[0]!);
    const text = dsn([{ recipient: 'ann@x.example' }]);
    const listener = await start({}, sql);

    const client = await session(listener);
    await client.say(`RCPT TO:<${to}>`);
    await client.say('DATA');
    await away(true);
    client.write(text);
    expect(await client.say('.')).toMatch(/^451 4\.3\.0 /);
    await client.say('MAIL FROM:<>');
    await expect
      .poll(() => client.say(`RCPT TO:<${to}>`), { timeout: 5_000, interval: 200 })
      .toMatch(/^451 4\.3\.0 /);

    await away(false);
    await expect
      .poll(() => client.say(`RCPT TO:<${to}>`), { timeout: 5_000, interval: 200 })
      .toMatch(/^250 /);
    await client.say('DATA');
    client.write(text);
    expect(await client.say('.')).toMatch(/^250 /);
    expect(await sql`select 1 from inbound_messages`).toHaveLength(1);
  });
});

describe('closing', () => {
  test('ends idle sessions at once, waits for the message on the wire, takes no new ones', async () => {
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const listener = await start({ drainMs: 5_000 });
    const idle = await session(listener);
    const busy = await session(listener);
    await busy.say(`RCPT TO:<${address('b', 'delivery', deliveryIds[0]!)}>`);
    await busy.say('DATA');
    busy.write('Subject: on the wire\r\n');
    await expect.poll(() => busy.socket.writableLength).toBe(0);

    const began = Date.now();
    const closed = listener.close();
    expect(await idle.reply()).toMatch(/^421 .*Shutting down/);
    await expect(RawClient.to('127.0.0.1', listener.port)).rejects.toThrow('ECONNREFUSED');
    expect(await busy.say('\r\n.')).toMatch(/^250 /);
    expect(await busy.reply()).toMatch(/^421 .*Shutting down/);
    idle.close();
    busy.close();
    await closed;
    expect(Date.now() - began).toBeLessThan(4_000);
    expect(await stored()).toHaveLength(1);
  });

  test('the port is in use: a clear error', async () => {
    const listener = await start();
    await expect(start({ port: listener.port })).rejects.toMatchObject({ code: 'port_in_use' });
  });
});
