/**
 * range/smtp/connection — the socket under a session.
 *
 * Promises: replies to one packet of commands leave in one write. hangUp sends a FIN and goes on
 *           reading (and dropping) until the client closes too or `LINGER_MS` is over: closing with
 *           unread bytes would make TCP send a reset, and the client would lose replies it was given.
 *           A client that does not read its replies, or says nothing for `idleMs`, is cut off.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { Session } from './session.ts';
import type { SessionHost } from './dialogue.ts';
import type { SessionServices, Wire } from './session.ts';

export interface ConnectionOptions {
  idleMs: number;
  readBytesPerSecond: number | null;
  /** null: STARTTLS is not offered. `broken`: garbage instead of a handshake. */
  tls: SecureContext | 'broken' | null;
}

const LINGER_MS = 5_000;
const MAX_UNREAD_REPLY_BYTES = 1_048_576;

export class Connection implements Wire {
  readonly client: string;
  readonly #options: ConnectionOptions;
  readonly #session: Session;
  readonly #timers = new Set<NodeJS.Timeout>();
  #socket: Socket;
  #queued = '';
  #closing = false;

  constructor(
    socket: Socket,
    host: SessionHost,
    services: SessionServices,
    options: ConnectionOptions,
  ) {
    this.#socket = socket;
    this.#options = options;
    this.client = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    this.#session = new Session(host, services, this);
    this.#attach(socket);
    socket.once('close', () => this.#dispose());
  }

  start(): void {
    this.#session.start();
    this.#flush();
  }

  send(reply: string): void {
    this.#queued += `${reply}\r\n`;
  }

  later(delayMs: number, then: () => void): void {
    this.#flush();
    this.#timer(delayMs, () => {
      then();
      this.#flush();
    });
  }

  after(delayMs: number, then: () => void): void {
    this.#socket.pause();
    this.later(delayMs, () => {
      this.#socket.resume();
      then();
    });
  }

  hangUp(): void {
    this.#flush();
    if (this.#closing) return;
    this.#closing = true;
    this.#socket.end();
    this.#socket.resume();
    this.#timer(LINGER_MS, () => this.destroy());
  }

  startTls(then: () => void): void {
    const { tls } = this.#options;
    const plain = this.#socket;
    this.#flush();
    if (tls === null || tls === 'broken') {
      plain.write(Buffer.from('this is no ServerHello\r\n'));
      this.hangUp();
      return;
    }
    plain.removeAllListeners('data');
    plain.removeAllListeners('timeout');
    plain.setTimeout(0);
    const secure = new TLSSocket(plain, { isServer: true, secureContext: tls });
    this.#socket = secure;
    this.#attach(secure);
    secure.once('secure', () => {
      then();
      this.#flush();
    });
  }

  destroy(): void {
    this.#socket.destroy();
    this.#dispose();
  }

  #attach(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    // A reset is one more way in which a client leaves; `close` follows it.
    socket.on('error', () => undefined);
    socket.setTimeout(this.#options.idleMs, () => {
      this.#session.timeOut();
      this.#flush();
    });
  }

  #receive(chunk: Buffer): void {
    this.#session.receive(chunk);
    this.#flush();
    const pace = this.#options.readBytesPerSecond;
    if (pace === null || this.#closing) return;
    this.#socket.pause();
    this.#timer((chunk.length / pace) * 1_000, () => this.#socket.resume());
  }

  #flush(): void {
    if (this.#queued === '') return;
    const replies = this.#queued;
    this.#queued = '';
    if (this.#closing || !this.#socket.writable) return;
    this.#socket.write(replies);
    if (this.#socket.writableLength > MAX_UNREAD_REPLY_BYTES) this.destroy();
  }

  #timer(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }

  #dispose(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
