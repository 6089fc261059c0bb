/**
 * range/client — small clients of the tests: raw SMTP by lines, and DNS questions.
 *
 * Deliberately not our own mta: the range is the judge of the mta, so it is tested without it.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { decode, encode, streamDecode, streamEncode } from 'dns-packet';
import type { DecodedPacket, Packet, Question } from 'dns-packet';

export class RawClient {
  #socket: Socket;
  #text = '';
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#attach(socket);
  }

  static async to(host: string, port: number): Promise<RawClient> {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  write(text: string | Buffer): void {
    this.#socket.write(text);
  }

  /** The next whole reply, lines joined by `\n`; `null` when the host has closed. */
  async reply(): Promise<string | null> {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(this.#text);
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length);
        return match[0].trimEnd().replaceAll('\r\n', '\n');
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async say(line: string): Promise<string | null> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** Everything up to the close. */
  async rest(): Promise<string> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#text;
  }

  async secure(ca: string, servername: string): Promise<void> {
    this.#socket.removeAllListeners('data');
    const secure = connectTls({ socket: this.#socket, ca, servername });
    await once(secure, 'secureConnect');
    this.#socket = secure;
    this.#attach(secure);
  }

  close(): void {
    this.#socket.destroy();
  }

  #attach(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('utf8');
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('end', end);
    socket.on('close', end);
    socket.on('error', end);
  }
}

/** A session that has said EHLO. */
export async function hello(
  host: string,
  port: number,
  name = 'sender.example',
): Promise<RawClient> {
  const client = await RawClient.to(host, port);
  await client.reply();
  await client.say(`EHLO ${name}`);
  return client;
}

export function message(id: string, lines: readonly string[] = ['Hello.']): string {
  const head = [
    `Message-ID: <${id}@sender.example>`,
    'Subject: Test',
    'From: <news@sender.example>',
  ];
  return [...head, '', ...lines, ''].join('\r\n');
}

/** MAIL, RCPT…, DATA, message: the reply to each command, up to the last that was given. */
export async function send(
  client: RawClient,
  sender: string,
  recipients: readonly string[],
  content: string,
): Promise<{
  mail: string | null;
  rcpt: (string | null)[];
  data: string | null;
  dot: string | null;
}> {
  const commands = [`MAIL FROM:<${sender}>`, ...recipients.map((item) => `RCPT TO:<${item}>`)];
  client.write([...commands, 'DATA', ''].join('\r\n'));
  const mail = await client.reply();
  const rcpt: (string | null)[] = [];
  while (rcpt.length < recipients.length) rcpt.push(await client.reply());
  const data = await client.reply();
  if (data?.startsWith('354') !== true) return { mail, rcpt, data, dot: null };
  client.write(`${content.replace(/^\./gm, '..')}.\r\n`);
  return { mail, rcpt, data, dot: await client.reply() };
}

function port(server: string): number {
  return Number(server.split(':')[1]);
}

export async function askUdp(
  server: string,
  query: Packet,
  waitMs = 2_000,
): Promise<DecodedPacket | null> {
  const socket = createSocket('udp4');
  try {
    const signal = AbortSignal.timeout(waitMs);
    socket.send(encode(query), port(server), '127.0.0.1');
    const [bytes] = (await once(socket, 'message', { signal })) as [Buffer];
    return decode(bytes);
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return null;
    throw error;
  } finally {
    socket.close();
  }
}

export async function askTcp(server: string, query: Packet): Promise<Packet> {
  const socket = connect(port(server), '127.0.0.1');
  socket.write(streamEncode(query));
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) break;
  }
  return streamDecode(bytes);
}

export function query(name: string, type: Question['type']): Packet {
  return { type: 'query', id: 7, flags: 0x0100, questions: [{ name, type }] };
}
