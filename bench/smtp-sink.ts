/**
 * bench/smtp-sink — a receiver that costs as little as possible, as its own process.
 *
 *     node bench/smtp-sink.ts PORT DELAY_MS EXTENSION...
 *
 * Answers every dot after DELAY_MS. Prints `ready PORT`, and on SIGTERM `messages N`.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

const [port = '0', delay = '0', ...extensions] = process.argv.slice(2);
const delayMs = Number(delay);
const offered = extensions.length > 0 ? extensions : ['PIPELINING', 'SIZE 50000000', '8BITMIME'];
const EHLO = ['sink', ...offered]
  .map((text, i, all) => `250${i < all.length - 1 ? '-' : ' '}${text}\r\n`)
  .join('');
let messages = 0;

function converse(socket: Socket): void {
  let input = Buffer.alloc(0);
  let inData = false;
  let bdatLeft = 0;
  let output = '';

  function accept(): void {
    messages += 1;
    if (delayMs === 0) output += '250 2.0.0 Ok\r\n';
    else setTimeout(() => socket.write('250 2.0.0 Ok\r\n'), delayMs);
  }

  function take(): boolean {
    if (bdatLeft > 0) {
      if (input.length < bdatLeft) return false;
      input = input.subarray(bdatLeft);
      bdatLeft = 0;
      accept();
      return true;
    }
    if (inData) {
      const end = input.indexOf('\r\n.\r\n');
      if (end < 0) return false;
      input = input.subarray(end + 5);
      inData = false;
      accept();
      return true;
    }
    const end = input.indexOf('\r\n');
    if (end < 0) return false;
    const verb = input.toString('latin1', 0, Math.min(4, end));
    if (verb === 'BDAT') bdatLeft = Number(input.toString('latin1', 5, end).split(' ')[0]);
    else if (verb === 'DATA') output += '354 go\r\n';
    else if (verb === 'EHLO') output += EHLO;
    else output += verb === 'QUIT' ? '221 bye\r\n' : '250 2.1.0 Ok\r\n';
    inData = verb === 'DATA';
    input = input.subarray(end + 2);
    return true;
  }

  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    input = input.length === 0 ? bytes : Buffer.concat([input, bytes]);
    while (take());
    if (output !== '') socket.write(output, 'latin1');
    output = '';
  });
  socket.write('220 sink ESMTP\r\n');
}

const server = createServer({ noDelay: true }, converse);
server.listen(Number(port), '127.0.0.1', 4_096, () => {
  process.stdout.write(`ready ${(server.address() as AddressInfo).port}\n`);
});
process.on('SIGTERM', () => {
  process.stdout.write(`messages ${messages}\n`);
  process.exit(0);
});
