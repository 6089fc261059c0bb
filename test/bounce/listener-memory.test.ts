/** Hostile messages, several at a time, cost the listener's process bounded memory and time. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { signToken } from '../../src/verp/token.ts';
import { useDatabase } from '../harness/database.ts';
import { RawClient } from '../range/client.ts';
import { HOSTILE } from './hostile.ts';
import { BOUNCE_DOMAIN, dsn, ring, sentCampaign } from './returns.ts';

const database = useDatabase();
let child: ChildProcess | null = null;

afterEach(async () => {
  if (child === null) return;
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
  child = null;
});

async function told<T>(from: ChildProcess): Promise<T> {
  const [message] = (await once(from, 'message')) as [T];
  return message;
}

async function peakBytes(from: ChildProcess): Promise<number> {
  const answer = told<{ peakBytes: number }>(from);
  from.send('peak');
  return (await answer).peakBytes;
}

async function sendTo(port: number, address: string, pieces: Iterable<string | Buffer>) {
  const client = await RawClient.to('127.0.0.1', port);
  await client.reply();
  for (const line of ['EHLO mx.example', 'MAIL FROM:<>', `RCPT TO:<${address}>`, 'DATA']) {
    await client.say(line);
  }
  for (const piece of pieces) {
    if (!client.socket.write(piece)) await once(client.socket, 'drain');
  }
  client.write('\r\n.\r\n');
  const reply = await client.reply();
  client.close();
  return reply;
}

const AT_ONCE = 5;
/**
 * What Node takes for itself while it works (50 MB, measured), what is kept of each message (1 MiB, and
 * what is made of it), and room for another machine. One message of 50 MB that is held is more, and so
 * are five.
 */
const BOUND_BYTES = 200_000_000;
/** A minute for messages that take one to six seconds each: a bound, not a measure. */
const BOUND_MS = 60_000;

test.each(Object.keys(HOSTILE))(
  `five times %s at one moment: the memory of the process is bounded, and the time`,
  async (name) => {
    const make = HOSTILE[name];
    if (make === undefined) throw new Error('no such message');
    const { deliveryIds } = await sentCampaign(database.sql, ['ann@x.example']);
    const to = `b+${signToken(ring, 'delivery', deliveryIds[0]!)}@${BOUNCE_DOMAIN}`;
    child = fork(join(import.meta.dirname, 'listener-process.ts'), [database.url]);
    const { port } = await told<{ port: number }>(child);
    // What everybody costs: code that is compiled, the pool of connections.
    for (let i = 0; i < 10; i += 1) {
      const report = dsn([{ recipient: 'ann@x.example' }], { mark: `warm-up ${i}` });
      expect(await sendTo(port, to, [report])).toMatch(/^250 /);
    }
    const before = await peakBytes(child);
    const beganMs = performance.now();
    const replies = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, i) => sendTo(port, to, marked(make(), i))),
    );
    for (const reply of replies) expect(reply).toMatch(/^250 /);
    expect(performance.now() - beganMs).toBeLessThan(BOUND_MS);
    const grownBytes = (await peakBytes(child)) - before;
    expect(grownBytes).toBeLessThan(BOUND_BYTES);
  },
  BOUND_MS + 30_000,
);

/** Another message each time: the same again would be known already. */
function* marked(pieces: Iterable<string | Buffer>, mark: number): Generator<string | Buffer> {
  yield `X-Mark: ${mark}\r\n`;
  yield* pieces;
}
