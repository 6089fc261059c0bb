/**
 * test/mta/session-driver — a session and a receiver wired back to back, without sockets or clocks.
 */
import { createSession } from '../../src/mta/session.ts';
import type {
  Session,
  SessionAction,
  SessionEvent,
  SessionOptions,
  TlsMode,
  Work,
} from '../../src/mta/session.ts';
import type { RecipientOutcome } from '../../src/mta/outcome.ts';
import type { Login } from '../../src/mta/transport.ts';
import type { TlsProblem } from '../../src/mta/tls/problem.ts';
import { DEFAULT_TIMEOUTS } from '../../src/mta/timeouts.ts';
import { ALL_EXTENSIONS, Receiver } from './receiver.ts';
import type { Script } from './receiver.ts';
import { messageOfLines } from '../harness/message.ts';

export const MESSAGE = 'Subject: hi\r\n\r\nHello\r\n..dots\r\n.\r\nbye\r\n';

export interface WorkOptions {
  sender?: string;
  message?: string | Buffer;
  attempts?: number;
  xverp?: boolean;
}

/** `makeWork(1n, 'a@x.test', 'b@x.test')`: ids count up from the first. */
export function makeWork(
  firstId: bigint,
  addresses: readonly string[],
  options: WorkOptions = {},
): Work {
  const recipients = addresses.map((address, i) => ({ id: firstId + BigInt(i), address }));
  return {
    transaction: {
      envelopeSender: options.sender ?? 'b+token@bounce.test',
      envelopeId: 'cmp+1',
      xverp: options.xverp ?? false,
      recipients,
      message: messageOfLines(options.message ?? MESSAGE),
      marked: Promise.resolve(),
    },
    recipients,
    attempts: options.attempts ?? 0,
  };
}

/** Of a session in clear with an ordinary host. */
export const SESSION_OPTIONS: SessionOptions = {
  protocol: 'smtp',
  heloName: 'client.test',
  refusedNames: [],
  tls: 'none',
  implicitTls: false,
  login: null,
  requireTls: false,
  tlsPolicy: 'none',
  unpipelined: false,
  timeouts: DEFAULT_TIMEOUTS,
  mxHost: 'mx.test',
  mxAddress: '127.0.0.1:25',
  sourceAddress: null,
};

export function outcomesOf(actions: readonly SessionAction[]): RecipientOutcome[] {
  return actions.flatMap((action) => (action.type === 'outcome' ? [action.outcome] : []));
}

/** `4/0`: recipient, attempts. */
export function returnedOf(actions: readonly SessionAction[]): string {
  return actions
    .flatMap((action) =>
      action.type === 'returned'
        ? action.recipients.map(({ id }) => `${id}/${action.attempts}`)
        : [],
    )
    .join(' ');
}

export interface DriverOptions {
  extensions?: readonly string[];
  script?: Script;
  tls?: TlsMode;
  refusedNames?: string[];
  protocol?: 'smtp' | 'lmtp';
  login?: Login;
  requireTls?: boolean;
  /** Marks are given at once unless false. */
  mark?: boolean;
}

export class Driver {
  readonly session: Session;
  readonly receiver: Receiver;
  readonly actions: SessionAction[] = [];
  /** Each write action's text. */
  readonly writes: string[] = [];
  nowMs = 1_000_000;
  receiverClosed = false;
  /** What is wrong with the certificate. */
  problem: TlsProblem | null = null;
  readonly #mark: boolean;
  readonly #events: SessionEvent[] = [];
  #running = false;

  constructor(options: DriverOptions = {}) {
    this.#mark = options.mark ?? true;
    this.session = createSession(
      {
        ...SESSION_OPTIONS,
        protocol: options.protocol ?? 'smtp',
        refusedNames: options.refusedNames ?? [],
        tls: options.tls ?? 'opportunistic',
        login: options.login ?? null,
        requireTls: options.requireTls ?? false,
      },
      this.nowMs,
    );
    this.receiver = new Receiver(
      {
        extensions: options.extensions ?? ALL_EXTENSIONS,
        lmtp: options.protocol === 'lmtp',
        ...(options.script === undefined ? {} : { script: options.script }),
      },
      {
        write: (bytes) => this.feed({ type: 'bytes', bytes }),
        close: () => {
          this.receiverClosed = true;
          this.feed({ type: 'closed' });
        },
        startTls: () => undefined,
      },
    );
  }

  connect(): this {
    this.receiver.greet();
    return this;
  }

  send(work: Work, maxRecipients: number | null = null): this {
    this.feed({ type: 'work', work, maxRecipients });
    if (this.#mark) this.feed({ type: 'marked', work, durable: true });
    return this;
  }

  feed(event: SessionEvent): void {
    this.#events.push(event);
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      for (const action of this.session.handle(next, this.nowMs)) this.#perform(action);
    }
    this.#running = false;
  }

  /** Lets the running timeout pass. */
  timeOut(): void {
    this.nowMs = this.session.deadlineMs() ?? this.nowMs;
    this.feed({ type: 'timeout' });
  }

  outcomes(): RecipientOutcome[] {
    return outcomesOf(this.actions);
  }

  /** `1:accepted@dot 2:rejected@rcpt`, for tables. */
  summary(): string {
    return this.outcomes()
      .map((outcome) => {
        const why = outcome.failure ?? outcome.reply?.code ?? '';
        return `${outcome.recipientId}:${outcome.result}@${outcome.stage}(${why})`;
      })
      .join(' ');
  }

  returned(): string {
    return returnedOf(this.actions);
  }

  has(type: SessionAction['type']): boolean {
    return this.actions.some((action) => action.type === type);
  }

  #perform(action: SessionAction): void {
    this.actions.push(action);
    if (action.type === 'write') {
      const bytes = Buffer.concat(
        action.parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)),
      );
      this.writes.push(bytes.toString('latin1'));
      this.receiver.push(bytes);
      if (action.drain) this.feed({ type: 'drained' });
    }
    if (action.type === 'start_tls') {
      this.receiver.tls = true;
      this.feed({ type: 'tls', secured: { description: 'TLSv1.3 TEST', problem: this.problem } });
    }
  }
}
