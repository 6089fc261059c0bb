/** Late DSNs and complaints, brought by SMTP to a real server. */
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';
import { afterEach, expect, test } from 'vitest';
import { profile } from '../../src/range/profile.ts';
import { startRange } from '../../src/range/range.ts';
import type { Range, RangeOptions } from '../../src/range/range.ts';
import type { RawClient } from './client.ts';
import { hello, message, send } from './client.ts';

interface Returned {
  from: string;
  to: string;
  bytes: Buffer;
}

let range: Range | undefined;
let server: SMTPServer | undefined;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await range?.stop();
  await new Promise<void>((resolve) => {
    if (server === undefined) resolve();
    else server.close(() => resolve());
  });
  range = undefined;
  server = undefined;
});

/** A bounce listener; `refuse` decides on each message. */
async function listen(
  refuse: (count: number) => number | null = () => null,
): Promise<{ returned: Returned[]; target: { host: string; port: number } }> {
  const returned: Returned[] = [];
  let count = 0;
  const started = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        count += 1;
        const code = refuse(count);
        if (code !== null) {
          callback(Object.assign(new Error('no'), { responseCode: code }));
          return;
        }
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom === false ? '' : mailFrom.address;
        returned.push({ from, to: rcptTo[0]?.address ?? '', bytes: Buffer.concat(chunks) });
        callback();
      });
    },
  });
  server = started;
  await new Promise<void>((resolve) => {
    started.listen(0, '127.0.0.1', resolve);
  });
  const address = started.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { returned, target: { host: '127.0.0.1', port } };
}

async function start(options: Partial<RangeOptions> = {}): Promise<Range> {
  const profiles = [profile('a.example', 1), profile('qq.example', 1, { family: 'qq' })];
  range = await startRange({ seed: 1, profiles, lateDsnDelayMs: 10, ...options });
  return range;
}

async function talkTo(world: Range, host = 0): Promise<RawClient> {
  const client = await hello(world.domains[host]?.hosts[0]?.addresses[0] ?? '', world.smtpPort);
  clients.push(client);
  return client;
}

const SENDER = 'b+k3j2h1@bounce.example';

test('a late bounce is a DSN to the envelope sender, from the null sender', async () => {
  const { returned, target } = await listen();
  const world = await start({ bounceTarget: target });
  const { dot } = await send(await talkTo(world), SENDER, ['late+Ann@a.example'], message('1'));
  expect(dot).toMatch(/^250/);
  await world.idle();

  expect(returned).toHaveLength(1);
  const [dsn] = returned;
  expect(dsn).toMatchObject({ from: '', to: SENDER });
  const text = dsn!.bytes.toString('utf8');
  expect(text).toMatch(
    /^Content-Type: multipart\/report; report-type=delivery-status;\r\n boundary=/m,
  );
  expect(text).toMatch(/^Reporting-MTA: dns; mx1\.a\.example\r\n/m);
  expect(text).toMatch(/^Final-Recipient: rfc822; late\+Ann@a\.example\r\n/m);
  expect(text).toMatch(
    /^Action: failed\r\nStatus: 5\.1\.1\r\nDiagnostic-Code: smtp; 550 5\.1\.1 /m,
  );
  expect(text).not.toMatch(/Original-Recipient|Original-Envelope-Id/);
  expect(text).not.toMatch(/[^\r]\n/);
  const parsed = await PostalMime.parse(dsn!.bytes, { attachmentEncoding: 'utf8' });
  expect(parsed.subject).toBe('Undelivered Mail Returned to Sender');
  expect(parsed.attachments.map((item) => item.mimeType)).toEqual([
    'message/delivery-status',
    'text/rfc822-headers',
  ]);
  expect(parsed.attachments[1]?.content).toContain('Message-ID: <1@sender.example>');
  expect(parsed.attachments[1]?.content).not.toContain('Hello.');
  expect(world.ledger.returns).toMatchObject([
    { kind: 'dsn', recipient: 'late+Ann@a.example', to: SENDER, state: 'delivered', attempts: 1 },
  ]);
});

test('latefull+… says 5.2.2; a provider with several lines folds them; Chinese texts are UTF-8', async () => {
  const { returned, target } = await listen();
  const world = await start({ bounceTarget: target });
  await send(await talkTo(world, 1), SENDER, ['latefull+1@qq.example'], message('1'));
  await world.idle();
  const parsed = await PostalMime.parse(returned[0]!.bytes, { attachmentEncoding: 'utf8' });
  expect(parsed.subject).toBe('系统退信 / Systems bounce');
  expect(parsed.text).toContain('抱歉');
  expect(parsed.attachments[0]?.content).toMatch(/Status: 5\.2\.2/);
});

