/**
 * test/mta/qmtp-host — a QMTP receiver on a real socket, strict in what it takes.
 *
 * Parses packages as cr.yp.to/proto/qmtp.txt says; a `script` may answer anything for a recipient.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface QmtpReceived {
  sender: string;
  recipients: string[];
  /** CRLF lines, the leading byte taken off. */
  content: Buffer;
}

export interface QmtpHost {
  host: string;
  port: number;
  ledger: QmtpReceived[];
  /** Packages that were whole before the first of them was answered. */
  mostUnanswered(): number;
  connections(): number;
  close(): Promise<void>;
}

/** Bytes to write, or `close` to hang up without. */
export type QmtpScript = (recipient: string) => string | undefined;

export interface QmtpHostOptions {
  script?: QmtpScript;
  /** Delay of every answer. */
  delayMs?: number;
}

export async function startQmtpHost(options: QmtpHostOptions = {}): Promise<QmtpHost> {
  const ledger: QmtpReceived[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let most = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let input = Buffer.alloc(0);
    let unanswered = 0;
    socket.on('data', (bytes) => {
      input = Buffer.concat([input, bytes]);
      for (let found = takePackage(input); found !== null; found = takePackage(input)) {
        input = input.subarray(found.end);
        unanswered += 1;
        most = Math.max(most, unanswered);
        const { received } = found;
        setTimeout(() => {
          unanswered -= 1;
          answer(socket, received, options.script, ledger);
        }, options.delayMs ?? 0);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    ledger,
    mostUnanswered: () => most,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(
  socket: Socket,
  received: QmtpReceived,
  script: QmtpScript | undefined,
  ledger: QmtpReceived[],
): void {
  const taken: string[] = [];
  for (const recipient of received.recipients) {
    const said = script?.(recipient) ?? string('Kok 1700000000 qp 42');
    if (said === 'close') {
      socket.destroySoon();
      break;
    }
    if (/^\d+:K/.test(said)) taken.push(recipient);
    socket.write(said);
  }
  if (taken.length > 0) ledger.push({ ...received, recipients: taken });
}

export function string(text: string): string {
  return `${Buffer.byteLength(text)}:${text},`;
}

function takeString(bytes: Buffer): { bytes: Buffer; end: number } | null {
  const digits = /^\d+(?=:)/.exec(bytes.subarray(0, 12).toString('latin1'))?.[0];
  if (digits === undefined) return null;
  const start = digits.length + 1;
  const end = start + Number(digits);
  if (bytes.length <= end) return null;
  if (bytes[end] !== 0x2c) throw new Error('no comma after a netstring');
  return { bytes: bytes.subarray(start, end), end: end + 1 };
}

function takePackage(bytes: Buffer): { received: QmtpReceived; end: number } | null {
  const message = takeString(bytes);
  if (message === null) return null;
  const sender = takeString(bytes.subarray(message.end));
  if (sender === null) return null;
  const list = takeString(bytes.subarray(message.end + sender.end));
  if (list === null) return null;
  if (message.bytes[0] !== 0x0d) throw new Error('not marked as CRLF lines');
  const recipients: string[] = [];
  let rest = list.bytes;
  for (let one = takeString(rest); one !== null; one = takeString(rest)) {
    recipients.push(one.bytes.toString());
    rest = rest.subarray(one.end);
  }
  if (rest.length > 0 || recipients.length === 0) throw new Error('a malformed recipient list');
  return {
    received: {
      sender: sender.bytes.toString(),
      recipients,
      content: Buffer.from(message.bytes.subarray(1)),
    },
    end: message.end + sender.end + list.end,
  };
}
