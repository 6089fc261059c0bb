/**
 * bench/own-sink — a receiver that costs as little as possible, as its own process.
 *
 *     fork('own-sink.ts', [JSON.stringify(OwnSinkOptions)])
 *
 * Accepts everything. Tells `{ port }` when it listens, and answers `'counts'` with SinkCounts. With
 * `ledger` it keeps how often each recipient was accepted, and answers `{ n, domains }` with how that
 * differs from recipients 0 to n - 1 (message.ts), by name. With `delayMs` it takes so long for each
 * message; for the first one of a connection a part of it that grows from connection to connection,
 * so that thousands do not answer at one moment. With `errs` it is at fault, once: it says 250 to the
 * third message and does not have it (`drop`), or has it twice (`double`).
 *
 * What it costs beside smtp-sink is in every end-to-end row (sinkCpuUs).
 */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { recipientOf } from './message.ts';

export interface SinkCounts {
  connections: number;
  messages: number;
  recipients: number;
  /** Of the messages, without DKIM signatures: those that relay do not sign. */
  bytes: number;
  /** With the ledger: different recipients; else 0. */
  distinct: number;
}

/** Who was expected, by name. */
export interface LedgerQuestion {
  n: number;
  domains: number;
}

export interface LedgerAnswer {
  missing: number;
  /** Served more than once. */
  doubled: number;
  /** Served, and not expected. */
  strangers: number;
  /** A few of them. */
  examples: string[];
}

export interface OwnSinkOptions {
  extensions: string[];
  ledger: boolean;
  delayMs: number;
  errs: 'drop' | 'double' | null;
}

const ERRS_AT_MESSAGE = 3;
const EXAMPLES = 3;

const options = JSON.parse(process.argv[2] ?? '{}') as OwnSinkOptions;
const EHLO = ['sink', ...options.extensions]
  .map((text, i, all) => `250${i < all.length - 1 ? '-' : ' '}${text}\r\n`)
  .join('');
const counts: SinkCounts = {
  connections: 0,
  messages: 0,
  recipients: 0,
  bytes: 0,
  distinct: 0,
};
const accepted = new Map<string, number>();
let seen = 0;

const TIMES = { drop: 0, double: 2 } as const;

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

function count(dialogue: Dialogue, message: Buffer): void {
  counts.messages += 1;
  counts.bytes += message.length - signatureBytes(message);
  counts.recipients += dialogue.rcptCount;
  for (const address of dialogue.rcpts) accepted.set(address, (accepted.get(address) ?? 0) + 1);
}

const SIGNATURE = Buffer.from('DKIM-Signature:');
const LF = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;

/** Signatures stand before everything else, whoever writes them. */
function signatureBytes(message: Buffer): number {
  let at = 0;
  while (message.subarray(at, at + SIGNATURE.length).equals(SIGNATURE)) {
    let next = at;
    do {
      next = message.indexOf(LF, next) + 1;
      if (next === 0) return at;
    } while (message[next] === SPACE || message[next] === TAB);
    at = next;
  }
  return at;
}

function accept(dialogue: Dialogue, message: Buffer): void {
  seen += 1;
  const times = options.errs === null || seen !== ERRS_AT_MESSAGE ? 1 : TIMES[options.errs];
  for (let i = 0; i < times; i += 1) count(dialogue, message);
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

/** Set equality of those served and those expected, and each of them once. */
function differenceTo({ n, domains }: LedgerQuestion): LedgerAnswer {
  const answer: LedgerAnswer = { missing: 0, doubled: 0, strangers: 0, examples: [] };
  const example = (what: string, address: string): void => {
    if (answer.examples.length < EXAMPLES) answer.examples.push(`${address} ${what}`);
  };
  let found = 0;
  for (let i = 0; i < n; i += 1) {
    const address = recipientOf(i, domains);
    const times = accepted.get(address) ?? 0;
    if (times === 0) {
      answer.missing += 1;
      example('is missing', address);
    } else found += 1;
    if (times > 1) {
      answer.doubled += 1;
      example(`was served ${times} times`, address);
    }
  }
  answer.strangers = accepted.size - found;
  return answer;
}

const server = createServer({ noDelay: true }, converse);
server.listen(0, '127.0.0.1', 4_096, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on('message', (question: 'counts' | LedgerQuestion) =>
  process.send?.(
    question === 'counts' ? { ...counts, distinct: accepted.size } : differenceTo(question),
  ),
);
process.on('disconnect', () => process.exit(0));