test('one copy, many recipients: one DSN each, with Original-Recipient and Original-Envelope-Id', async () => {
  const { returned, target } = await listen();
  const world = await start({ bounceTarget: target });
  const client = await talkTo(world);
  await client.say(`MAIL FROM:<${SENDER}> RET=HDRS ENVID=batch+2B7`);
  await client.say('RCPT TO:<late+1@a.example> NOTIFY=FAILURE ORCPT=rfc822;Late+2B1@a.example');
  await client.say('RCPT TO:<accept+2@a.example> NOTIFY=FAILURE ORCPT=rfc822;accept+2B2@a.example');
  await client.say('RCPT TO:<late+3@a.example>');
  await client.say('RCPT TO:<late+4@a.example> NOTIFY=NEVER');
  await client.say('RCPT TO:<late+5@a.example> NOTIFY=SUCCESS,DELAY');
  await client.say('DATA');
  expect(await client.say(`${message('1')}.`)).toMatch(/^250/);
  await world.idle();

  const texts = returned.map((item) => item.bytes.toString('utf8')).sort();
  expect(texts).toHaveLength(2);
  const of = (recipient: string): string =>
    texts.find((text) => text.includes(`Final-Recipient: rfc822; ${recipient}\r\n`)) ?? '';
  expect(of('late+1@a.example')).toContain('Original-Recipient: rfc822; Late+1@a.example\r\n');
  expect(of('late+1@a.example')).toContain('Original-Envelope-Id: batch+7\r\n');
  expect(of('late+3@a.example')).not.toContain('Original-Recipient');
  for (const text of texts) expect(text.match(/^Final-Recipient/gm)).toHaveLength(1);
});

test('a complaint is an ARF report', async () => {
  const { returned, target } = await listen();
  const world = await start({ bounceTarget: target });
  await send(await talkTo(world), SENDER, ['complaint+1@a.example'], message('1'));
  await world.idle();
  expect(returned[0]).toMatchObject({ from: 'feedback@a.example', to: SENDER });
  const text = returned[0]!.bytes.toString('utf8');
  expect(text).toContain('report-type=feedback-report');
  const parsed = await PostalMime.parse(returned[0]!.bytes, { attachmentEncoding: 'utf8' });
  expect(parsed.attachments[0]?.mimeType).toBe('message/feedback-report');
  expect(parsed.attachments[0]?.content).toMatch(/^Feedback-Type: abuse\r?\n/);
  expect(parsed.attachments[0]?.content).toContain(`Original-Mail-From: <${SENDER}>`);
  expect(parsed.attachments[0]?.content).toContain('Original-Rcpt-To: <complaint+1@a.example>');
});

test('nothing is returned to the null sender', async () => {
  const world = await start();
  const { dot } = await send(await talkTo(world), '', ['late+1@a.example'], message('1'));
  expect(dot).toMatch(/^250/);
  expect(world.pendingReturns()).toBe(0);
});

test('4xx is tried again, 5xx is the end', async () => {
  const { returned, target } = await listen((count) =>
    count === 1 ? 451 : count === 2 ? 550 : null,
  );
  const world = await start({ bounceTarget: target });
  const client = await talkTo(world);
  await send(client, SENDER, ['late+1@a.example'], message('1'));
  await world.idle();
  expect(returned).toEqual([]);
  expect(world.ledger.returns).toMatchObject([{ state: 'refused', attempts: 2 }]);
  await send(client, SENDER, ['late+2@a.example'], message('2'));
  await world.idle();
  expect(returned).toHaveLength(1);
  expect(world.ledger.counts.returns).toEqual({
    pending: 0,
    delivered: 1,
    refused: 1,
    given_up: 0,
  });
});

test('returns wait for a target, and for one that is down', async () => {
  const world = await start();
  await send(await talkTo(world), SENDER, ['late+1@a.example', 'late+2@a.example'], message('1'));
  await expect.poll(() => world.ledger.returns.every((item) => item.attempts > 0)).toBe(true);
  expect(world.pendingReturns()).toBe(2);
  const { returned, target } = await listen();
  world.setBounceTarget(target);
  await world.idle();
  expect(returned).toHaveLength(2);
});

test('stop gives up what is pending, and idle resolves', async () => {
  const world = await start({ lateDsnDelayMs: 60_000 });
  await send(await talkTo(world), SENDER, ['late+1@a.example'], message('1'));
  const idle = world.idle();
  expect(world.pendingReturns()).toBe(1);
  await world.stop();
  await idle;
  expect(world.ledger.returns).toMatchObject([{ state: 'given_up' }]);
});

test('many returns go over few connections', async () => {
  const { returned, target } = await listen();
  const world = await start({ bounceTarget: target });
  const client = await talkTo(world);
  for (let batch = 0; batch < 10; batch += 1) {
    const addresses = Array.from({ length: 20 }, (_, i) => `late+${batch}-${i}@a.example`);
    await send(client, SENDER, addresses, message(String(batch)));
  }
  await world.idle();
  expect(
    new Set(returned.map((item) => /Final-Recipient: .*/.exec(item.bytes.toString())?.[0])).size,
  ).toBe(200);
});
