/**
 * bounce/sources/pop3 — returning mail from a POP3 mailbox (RFC 1939, 2595).
 *
 * Promises: each message is taken as it streams in; DELE only after the commit, and QUIT, which makes
 *           it happen, at the end. Without `delete`, what was taken is known by its UIDL while the
 *           process lives; after a restart it is fetched again and recorded once.
 * Never:    says the password before TLS, except to this machine itself; sends a line break in it.
 * Why ours: the one POP3 client with recent releases (node-pop3) holds whole messages as strings.
 * Fails:    throws with what the server said; the next look begins anew.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { MailboxAddress, Source, Take } from './source.ts';

const TIMEOUT_MS = 60_000;
const MAX_LINE_BYTES = 1_048_576;
const MOST_AT_ONCE = 5_000;

export function pop3Source(address: MailboxAddress): Source {
  let known: ReadonlySet<string> = new Set();
  return {
    name: address.name,
    async poll(take) {
      const session = await Pop3Session.open(address);
      try {
        known = await takeAll(session, address, known, take);
        await session.command('QUIT');
      } finally {
        session.close();
      }
    },
  };
}

/** The ids on the server that need not be fetched again. */
async function takeAll(
  session: Pop3Session,
  address: MailboxAddress,
  known: ReadonlySet<string>,
  take: Take,
): Promise<ReadonlySet<string>> {
  const listed: { number: string; uid: string }[] = [];
  for await (const line of await session.multiline('UIDL')) {
    const [number = '', uid = ''] = line.toString('latin1').trim().split(' ');
    if (/^\d{1,9}$/.test(number)) listed.push({ number, uid });
  }
  const done = new Set(listed.filter(({ uid }) => known.has(uid)).map(({ uid }) => uid));
  for (const { number, uid } of listed
    .filter((each) => !done.has(each.uid))
    .slice(0, MOST_AT_ONCE)) {
    const lines = await session.multiline(`RETR ${number}`);
    const taken = await take(withLineEnds(lines));
    // What the reader did not want of it stands before the next reply.
    while ((await lines.next()).done !== true);
    if (taken === 'kept' && address.remove) await session.command(`DELE ${number}`);
    else done.add(uid);
  }
  return done;
}

async function* withLineEnds(lines: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const line of lines) yield Buffer.concat([line, CRLF]);
}

const CRLF = Buffer.from('\r\n');

class Pop3Session {
  #socket: Socket;
  #lines: AsyncGenerator<Buffer, void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#lines = linesOf(socket);
  }

  static async open(address: MailboxAddress): Promise<Pop3Session> {
    const { host, port, secure, startTls, user, password } = address;
    const socket = secure ? connectTls({ host, port, servername: host }) : connect({ host, port });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('POP3: no answer in time')));
    const session = new Pop3Session(socket);
    try {
      await once(socket, secure ? 'secureConnect' : 'connect');
      await session.#reply();
      if (startTls) {
        await session.command('STLS');
        await session.#secure(host);
      }
      await session.command(`USER ${user}`);
      await session.command(`PASS ${password}`);
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  async command(line: string): Promise<void> {
    this.#socket.write(`${line}\r\n`);
    await this.#reply();
  }

  /** The lines of the answer, without the dots that the protocol adds. */
  async multiline(line: string): Promise<AsyncGenerator<Buffer>> {
    await this.command(line);
    return this.#content();
  }

  close(): void {
    this.#socket.destroy();
  }

  async *#content(): AsyncGenerator<Buffer> {
    for (;;) {
      const line = await this.#next();
      if (line.length === 1 && line[0] === 0x2e) return;
      yield line[0] === 0x2e ? line.subarray(1) : line;
    }
  }

  async #reply(): Promise<void> {
    const line = (await this.#next()).toString('latin1').slice(0, 200);
    if (!line.startsWith('+OK')) throw new Error(`POP3: ${line}`);
  }

  async #next(): Promise<Buffer> {
    const result: IteratorResult<Buffer, void> = await this.#lines.next();
    if (result.done === true) throw new Error('POP3: the connection ended');
    return result.value;
  }

  async #secure(host: string): Promise<void> {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const socket = connectTls({ socket: plain, servername: host });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('POP3: no answer in time')));
    this.#socket = socket;
    this.#lines = linesOf(socket);
    await once(socket, 'secureConnect');
  }
}

/** Lines without their ends. What arrives faster than it is read waits in the socket. */
async function* linesOf(socket: Socket): AsyncGenerator<Buffer, void> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (let end = held.indexOf(0x0a); end >= 0; end = held.indexOf(0x0a)) {
      yield held.subarray(0, end > 0 && held[end - 1] === 0x0d ? end - 1 : end);
      held = held.subarray(end + 1);
    }
    // A line that long is content: it is cut, not kept.
    if (held.length > MAX_LINE_BYTES) {
      yield held;
      held = Buffer.alloc(0);
    }
  }
}
