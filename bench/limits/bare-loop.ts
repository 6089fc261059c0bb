/**
 * bench/bare-loop — the limit: signs and sends prebuilt messages, as fast as Node can.
 *
 * No database, no session state, no failures: MAIL, RCPT and DATA in one write, the next envelope
 * behind the dot of the message before it. A process of its own.
 *
 *     fork('bare-loop.ts', [JSON.stringify(BareLoopOptions)])   tells BareLoopResult
 */
import { connect } from 'node:net';
import { hashBody } from '../../src/mta/dkim.ts';
import { createMessageMaker, recipientOf, recipientsOf, senderOf } from '../harness/message.ts';
import type { Dkim } from '../harness/settings.ts';
import { createBenchSigner } from '../harness/signer.ts';
import { measureHere } from '../harness/usage.ts';

export interface BareLoopOptions {
  port: number;
  n: number;
  /** Recipients of one message; 1: personalised. */
  recipientsEach: number;
  connections: number;
  sizeBytes: number;
  dkim: Dkim;
}

const options = JSON.parse(process.argv[2] ?? '{}') as BareLoopOptions;
const maker = createMessageMaker(options.sizeBytes);
const signer = createBenchSigner(options.dkim);
const messages = Math.ceil(options.n / options.recipientsEach);
let begun = 0;
const DOMAINS = 50;

async function make(n: number): Promise<Buffer> {
  const { headers, body } = maker(n, recipientOf(n, DOMAINS));
  if (signer === null) return Buffer.from(`${headers}\r\n${body}.\r\n`, 'latin1');
  const rest = Buffer.from(`\r\n${body}.\r\n`, 'latin1');
  const hash = hashBody(rest.subarray(2, -3));
  return Buffer.concat([
    Buffer.from((await signer.signHeaders(headers, hash)) + headers, 'latin1'),
    rest,
  ]);
}

function envelope(n: number): string {
  const rcpts = recipientsOf(n, options.recipientsEach, DOMAINS);
  const lines = rcpts.map((address) => `RCPT TO:<${address}>\r\n`).join('');
  return `MAIL FROM:<${senderOf(n)}>\r\n${lines}DATA\r\n`;
}

function take(): number | null {
  if (begun >= messages) return null;
  begun += 1;
  return begun - 1;
}

/** Waits for `354`, writes message and next envelope; ends after the last `250`. */
function runConnection(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true });
    let current: number | null = null;
    let ready: Promise<Buffer> | null = null;
    let left = '';
    const begin = (): string => {
      current = take();
      if (current === null) return 'QUIT\r\n';
      ready = make(current);
      return envelope(current);
    };
    const onLine = (line: string): void => {
      if (line.startsWith('220')) socket.write('EHLO bench.example\r\n');
      else if (line.startsWith('250 ') && current === null && ready === null) socket.write(begin());
      else if (line.startsWith('354')) void ready?.then(sendBody, reject);
      else if (line.startsWith('221')) socket.end();
      else if (!line.startsWith('250')) reject(new Error(line));
    };
    const sendBody = (bytes: Buffer): void => {
      socket.cork();
      socket.write(bytes);
      socket.write(begin());
      socket.uncork();
    };
    socket.on('data', (chunk) => {
      const lines = (left + chunk.toString('latin1')).split('\r\n');
      left = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
}

if (import.meta.main) {
  const result = await measureHere(async () => {
    await Promise.all(Array.from({ length: options.connections }, runConnection));
    return options.n;
  });
  process.send?.(result);
  process.disconnect();
}
