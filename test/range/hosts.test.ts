/** What MX hosts say and do, over real sockets; time is held still where it decides. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { strike } from '../../src/range/incident.ts';
import { canListen } from '../../src/range/listeners.ts';
import { COMMON_EXTENSIONS, profile } from '../../src/range/profile.ts';
import type { DomainProfile } from '../../src/range/profile.ts';
import { startRange } from '../../src/range/range.ts';
import type { Range, RangeOptions } from '../../src/range/range.ts';
import { hello, message, RawClient, send } from './client.ts';

let range: Range | undefined;
const clients: RawClient[] = [];
let time = Date.parse('2030-01-01T00:00:00Z');

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await range?.stop();
  range = undefined;
});

async function start(
  profiles: readonly DomainProfile[],
  options: Partial<RangeOptions> = {},
): Promise<Range> {
  const now = (): Date => new Date(time);
  range = await startRange({ seed: 1, profiles, keepMessages: 'all', now, ...options });
  return range;
}

function addressOf(world: Range, domain: string, host = 0): string {
  const address = world.domains.find((item) => item.domain === domain)?.hosts[host]?.addresses[0];
  if (address === undefined) throw new Error(`no host for ${domain}`);
  return address;
}

async function talkTo(world: Range, domain = 'a.example'): Promise<RawClient> {
  const client = await hello(addressOf(world, domain), world.smtpPort);
  clients.push(client);
  return client;
}

const SENDER = 'b+1@bounce.example';

test('an accepted message is in the ledger, byte for byte', async () => {
  const world = await start([profile('a.example', 1)]);
  const client = await talkTo(world);
  const content = message('1', ['.a dot', '..two', '', 'end']);

  const replies = await send(client, SENDER, ['accept+Ann@a.example'], content);

  expect(replies.dot).toMatch(/^250 2\.0\.0 Ok: queued as \w{10}$/);
  const [entry] = world.ledger.messagesFor('accept+ann@A.example');
  expect(entry).toMatchObject({
    acceptedAt: new Date(time),
    host: 'mx1.a.example',
    mailFrom: SENDER,
    recipients: ['accept+Ann@a.example'],
    messageId: '<1@sender.example>',
    sizeBytes: content.length,
    replied: true,
  });
  expect(entry?.bytes?.toString()).toBe(content);
  expect(world.ledger.counts).toMatchObject({ messages: 1, bytes: content.length, unreplied: 0 });
  expect([...world.ledger.faults()]).toEqual([]);
});

test('messages pipelined over one connection are answered in order', async () => {
  const world = await start([profile('a.example', 1)]);
  const client = await talkTo(world);
  const envelope = (n: number): string =>
    `MAIL FROM:<${SENDER}>\r\nRCPT TO:<accept+${n}@a.example>\r\nDATA\r\n`;
  client.write(envelope(0));
  for (let n = 0; n < 50; n += 1) {
    expect(await client.reply()).toMatch(/^250 2\.1\.0/);
    expect(await client.reply()).toMatch(/^250 2\.1\.5/);
    expect(await client.reply()).toMatch(/^354/);
    client.write(`${message(String(n))}.\r\n${n < 49 ? envelope(n + 1) : 'QUIT\r\n'}`);
    expect(await client.reply()).toMatch(/^250 2\.0\.0/);
  }
  expect(await client.reply()).toMatch(/^221/);
  expect(await client.reply()).toBeNull();
  expect(world.ledger.addressesAccepted().size).toBe(50);
});

test.each([
  ['unknown', /^550 5\.1\.1 /],
  ['inactive', /^550 5\.2\.1 /],
  ['full', /^452 4\.2\.2 /],
  ['fullhard', /^552 5\.2\.2 /],
  ['greylist', /^451 4\.7\.1 /],
  ['ratelimit', /^450 4\.7\.1 /],
])('%s+… is refused at RCPT, and the ledger has the reply', async (behaviour, pattern) => {
  const world = await start([profile('a.example', 1)]);
  const client = await talkTo(world);
  const address = `${behaviour}+ann@a.example`;

  const { rcpt, data } = await send(client, SENDER, [address], message('1'));

  expect(rcpt[0]).toMatch(pattern);
  expect(data).toMatch(/^554 5\.5\.1/);
  expect(world.ledger.refusals(address)).toMatchObject([
    { stage: 'rcpt', count: 1, reply: rcpt[0] },
  ]);
  expect(world.ledger.messagesFor(address)).toEqual([]);
});

test('greylisting lifts after the wait, for this client, sender domain and recipient', async () => {
  const world = await start([profile('a.example', 1)], { greylistMs: 1_000 });
  const attempt = async (sender: string, recipient: string): Promise<string | null | undefined> => {
    const { rcpt } = await send(await talkTo(world), sender, [recipient], message('1'));
    return rcpt[0]?.slice(0, 3);
  };
  const address = 'greylist+ann@a.example';
  expect(await attempt('b+1@bounce.example', address)).toBe('451');
  time += 999;
  expect(await attempt('b+2@bounce.example', address)).toBe('451');
  time += 1;
  expect(await attempt('b+3@other.example', address)).toBe('451');
  expect(await attempt('b+3@bounce.example', 'greylist+bob@a.example')).toBe('451');
  expect(await attempt('b+3@bounce.example', address)).toBe('250');
});

test('busy+…: 421 at RCPT, then the end; the next try is accepted', async () => {
  const world = await start([profile('a.example', 1)]);
  const first = await talkTo(world);
  first.write(`MAIL FROM:<${SENDER}>\r\nRCPT TO:<busy+ann@a.example>\r\nDATA\r\n`);
  expect(await first.reply()).toMatch(/^250/);
  expect(await first.reply()).toMatch(/^421 4\.3\.2/);
  expect(await first.rest()).toBe('');

  const { dot } = await send(await talkTo(world), SENDER, ['busy+ann@a.example'], message('1'));
  expect(dot).toMatch(/^250/);
});

test('recipients that were pipelined behind a 421 have had their try', async () => {
  const world = await start([profile('a.example', 1)]);
  const addresses = Array.from({ length: 50 }, (_, i) => `busy+${i}@a.example`);
  const first = await send(await talkTo(world), SENDER, addresses, message('1'));
  expect(first.rcpt[0]).toMatch(/^421/);
  expect(first.rcpt[1]).toBeNull();

  const second = await send(await talkTo(world), SENDER, addresses, message('1'));
  expect(second.rcpt.every((reply) => reply?.startsWith('250') === true)).toBe(true);
});

test.each<[DomainProfile['family'], RegExp]>([
  ['gmail', /^421-4\.7\.28 .*\n421-4\.7\.28 .*\n421 4\.7\.28 .* - gsmtp$/],
  ['outlook', /^451 4\.7\.500 Server busy/],
  ['yahoo', /^421 4\.7\.0 \[TSS04\]/],
  ['qq', /^550 Ip frequency limited \[\w+ Blocked IP 127\.0\.0\.1\]/],
  ['netease', /^451 MI:SFQ /],
  ['naver', /^421 4\.7\.0 /],
])('ratelimit+… in the manner of %s; lifts after one or two tries', async (family, pattern) => {
  const world = await start([profile('a.example', 1, { family })]);
  const tries: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    const address = `ratelimit+${i}@a.example`;
    for (let n = 0; ; n += 1) {
      const { rcpt } = await send(await talkTo(world), SENDER, [address], message('1'));
      if (rcpt[0]?.startsWith('250') === true) {
        tries.push(n);
        break;
      }
      expect(rcpt[0]).toMatch(pattern);
    }
  }
  expect(new Set(tries)).toEqual(new Set([1, 2]));
});

test('reject+…: the content is refused after the dot, and the session goes on', async () => {
  const world = await start([profile('a.example', 1, { family: 'netease' })]);
  const client = await talkTo(world);
  const address = 'reject+ann@a.example';

  const { dot } = await send(client, SENDER, [address], message('1'));

  expect(dot).toMatch(/^554 DT:SPM /);
  expect(world.ledger.refusals(address)).toMatchObject([{ stage: 'dot', reply: dot }]);
  expect(world.ledger.messagesFor(address)).toEqual([]);
  expect((await send(client, SENDER, ['accept+a@a.example'], message('2'))).dot).toMatch(/^250/);
});

test('drop+…: the host has the message and closes without a reply, once', async () => {
  const world = await start([profile('a.example', 1)]);
  const client = await talkTo(world);
  const before = await send(client, SENDER, ['accept+a@a.example'], message('1'));
  const dropped = await send(client, SENDER, ['drop+ann@a.example'], message('2'));

  expect(before.dot).toMatch(/^250/);
  expect(dropped.data).toMatch(/^354/);
  expect(dropped.dot).toBeNull();
  const [entry] = world.ledger.messagesFor('drop+ann@a.example');
  expect(entry).toMatchObject({ replied: false, messageId: '<2@sender.example>' });
  expect(world.ledger.counts.unreplied).toBe(1);

  const again = await send(await talkTo(world), SENDER, ['drop+ann@a.example'], message('2'));
  expect(again.dot).toMatch(/^250/);
  expect(world.ledger.addressesAccepted().get('drop+ann@a.example')).toBe(2);
});

test('dropalways+… drops every time', async () => {
  const world = await start([profile('a.example', 1)]);
  for (let i = 1; i <= 3; i += 1) {
    const client = await talkTo(world);
    const { dot } = await send(client, SENDER, ['dropalways+ann@a.example'], message('1'));
    expect(dot).toBeNull();
    expect(world.ledger.messagesFor('dropalways+ann@a.example')).toHaveLength(i);
  }
});

test.each(['dropbefore', 'dropmid'])(
  '%s+…: the host has nothing; the next try works',
  async (name) => {
    const world = await start([profile('a.example', 1)]);
    const address = `${name}+ann@a.example`;
    const { data, dot } = await send(await talkTo(world), SENDER, [address], message('1'));
    if (name === 'dropbefore') expect(data).toBeNull();
    else expect(data).toMatch(/^354/);
    expect(dot).toBeNull();
    expect(world.ledger.messagesFor(address)).toEqual([]);
    expect(world.ledger.counts.droppedBeforeDot).toBe(1);

    const again = await send(await talkTo(world), SENDER, [address], message('1'));
    expect(again.dot).toMatch(/^250/);
  },
);

test('a close is no reset: replies already given arrive, whatever is still in flight', async () => {
  const world = await start([profile('a.example', 1)]);
  const client = await talkTo(world);
  client.write(`MAIL FROM:<${SENDER}>\r\nRCPT TO:<drop+ann@a.example>\r\nDATA\r\n`);
  for (let i = 0; i < 3; i += 1) await client.reply();
  // The reply to the dot is a close, and a megabyte comes after it that the host will not answer.
  const errors: unknown[] = [];
  client.socket.on('error', (error) => errors.push(error));
  client.write(`${message('1')}.\r\nNOOP\r\n${'x'.repeat(1_000_000)}`);
  expect(await client.rest()).toBe('');
  client.socket.end();
  await once(client.socket, 'close');
  expect(errors).toEqual([]);
});

test('recipients whose content meets another end have to come in another transaction', async () => {
  const world = await start([profile('a.example', 1)]);
  const addresses = [
    'accept+1@a.example',
    'reject+2@a.example',
    'drop+3@a.example',
    'late+4@a.example',
  ];
  const { rcpt, dot } = await send(await talkTo(world), SENDER, addresses, message('1'));
  expect(rcpt.map((reply) => reply?.slice(0, 9))).toEqual([
    '250 2.1.5',
    '451 4.3.0',
    '451 4.3.0',
    '250 2.1.5',
  ]);
  expect(dot).toMatch(/^250/);
  expect([...world.ledger.messages()][0]?.recipients).toEqual([addresses[0], addresses[3]]);
});

test('452 4.5.3 after k recipients of a transaction, k more in the next', async () => {
  const world = await start([profile('a.example', 1, { maxRecipients: 3 })]);
  const client = await talkTo(world);
  const addresses = [1, 2, 3, 4, 5].map((n) => `accept+${n}@a.example`);
  const { rcpt } = await send(client, SENDER, addresses, message('1'));
  expect(rcpt.map((reply) => reply?.slice(0, 9))).toEqual([
    ...['250 2.1.5', '250 2.1.5', '250 2.1.5'],
    ...['452 4.5.3', '452 4.5.3'],
  ]);
  const rest = await send(client, SENDER, addresses.slice(3), message('1'));
  expect(rest.rcpt.every((reply) => reply?.startsWith('250') === true)).toBe(true);
});

test('421 at connect, only among the first connections', async () => {
  const busy = { percent: 100, connections: 2 };
  const world = await start([profile('a.example', 1, { busy })]);
  for (let i = 0; i < 2; i += 1) {
    const client = await RawClient.to(addressOf(world, 'a.example'), world.smtpPort);
    clients.push(client);
    expect(await client.reply()).toMatch(/^421 4\.3\.2 /);
    expect(await client.reply()).toBeNull();
  }
  expect((await send(await talkTo(world), SENDER, ['x@a.example'], message('1'))).dot).toMatch(
    /^250/,
  );
  expect(world.ledger.counts).toMatchObject({ connections: 3, refusedConnections: 2 });
});

test.each([
  ['connect', { kind: 'reply', text: '554 5.7.1 not you' }, /^554 /],
  ['ehlo', { kind: 'reply', text: '421-4.3.2 not now\r\n421 4.3.2 really' }, /^421-.*\n421 /],
  ['mail', { kind: 'busy' }, /^421 4\.3\.2 /],
  ['mail', { kind: 'close' }, null],
  ['rcpt', { kind: 'reply', text: '451 4.3.0 later' }, /^451 /],
  ['data', { kind: 'close' }, null],
  ['dot', { kind: 'reply', text: '554 5.6.0 no' }, /^554 /],
  ['dot', { kind: 'close' }, null],
  ['dot', { kind: 'delay', delayMs: 5 }, /^250 /],
  ['quit', { kind: 'close' }, null],
] as const)('an incident at %s: %j', async (at, trouble, expected) => {
  const incidents = [{ at, percent: 100, trouble }];
  const world = await start([profile('a.example', 1, { incidents })]);
  const client = await RawClient.to(addressOf(world, 'a.example'), world.smtpPort);
  clients.push(client);
  const replies: [string, string | null][] = [['connect', await client.reply()]];
  for (const [stage, line] of [
    ['ehlo', 'EHLO client.example'],
    ['mail', `MAIL FROM:<${SENDER}>`],
    ['rcpt', 'RCPT TO:<x@a.example>'],
    ['data', 'DATA'],
    ['dot', 'Subject: x\r\n\r\nx\r\n.'],
    ['quit', 'QUIT'],
  ] as const) {
    if (replies.some(([name]) => name === at)) break;
    replies.push([stage, await client.say(line)]);
  }
  const [stage, reply] = replies.at(-1) ?? [];
  expect(stage).toBe(at);
  if (expected === null) expect(reply).toBeNull();
  else expect(reply).toMatch(expected);
  const taken = trouble.kind === 'delay' || at === 'quit' ? 1 : 0;
  expect(world.ledger.counts.messages).toBe(taken);
  expect([...world.ledger.faults()]).toEqual([]);
});

test.each([
  ['silence', ''],
  ['garbage', '\u0000\u00ff what?\r\n'],
] as const)(
  '%s: nothing more is heard or said, and the idle connection ends',
  async (kind, said) => {
    const incidents = [{ at: 'mail', percent: 100, trouble: { kind } }] as const;
    const world = await start([profile('a.example', 1, { incidents })], { idleMs: 100 });
    const client = await talkTo(world);
    client.write(`MAIL FROM:<${SENDER}>\r\nRCPT TO:<x@a.example>\r\nNOOP\r\n`);
    expect(await client.rest()).toBe(said);
  },
);

test.each([-1, 101])('an incident of %d percent is refused', async (percent) => {
  const incidents = [{ at: 'mail', percent, trouble: { kind: 'close' } }] as const;
  await expect(start([profile('a.example', 1, { incidents })])).rejects.toThrow(/incident/);
});

test('incidents strike by their odds, the same in every run of a seed', () => {
  const incidents = [
    { at: 'mail', percent: 20, trouble: { kind: 'close' } },
    { at: 'mail', percent: 50, trouble: { kind: 'busy' } },
  ] as const;
  const run = (seed: number): string[] =>
    Array.from({ length: 2_000 }, (_, count) => {
      return strike(incidents, 'mail', { seed, domain: 'a.example', count })?.kind ?? 'none';
    });
  const kinds = run(1);
  expect(run(1)).toEqual(kinds);
  expect(run(2)).not.toEqual(kinds);
  const share = (kind: string): number => kinds.filter((one) => one === kind).length / 20;
  expect(share('close')).toBeCloseTo(20, -1);
  expect(share('busy')).toBeCloseTo(40, -1);
  expect(strike(incidents, 'rcpt', { seed: 1, domain: 'a.example', count: 1 })).toBeNull();
});

test('a slow greeting, and a client that does not wait for it', async () => {
  const world = await start([profile('a.example', 1, { greetingDelayMs: 150 })]);
  const startedAt = performance.now();
  const client = await RawClient.to(addressOf(world, 'a.example'), world.smtpPort);
  clients.push(client);
  client.write('EHLO early.example\r\n');
  expect(await client.reply()).toMatch(/^220 /);
  expect(performance.now() - startedAt).toBeGreaterThan(140);
  expect(await client.reply()).toMatch(/^250-mx1/);
  expect(world.ledger.faults().get('pipelined_unasked')?.example).toMatch(/before the greeting/);
});

test('tarpit+… is slow and in order', async () => {
  const world = await start([profile('a.example', 1)], { tarpitMs: 80 });
  const client = await talkTo(world);
  const startedAt = performance.now();
  const addresses = ['tarpit+1@a.example', 'unknown+2@a.example', 'accept+3@a.example'];
  const { rcpt, dot } = await send(client, SENDER, addresses, message('1'));
  expect(rcpt.map((reply) => reply?.slice(0, 3))).toEqual(['250', '550', '250']);
  expect(dot).toMatch(/^250/);
  expect(performance.now() - startedAt).toBeGreaterThan(150);
});

test('a host that reads slowly', async () => {
  const world = await start([profile('a.example', 1, { readBytesPerSecond: 200_000 })]);
  const client = await talkTo(world);
  const startedAt = performance.now();
  const content = message(
    '1',
    Array.from({ length: 800 }, () => 'x'.repeat(74)),
  );
  const { dot } = await send(client, SENDER, ['accept+1@a.example'], content);
  expect(dot).toMatch(/^250/);
  // The last chunk is answered before its pause; all others have been waited for.
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  const next = await client.say('NOOP');
  expect(next).toMatch(/^250/);
  expect(performance.now() - startedAt).toBeGreaterThan(250);
});

test('extension sets: nothing that was not offered is taken', async () => {
  const world = await start([
    profile('bare.example', 1, { extensions: ['SIZE'] }),
    profile('old.example', 1, { extensions: null }),
  ]);
  const bare = await talkTo(world, 'bare.example');
  expect(await bare.say('EHLO x.example')).toBe(
    '250-mx1.bare.example greets x.example\n250 SIZE 33554432',
  );
  expect(await bare.say(`MAIL FROM:<${SENDER}> BODY=8BITMIME`)).toMatch(/^555 5\.5\.4/);
  expect(await bare.say(`MAIL FROM:<${SENDER}> RET=HDRS`)).toMatch(/^555 5\.5\.4/);
  expect(await bare.say('STARTTLS')).toMatch(/^502/);
  expect(await bare.say('BDAT 1 LAST')).toMatch(/^502/);
  expect(world.ledger.faults().get('extension_not_offered')?.count).toBe(4);

  const old = await RawClient.to(addressOf(world, 'old.example'), world.smtpPort);
  clients.push(old);
  expect(await old.reply()).toBe('220 mx1.old.example SMTP ready');
  expect(await old.say('EHLO x.example')).toMatch(/^502 5\.5\.1/);
  expect(await old.say('HELO x.example')).toBe('250 mx1.old.example');
  expect(await old.say(`MAIL FROM:<${SENDER}> SIZE=1`)).toMatch(/^555/);
  expect(await old.say(`MAIL FROM:<${SENDER}>`)).toMatch(/^250/);
});

test('faults of a sender are counted with an example', async () => {
  const world = await start([profile('a.example', 1, { extensions: ['SIZE'] })]);
  const client = await talkTo(world);
  client.write(`MAIL FROM:<${SENDER}>\r\nRCPT TO:<accept+1@a.example>\r\n`);
  await client.reply();
  await client.reply();
  client.write('DATA\r\nbare\nnewline\r\n.\r\n');
  await client.reply();
  await client.reply();
  await client.say('RCPT TO:<accept+1@a.example>');
  await client.say('FROBNICATE');
  await client.say('MAIL FROM:nobody');
  client.write(`NOOP${'x'.repeat(5_000)}\r\n`);
  expect(await client.reply()).toMatch(/^500 5\.5\.6/);
  expect([...world.ledger.faults().keys()].sort()).toEqual([
    'bare_newline',
    'content_before_354',
    'line_too_long',
    'pipelined_unasked',
    'sequence',
    'syntax',
    'unknown_command',
  ]);
  expect(world.ledger.faults().get('unknown_command')).toEqual({
    count: 1,
    example: 'mx1.a.example: FROBNICATE',
  });
});

test('after twenty mistakes the host closes', async () => {
  const world = await start([profile('a.example', 1)]);
  const client = await talkTo(world);
  for (let i = 0; i < 20; i += 1) expect(await client.say('NONSENSE')).toMatch(/^500/);
  expect(await client.say('NONSENSE')).toMatch(/^421 4\.7\.0/);
  expect(await client.reply()).toBeNull();
});

test('a message over the size limit: at MAIL when declared, after the dot when not', async () => {
  const world = await start([profile('a.example', 1)], { maxMessageBytes: 1_000 });
  const client = await talkTo(world);
  expect(await client.say(`MAIL FROM:<${SENDER}> SIZE=1001`)).toMatch(/^552 5\.3\.4/);
  const large = message(
    '1',
    Array.from({ length: 40 }, () => 'x'.repeat(70)),
  );
  const { dot } = await send(client, SENDER, ['accept+1@a.example'], large);
  expect(dot).toMatch(/^552 5\.3\.4/);
  expect(world.ledger.counts.messages).toBe(0);
});

test('CHUNKING: BDAT in pieces, pipelined; dots are not stuffed', async () => {
  const world = await start([
    profile('a.example', 1, { extensions: [...COMMON_EXTENSIONS, 'CHUNKING'] }),
  ]);
  const client = await talkTo(world);
  const content = message('1', ['.', '.dot']);
  client.write(
    `MAIL FROM:<${SENDER}>\r\nRCPT TO:<accept+1@a.example>\r\nBDAT 10\r\n${content.slice(0, 10)}` +
      `BDAT ${content.length - 10} LAST\r\n${content.slice(10)}`,
  );
  const replies = [];
  for (let i = 0; i < 4; i += 1) replies.push((await client.reply())?.slice(0, 3));
  expect(replies).toEqual(['250', '250', '250', '250']);
  expect(world.ledger.messagesFor('accept+1@a.example')[0]?.bytes?.toString()).toBe(content);

  client.write(`MAIL FROM:<${SENDER}>\r\nRCPT TO:<unknown+1@a.example>\r\nBDAT 4 LAST\r\nQUIT`);
  expect(await client.reply()).toMatch(/^250/);
  expect(await client.reply()).toMatch(/^550/);
  expect(await client.reply()).toMatch(/^554/);
  expect(await client.say('NOOP')).toMatch(/^250/);
});

test('SMTPUTF8 addresses only when declared', async () => {
  const world = await start([profile('a.example', 1)]);
  const client = await talkTo(world);
  await client.say(`MAIL FROM:<${SENDER}>`);
  expect(await client.say('RCPT TO:<用户@a.example>')).toMatch(/^553 5\.6\.7/);
  await client.say('RSET');
  await client.say(`MAIL FROM:<${SENDER}> SMTPUTF8`);
  expect(await client.say('RCPT TO:<用户@a.example>')).toMatch(/^250/);
});

test('a host takes mail for its own domains only', async () => {
  const world = await start([
    profile('a.example', 1),
    profile('b.example', 1),
    profile('c.example', 1, { routing: { kind: 'hosted', by: 'a.example' } }),
  ]);
  const client = await talkTo(world, 'a.example');
  const addresses = ['x@a.example', 'x@b.example', 'x@c.example', 'x@elsewhere.example'];
  const { rcpt } = await send(client, SENDER, addresses, message('1'));
  expect(rcpt.map((reply) => reply?.slice(0, 3))).toEqual(['250', '554', '250', '554']);
  expect(world.ledger.faults().get('wrong_host')?.count).toBe(2);
});

test('STARTTLS: a real handshake, EHLO again, nothing from before it counts', async () => {
  const now = (): Date => new Date();
  const world = await start([profile('a.example', 1)], { tls: 'selfsigned', now });
  const client = await talkTo(world);
  expect(await client.say('EHLO x.example')).toMatch(/STARTTLS/);
  client.write('STARTTLS\r\nMAIL FROM:<injected@evil.example>\r\n');
  expect(await client.reply()).toMatch(/^220/);
  await client.secure(world.certificate ?? '', 'mx1.a.example');
  expect(await client.say(`MAIL FROM:<${SENDER}>`)).toMatch(/^503/);
  expect(await client.say('EHLO x.example')).not.toMatch(/STARTTLS/);
  const { dot } = await send(client, SENDER, ['accept+1@a.example'], message('1'));
  expect(dot).toMatch(/^250/);
  expect(world.ledger.counts.tlsSessions).toBe(1);
  expect(world.ledger.faults().get('plaintext_after_starttls')?.count).toBe(1);
});

test('broken TLS: 220, then no handshake', async () => {
  const world = await start([profile('a.example', 1, { tls: 'broken' })], { tls: 'selfsigned' });
  const client = await talkTo(world);
  expect(await client.say('STARTTLS')).toMatch(/^220/);
  await expect(client.secure(world.certificate ?? '', 'mx1.a.example')).rejects.toThrow();
});

test('what comes before the greeting is bounded', async () => {
  const world = await start([profile('a.example', 1, { greetingDelayMs: 500 })]);
  const client = await RawClient.to(addressOf(world, 'a.example'), world.smtpPort);
  clients.push(client);
  client.write('x'.repeat(200_000));
  expect(await client.reply()).toBeNull();
});

test('silence is answered by 421', async () => {
  const world = await start([profile('a.example', 1)], { idleMs: 100 });
  const client = await talkTo(world);
  expect(await client.reply()).toMatch(/^421 4\.4\.2/);
  expect(await client.reply()).toBeNull();
});

test('one address: the recipient decides, the dead host is elsewhere', async () => {
  const profiles = [
    profile('a.example', 1, { family: 'qq', maxRecipients: 1 }),
    profile('b.example', 1, { routing: { kind: 'mx', hosts: 2, dead: 1 } }),
    profile('dead.example', 1, { routing: { kind: 'refuses' } }),
  ];
  const world = await start(profiles, { addressing: 'one' });
  expect(world.domains.map((item) => item.hosts.map((host) => host.addresses))).toEqual([
    [['127.0.0.1']],
    [['::1'], ['127.0.0.1']],
    [['::1']],
  ]);
  const client = await talkTo(world, 'a.example');
  const addresses = ['unknown+1@a.example', 'accept+2@a.example', 'accept+3@a.example'];
  const { rcpt, dot } = await send(client, SENDER, addresses, message('1'));
  expect(rcpt[0]).toMatch(/^550 Mailbox not found/);
  expect(rcpt.slice(1).map((reply) => reply?.slice(0, 3))).toEqual(['250', '452']);
  expect(dot).toMatch(/^250/);
});

test('the first host of a domain can be had over IPv6, where the machine has it', async () => {
  const routing = { kind: 'mx', hosts: 2, ipv6: true } as const;
  const world = await start([profile('a.example', 1, { routing })]);
  const ipv6 = await canListen('::1');
  const hosts = world.domains[0]?.hosts.map((host) => host.addresses.length);
  expect(hosts).toEqual([ipv6 ? 2 : 1, 1]);
  for (const address of world.domains[0]?.hosts[0]?.addresses ?? []) {
    const client = await hello(address, world.smtpPort);
    clients.push(client);
    expect((await send(client, SENDER, ['accept+1@a.example'], message('1'))).dot).toMatch(/^250/);
  }
});

test('two ranges live side by side; a stopped one leaves nothing', async () => {
  const world = await start([profile('a.example', 1)]);
  const other = await startRange({ seed: 1, profiles: [profile('a.example', 1)] });
  expect(other.smtpPort).not.toBe(world.smtpPort);
  const client = await hello(addressOf(other, 'a.example'), other.smtpPort);
  await Promise.all([other.stop(), other.stop()]);
  expect(await client.reply()).toBeNull();
  await expect(RawClient.to(addressOf(other, 'a.example'), other.smtpPort)).rejects.toThrow(
    'ECONNREFUSED',
  );
});

test('a port that is taken is told', async () => {
  const server = createServer().listen(0, '127.1.0.1');
  await once(server, 'listening');
  const address = server.address();
  const smtpPort = typeof address === 'object' && address !== null ? address.port : 0;
  await expect(start([profile('a.example', 1)], { smtpPort })).rejects.toMatchObject({
    code: 'port_in_use',
  });
  server.close();
});
