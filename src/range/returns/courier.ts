/**
 * range/returns/courier — brings late DSNs and complaints back to the envelope sender, by SMTP.
 *
 * Promises: a return falls due `delayMs` to twice that after its message was accepted (by hash, so
 *           it can be repeated). 4xx, a lost link and a target that is not set yet are tried again;
 *           5xx is the end, and so are `MAX_ATTEMPTS`. What became of each stands in the ledger.
 *           `idle` resolves when nothing is under way any more.
 * Size:     at most `MAX_PENDING` at one time; more are given up at once.
 */
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { Clock } from '../../kernel/clock.ts';
import { messageOf } from '../../kernel/errors.ts';
import type { LedgerBook, LedgerReturn } from '../ledger.ts';
import { chance } from '../random.ts';
import type { ReturnOrder, ReturnSink } from '../smtp/delivery.ts';
import { composeReport } from './report.ts';

export interface BounceTarget {
  host: string;
  port: number;
}

export interface CourierOptions {
  ledger: LedgerBook;
  now: Clock;
  seed: number;
  delayMs: number;
  target: BounceTarget | null;
  log: (line: string) => void;
}

interface Parcel {
  order: ReturnOrder;
  entry: LedgerReturn;
}
type Sent = { kind: 'delivered' | 'refused' | 'later'; reply: string };

const MAX_CONNECTIONS = 4;
const MAX_ATTEMPTS = 30;
const MAX_PENDING = 200_000;
const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 3_000;
const TIMEOUT_MS = 10_000;

export class Courier implements ReturnSink {
  readonly #options: CourierOptions;
  readonly #ready: Parcel[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #open = new Set<SMTPConnection>();
  #idleWaiters: (() => void)[] = [];
  #target: BounceTarget | null;
  #workers = 0;
  #stopped = false;

  constructor(options: CourierOptions) {
    this.#options = options;
    this.#target = options.target;
  }

  get pending(): number {
    return this.#options.ledger.counts.returns.pending;
  }

  setTarget(target: BounceTarget | null): void {
    this.#target = target;
  }

  order(order: ReturnOrder): void {
    const { ledger, seed, delayMs } = this.#options;
    const kind = order.kind === 'complaint' ? 'complaint' : 'dsn';
    const entry = ledger.addReturn({ kind, recipient: order.recipient, to: order.sender });
    if (this.#stopped || this.pending > MAX_PENDING) this.#close(entry, 'given_up');
    else this.#queue({ order, entry }, delayMs * (1 + chance(seed + 2, order.recipient)));
  }

  idle(): Promise<void> {
    if (this.pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const connection of this.#open) connection.close();
    for (const entry of this.#options.ledger.returns) {
      if (entry.state === 'pending') this.#close(entry, 'given_up');
    }
  }

  #queue(parcel: Parcel, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#ready.push(parcel);
      if (this.#workers < MAX_CONNECTIONS) void this.#work();
    }, delayMs);
    this.#timers.add(timer);
  }

  #close(entry: LedgerReturn, state: 'delivered' | 'refused' | 'given_up'): void {
    this.#options.ledger.closeReturn(entry, state);
    if (this.pending > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  /** One connection's worth of work: sends what is ready, then leaves. Never rejects. */
  async #work(): Promise<void> {
    this.#workers += 1;
    let connection: SMTPConnection | null = null;
    for (let parcel = this.#ready.shift(); parcel !== undefined; parcel = this.#ready.shift()) {
      if (this.#stopped) break;
      let sent: Sent;
      try {
        connection ??= await this.#connect();
        sent = await deliver(connection, parcel.order, this.#options.now());
      } catch (error) {
        sent = failureOf(error);
        this.#hangUp(connection);
        connection = null;
      }
      this.#settle(parcel, sent);
    }
    this.#hangUp(connection);
    this.#workers -= 1;
  }

  #settle(parcel: Parcel, sent: Sent): void {
    const { entry } = parcel;
    if (entry.state !== 'pending') return;
    entry.attempts += 1;
    entry.reply = sent.reply;
    if (sent.kind !== 'later') this.#close(entry, sent.kind);
    else if (entry.attempts >= MAX_ATTEMPTS) {
      this.#options.log(`range: gave up a return after ${entry.attempts} attempts: ${sent.reply}`);
      this.#close(entry, 'given_up');
    } else {
      this.#queue(parcel, Math.min(FIRST_RETRY_MS * 2 ** (entry.attempts - 1), LAST_RETRY_MS));
    }
  }

  async #connect(): Promise<SMTPConnection> {
    const target = this.#target;
    if (target === null) throw new Error('no bounce target yet');
    const connection = new SMTPConnection({
      host: target.host,
      port: target.port,
      name: 'mx.range.example',
      ignoreTLS: true,
      connectionTimeout: TIMEOUT_MS,
      greetingTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
    });
    this.#open.add(connection);
    await new Promise<void>((resolve, reject) => {
      connection.once('error', reject);
      connection.once('end', () => reject(new Error('connection closed')));
      connection.connect((error?: unknown) => {
        if (error === undefined || error === null) resolve();
        else reject(error instanceof Error ? error : new Error(messageOf(error)));
      });
    });
    // Later errors come through the callback of `send`; this one keeps them from being thrown.
    connection.on('error', () => undefined);
    return connection;
  }

  #hangUp(connection: SMTPConnection | null): void {
    if (connection === null) return;
    this.#open.delete(connection);
    connection.quit();
  }
}

function failureOf(error: unknown): Sent {
  const code = error instanceof Error && 'responseCode' in error ? Number(error.responseCode) : 0;
  return { kind: code >= 500 ? 'refused' : 'later', reply: messageOf(error).slice(0, 500) };
}

async function deliver(connection: SMTPConnection, order: ReturnOrder, now: Date): Promise<Sent> {
  const { mailFrom, bytes } = composeReport(order, now);
  return new Promise((resolve, reject) => {
    // The callback of `send` is not called when the link is lost between two commands.
    const onEnd = (): void => reject(new Error('connection lost'));
    connection.once('end', onEnd);
    connection.send({ from: mailFrom, to: [order.sender] }, bytes, (error, info) => {
      connection.off('end', onEnd);
      if (error === null) resolve({ kind: 'delivered', reply: info.response });
      else reject(error);
    });
  });
}
