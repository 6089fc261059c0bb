/**
 * bench/bounce-listener — how many DSNs a second the listener takes, durable and accounted for.
 *
 *     node bench/bounce-listener.ts [reports=20000] [connections=20]
 *
 * Embedded PostgreSQL with fsync on, one process for listener and senders, one DSN a transaction over
 * kept connections, each about another delivery. Prints reports/s, the replies' p50 and p99, and the
 * memory of the process.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startBounceListener } from '../src/bounce/listener.ts';
import { createReception } from '../src/bounce/reception.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { createLogger } from '../src/kernel/log.ts';
import { connect } from '../src/kernel/postgres/connect.ts';
import type { Sql } from '../src/kernel/postgres/connect.ts';
import { migrate } from '../src/kernel/postgres/migrate.ts';
import { startEmbeddedServer } from '../src/kernel/postgres/server.ts';
import { bounceAddress } from '../src/verp/address.ts';
import { createKeyRing } from '../src/verp/keyring.ts';
import { signToken } from '../src/verp/token.ts';

const DOMAIN = 'bounce.shop.example';
const ring = createKeyRing(['a secret of more than thirty-two characters']);

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

async function bench(url: string, count: number, connections: number): Promise<void> {
  await migrate(url);
  const sql = connect(url, { poolSize: 8 });
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
  const began = performance.now();
  const all = Array.from({ length: connections }, () => sendReports(listener.port, next));
  const timesMs = (await Promise.all(all)).flat().sort((a, b) => a - b);
  const seconds = (performance.now() - began) / 1_000;
  const quantile = (q: number): string => (timesMs[Math.floor(q * timesMs.length)] ?? 0).toFixed(1);
  const [found] = await sql<{ late: number; suppressed: number }[]>`
    select (select count(*)::int from events where kind = 'bounce.late') as late,
      (select count(*)::int from suppressions) as suppressed`;
  console.log(
    `${count} reports, ${connections} connections: ${Math.round(count / seconds)}/s, ` +
      `250 after p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, ` +
      `rss ${Math.round(process.memoryUsage().rss / 1_048_576)} MB; ` +
      `late bounces ${found?.late ?? 0}, suppressions ${found?.suppressed ?? 0}`,
  );
  await listener.close();
  await sql.end();
}

const [reports = '20000', connections = '20'] = process.argv.slice(2);
const dataDir = mkdtempSync(join(tmpdir(), 'volley-bench-'));
const server = await startEmbeddedServer({ dataDir });
try {
  await bench(server.url, Number(reports), Number(connections));
} finally {
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
