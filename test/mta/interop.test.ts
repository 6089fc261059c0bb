/** Receivers we did not write, or that are not receivers at all. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { SMTPServer } from 'smtp-server';
import { afterEach, describe, expect, test } from 'vitest';
import { createSigner } from '../../src/mta/dkim.ts';
import { certificateFor } from './smtp-host.ts';
import { allTo, isBalanced, makeMta, makeOrder, QUICK, tally } from './orders.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Seen {
  sender: string;
  recipients: string[];
  content: Buffer;
  secure: boolean;
}

/** nodemailer's smtp-server. */
async function startSmtpServer(hidden: string[] = []): Promise<{ route: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const { ca, key } = await certificateFor('mx.test');
  const server = new SMTPServer({
    cert: ca,
    key,
    authOptional: true,
    hideSTARTTLS: hidden.includes('STARTTLS'),
    hidePIPELINING: hidden.includes('PIPELINING'),
    size: 5_000_000,
    onRcptTo(address, _session, done) {
      const unknown = address.address.startsWith('r3@');
      done(unknown ? Object.assign(new Error('no such user'), { responseCode: 550 }) : null);
    },
    onData(stream, session, done) {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        seen.push({
          sender: mailFrom === false ? '' : mailFrom.address,
          recipients: rcptTo.map(({ address }) => address),
          content: Buffer.concat(parts),
          secure: session.secure,
        });
        done();
      });
    },
  });
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(() => resolve())));
  return { route: `127.0.0.1:${(server.server.address() as AddressInfo).port}`, seen };
}

describe('smtp-server', () => {
  test.each([[[]], [['PIPELINING']], [['STARTTLS']], [['PIPELINING', 'STARTTLS']]])(
    'takes everything, hidden: %j',
    async (hidden) => {
      const { route, seen } = await startSmtpServer(hidden);
      const { privateKey } = generateKeyPairSync('ed25519');
      const signer = createSigner({
        domain: 'shop.test',
        keys: [{ selector: 's', algorithm: 'ed25519-sha256', privateKey }],
      });
      const message = await signer.sign(
        Buffer.from('From: news@shop.test\r\nSubject: x\r\n\r\n.\r\n..\r\nHello\r\n'),
      );
      const engine = makeMta({ routes: allTo(route), maxMessagesPerConnection: 5 });
      cleanups.push(() => engine.close());
      const order = makeOrder(0, { recipients: [...Array<number>(20).fill(1), 10], message });
      await engine.deliver(order.request);
      expect(isBalanced(order)).toBe(true);
      expect(tally(order)).toBe('accepted: 29, rejected@rcpt(550): 1');
      expect(seen).toHaveLength(20);
      expect(seen.every(({ content }) => content.equals(Buffer.from(message)))).toBe(true);
      expect(seen.every(({ secure }) => secure === !hidden.includes('STARTTLS'))).toBe(true);
      expect(Math.max(...seen.map(({ recipients }) => recipients.length))).toBe(10);
    },
  );
});

describe('what is no SMTP', () => {
  let chunks: readonly Uint8Array[] = [];
  async function noise(): Promise<string> {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      let i = 0;
      const next = (): void => {
        const chunk = chunks[i];
        i += 1;
        if (chunk === undefined) socket.end();
        else socket.write(chunk, () => setImmediate(next));
      };
      next();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('random bytes and half sentences: no crash, no hang, the balance closes', async () => {
    const route = await noise();
    const piece = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      fc
        .constantFrom('220 hi\r\n', '250-x\r\n', '250 ok\r\n', '354 go\r\n', '421 no\r\n', '25')
        .map((text) => Buffer.from(text)),
    );
    const times = Object.fromEntries(Object.keys(QUICK).map((name) => [name, 100]));
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        chunks = pieces;
        const engine = makeMta({ routes: allTo(route), timeouts: times, idleMs: 1 });
        const order = makeOrder(2);
        await engine.deliver(order.request);
        await engine.close();
        expect(isBalanced(order)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test('a line without an end costs bounded memory, and the host is given up', async () => {
    const route = await noise();
    chunks = Array.from({ length: 400 }, () => Buffer.alloc(65_536, 0x32));
    const engine = makeMta({ routes: allTo(route) });
    cleanups.push(() => engine.close());
    const order = makeOrder(1);
    await engine.deliver(order.request);
    expect(order.siteFailures).toMatchObject([{ stage: 'greeting', failure: 'protocol_error' }]);
  });
});
