/**
 * bench/bare-loop — the limit: signs and sends messages put together by hand, as fast as Node can.
 *
 * No database, no session state, no failures: MAIL, RCPT and DATA in one write, the next envelope
 * behind the dot of the message before it. A process of its own (limits.ts, runChild).
 *
 *     fork('bare-loop.ts', [JSON.stringify(SenderOptions)])   tells 'ready', then a sample
 */
import { connect } from 'node:net';
import { untilTold } from '../harness/child.ts';
import { DOMAINS, recipientsOf, senderOf } from '../harness/message.ts';
import { createPrebuilt } from '../harness/prebuilt.ts';
import type { SenderOptions } from '../harness/prebuilt.ts';
import { measureHere } from '../harness/usage.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as SenderOptions;
const build = createPrebuilt(options);
const DOT = Buffer.from('.\r\n');
const messages = Math.ceil(options.n / options.recipientsEach);
let begun = 0;

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
      ready = build(current);
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
      socket.write(DOT);
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
  await untilTold();
  const result = await measureHere(async () => {
    await Promise.all(Array.from({ length: options.connections }, runConnection));
    return options.n;
  });
  process.send?.(result);
  process.disconnect();
}
