/**
 * bench/own-sink — a receiver that costs as little as possible, as its own process.
 *
 *     fork('own-sink.ts', [JSON.stringify({ extensions, ledger, delayMs })])
 *
 * Accepts everything. Tells `{ port }` when it listens, and answers `'counts'` with SinkCounts. With
 * `ledger` it keeps how often each recipient was accepted, and the first message. With `delayMs` it
 * takes so long for each message; for the first one of a connection a part of it that grows from
 * connection to connection, so that thousands do not answer at one moment.
 *
 * Measured: 36 us of CPU a message of 10 KB (Postfix's smtp-sink 52 us), both 2 cores.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface SinkCounts {
  connections: number;
  messages: number;
  recipients: number;
  bytes: number;
  /** With the ledger: different recipients; else 0. */
  distinct: number;
  /** Base64, with the ledger. */
  firstMessage: string | null;
}

interface Options {
  extensions: string[];
  ledger: boolean;
  delayMs: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as Options;
const EHLO = ['sink', ...options.extensions]
  .map((text, i, all) => `250${i < all.length - 1 ? '-' : ' '}${text}\r\n`)
  .join('');
const counts: SinkCounts = {
  connections: 0,
  messages: 0,
  recipients: 0,
  bytes: 0,
  distinct: 0,
  firstMessage: null,
};
const accepted = new Map<string, number>();

interface Dialogue {
  socket: Socket;
  input: Buffer;
  inData: boolean;
  bdatLeft: number;
  rcpts: string[];
  rcptCount: number;
  output: string;
  /** Of the next message. */
  delayMs: number;
  /** A message is being taken: what came behind it waits. */
  busy: boolean;
}

function accept(dialogue: Dialogue, message: Buffer): void {
  counts.messages += 1;
  counts.bytes += message.length;
  counts.recipients += dialogue.rcptCount;
  if (options.ledger) {
    counts.firstMessage ??= message.toString('base64');
    for (const address of dialogue.rcpts) accepted.set(address, (accepted.get(address) ?? 0) + 1);
  }
  dialogue.rcptCount = 0;
  dialogue.rcpts = [];
  if (options.delayMs === 0) {
    dialogue.output += '250 2.0.0 Ok\r\n';
    return;
  }
  dialogue.busy = true;
  setTimeout(() => {
    dialogue.busy = false;
    dialogue.output += '250 2.0.0 Ok\r\n';
    proceed(dialogue);
  }, dialogue.delayMs);
  dialogue.delayMs = options.delayMs;
}

/** Takes what has come, and answers. */
function proceed(dialogue: Dialogue): void {
  const { socket } = dialogue;
  while (!dialogue.busy && take(dialogue));
  if (dialogue.output !== '' && socket.writable) socket.write(dialogue.output, 'latin1');
  dialogue.output = '';
}

/** One command, or one message; false when it has not all come. */
function take(dialogue: Dialogue): boolean {
  const { input } = dialogue;
  if (dialogue.bdatLeft > 0) {
    if (input.length < dialogue.bdatLeft) return false;
    dialogue.input = input.subarray(dialogue.bdatLeft);
    accept(dialogue, input.subarray(0, dialogue.bdatLeft));
    dialogue.bdatLeft = 0;
    return true;
  }
  if (dialogue.inData) {
    const end = input.indexOf('\r\n.\r\n');
    if (end < 0) return false;
    dialogue.input = input.subarray(end + 5);
    dialogue.inData = false;
    accept(dialogue, input.subarray(0, end + 2));
    return true;
  }
  const end = input.indexOf('\r\n');
  if (end < 0) return false;
  obey(dialogue, input.toString('latin1', 0, end));
  dialogue.input = input.subarray(end + 2);
  return true;
}

function obey(dialogue: Dialogue, line: string): void {
  switch (line.slice(0, 4).toUpperCase()) {
    case 'BDAT':
      dialogue.bdatLeft = Number(line.slice(5).split(' ')[0]);
      return;
    case 'DATA':
      dialogue.output += '354 go\r\n';
      dialogue.inData = true;
      return;
    case 'EHLO':
      dialogue.output += EHLO;
      return;
    case 'RCPT':
      dialogue.rcptCount += 1;
      if (options.ledger) dialogue.rcpts.push(line.slice(9, line.indexOf('>')).toLowerCase());
      dialogue.output += '250 2.1.5 Ok\r\n';
      return;
    case 'QUIT':
      dialogue.socket.end('221 2.0.0 Bye\r\n');
      return;
    default:
      dialogue.output += '250 2.1.0 Ok\r\n';
  }
}

function converse(socket: Socket): void {
  counts.connections += 1;
  const dialogue: Dialogue = {
    socket,
    input: Buffer.alloc(0),
    inData: false,
    bdatLeft: 0,
    rcpts: [],
    rcptCount: 0,
    output: '',
    delayMs: (options.delayMs * (counts.connections % 100)) / 100,
    busy: false,
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    dialogue.input = dialogue.input.length === 0 ? bytes : Buffer.concat([dialogue.input, bytes]);
    proceed(dialogue);
  });
  socket.write('220 sink ESMTP\r\n');
}

const server = createServer({ noDelay: true }, converse);
server.listen(0, '127.0.0.1', 4_096, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on('message', () => process.send?.({ ...counts, distinct: accepted.size }));
process.on('disconnect', () => process.exit(0));
