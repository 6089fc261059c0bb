/**
 * bench/bounce-listener — DSNs a second the listener takes, durable and accounted for.
 *
 * Listener and senders in one process, one DSN of 3 KB a transaction over kept connections, each about
 * another delivery. Figures: the time from the end of the data to the 250.
 */
import { once } from 'node:events';
import { connect as dial } from 'node:net';
import { createInterface } from 'node:readline';
import { startBounceListener } from '../../src/bounce/listener.ts';
import { createReception } from '../../src/bounce/reception.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { createLogger } from '../../src/kernel/log.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { bounceAddress } from '../../src/verp/address.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { signToken } from '../../src/verp/token.ts';
import { perSecond, sample } from '../harness/bench.ts';
import type { Bench, Prepared, Sample } from '../harness/bench.ts';
import { CONNECTIONS, SECRET } from '../harness/engine.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchServer } from '../harness/postgres.ts';
import { quantile } from '../harness/rounds.ts';
import type { Settings } from '../harness/settings.ts';
import { measureShared } from '../harness/usage.ts';

const DOMAIN = 'bounce.shop.example';
const ring = createKeyRing([SECRET]);

export const bounceListener: Bench = {
  name: 'bounce-listener',
  measures: 'returned messages taken by the bounce listener: understood, recorded, suppressed',
  headline: perSecond('messages'),
  variants: (settings) => [settings],
  describe: () => ({}),
  prepare,
  bars: () => [],
};

async function prepare(settings: Settings): Promise<Prepared> {
  const n = settings.n ?? 5_000;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => run(server, n) }],
    notes: [`${CONNECTIONS} connections`],
    close: () => stack.release(),
  };
}

async function fill(sql: Sql, count: number): Promise<void> {
  await sql`
    insert into senders (from_address, display_name, domain, bounce_domain)
    values ('news@shop.example', 'Shop', 'shop.example', ${DOMAIN})`;
  await sql`
    insert into contents (subject, format, source, html, text, variables)
    values ('', 'html', '', '', '', '{}')`;
  await sql`
    insert into campaigns (name, sender_id, content_id, stream, mode, ttl_seconds, ambiguity_policy)
    values ('Bench', 1, 1, 'marketing', 'parallel', 3600, 'hold')`;
  await sql`
    insert into recipients (campaign_id, address, address_key, domain)
    select 1, 'user' || n || '@d' || n % 50 || '.example', 'user' || n || '@d' || n % 50 || '.example',
      'd' || n % 50 || '.example'
    from generate_series(1, ${count}::int) n`;
  await sql`
    insert into deliveries (id, campaign_id, recipient_id, state)
    select id, 1, id, 'accepted' from recipients`;
}

/** Of the size that receivers send: 3 KB. */
function report(n: number): string {
  const recipient = `user${n}@d${n % 50}.example`;
  return [
    'From: MAILER-DAEMON@mx.example',
    `Message-ID: <${n}@mx.example>`,
    'Subject: Undelivered Mail Returned to Sender',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    `I'm sorry to have to inform you that your message could not be delivered to <${recipient}>.`,
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.example',
    '',
    `Final-Recipient: rfc822; ${recipient}`,
    'Action: failed',
    'Status: 5.1.1',
    `Diagnostic-Code: smtp; 550 5.1.1 <${recipient}>: Recipient address rejected: User unknown`,
    '',
    '--b',
    'Content-Type: message/rfc822',
    '',
    'Subject: News',
    '',
    'A line of the message that came back.\r\n'.repeat(60),
    '--b--',
    '',
    '.',
    '',
  ].join('\r\n');
}

async function sendReports(port: number, next: () => number | null): Promise<number[]> {
  const socket = dial({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const expect = async (code: string): Promise<void> => {
    for (;;) {
      const { value } = (await lines.next()) as { value: string | undefined };
      if (value?.startsWith(code) !== true)
        throw new Error(`expected ${code}, got ${value ?? 'the end'}`);
      if (value[3] !== '-') return;
    }
  };
  const timesMs: number[] = [];
  await expect('220');
  socket.write('EHLO bench.example\r\n');
  await expect('250');
  for (let n = next(); n !== null; n = next()) {
    const to = bounceAddress(signToken(ring, 'delivery', BigInt(n)), DOMAIN);
    socket.write(`MAIL FROM:<>\r\nRCPT TO:<${to}>\r\nDATA\r\n`);
    for (const code of ['250', '250', '354']) await expect(code);
    const began = performance.now();
    socket.write(report(n));
    await expect('250');
    timesMs.push(performance.now() - began);
  }
  socket.end('QUIT\r\n');
  return timesMs;
}

async function run(server: BenchServer, count: number): Promise<Sample> {
  const database = await server.create();
  const { sql } = database;
  await fill(sql, count);
  const listener = await startBounceListener(
    {
      reception: createReception({ sql, keyRing: ring, clock: systemClock }),
      log: createLogger('warn'),
    },
    { host: '127.0.0.1', port: 0, maxMessageBytes: 10_485_760, maxMessagesPerMinute: 10_000_000 },
  );
  let sent = 0;
  const next = (): number | null => (sent < count ? (sent += 1) : null);
  let timesMs: number[] = [];
  const taken = await measureShared(async () => {
    const all = Array.from({ length: CONNECTIONS }, () => sendReports(listener.port, next));
    timesMs = (await Promise.all(all)).flat();
    return count;
  });
  await listener.close();
  const [found] = await sql<{ late: number; suppressed: number }[]>`
    select (select count(*)::int from events where kind = 'bounce.late') as late,
      (select count(*)::int from suppressions) as suppressed`;
  await database.drop();
  const { late = 0, suppressed = 0 } = found ?? {};
  const exact = late === count && suppressed === count;
  return sample(count, taken.seconds, {
    ...taken,
    figures: { replyP50Ms: quantile(timesMs, 0.5), replyP99Ms: quantile(timesMs, 0.99) },
    faults: exact ? [] : [`${late} late bounces, ${suppressed} suppressions of ${count}`],
  });
}
