/**
 * test/mta/long-line — a session and a scripted receiver with a round trip of time between them.
 *
 * Nothing arrives by itself: `travel` lets what is under way arrive there, and the answers here.
 */
import type { RecipientOutcome } from '../../src/mta/outcome.ts';
import { createSession } from '../../src/mta/session.ts';
import type { Session, SessionAction, SessionEvent, Work } from '../../src/mta/session.ts';
import { ALL_EXTENSIONS, Receiver } from './receiver.ts';
import type { Script } from './receiver.ts';
import { outcomesOf, returnedOf, SESSION_OPTIONS } from './session-driver.ts';

export interface LongLineOptions {
  roundTripMs?: number;
  /** How much of the time this process has nothing to do; 1 when absent. */
  idleShare?: number;
  maxInTrain?: number;
  extensions?: readonly string[];
  script?: Script;
  staysOpen?: boolean;
  protocol?: 'smtp' | 'lmtp';
}

export class LongLine {
  readonly session: Session;
  readonly receiver: Receiver;
  readonly actions: SessionAction[] = [];
  nowMs = 1_000_000;
  readonly #options: LongLineOptions;
  #there: Buffer[] = [];
  #here: SessionEvent[] = [];

  constructor(options: LongLineOptions = {}) {
    this.#options = options;
    const protocol = options.protocol ?? 'smtp';
    this.session = createSession({ ...SESSION_OPTIONS, protocol }, this.nowMs);
    this.receiver = new Receiver(
      {
        extensions: options.extensions ?? [...ALL_EXTENSIONS, 'CHUNKING'],
        lmtp: protocol === 'lmtp',
        staysOpen: options.staysOpen === true,
        ...(options.script === undefined ? {} : { script: options.script }),
      },
      {
        write: (bytes) => this.#here.push({ type: 'bytes', bytes }),
        close: () => this.#here.push({ type: 'closed' }),
        startTls: () => undefined,
      },
    );
  }

  connect(): this {
    this.receiver.greet();
    return this.travel(2);
  }

  give(work: Work): this {
    const maxInTrain = this.#options.maxInTrain ?? 8;
    return this.feed({ type: 'work', work, maxRecipients: null, maxInTrain });
  }

  mark(work: Work, durable = true): this {
    return this.feed({ type: 'marked', work, durable });
  }

  send(...works: Work[]): this {
    for (const work of works) this.give(work).mark(work);
    return this;
  }

  /** Round trips. */
  travel(times = 1): this {
    const halfMs = (this.#options.roundTripMs ?? 100) / 2;
    for (let i = 0; i < times; i += 1) {
      this.nowMs += halfMs;
      for (const bytes of this.#there.splice(0)) this.receiver.push(bytes);
      this.nowMs += halfMs;
      for (const event of this.#here.splice(0)) this.feed(event);
    }
    return this;
  }

  isUnderWay(): boolean {
    return this.#there.length + this.#here.length > 0;
  }

  feed(event: SessionEvent): this {
    const idleMs = this.nowMs * (this.#options.idleShare ?? 1);
    for (const action of this.session.handle(event, this.nowMs, idleMs)) {
      this.actions.push(action);
      if (action.type !== 'write') continue;
      const parts = action.parts.map((part) => Buffer.from(part));
      this.#there.push(Buffer.concat(parts));
      if (action.drain) this.feed({ type: 'drained' });
    }
    return this;
  }

  /** Lets the running timeout pass. */
  timeOut(): void {
    this.nowMs = this.session.deadlineMs() ?? this.nowMs;
    this.feed({ type: 'timeout' });
  }

  outcomes(): RecipientOutcome[] {
    return outcomesOf(this.actions);
  }

  /** `1:accepted 2:rejected@rcpt(550)`. */
  summary(): string {
    return this.outcomes()
      .map(({ recipientId, result, stage, failure, reply }) => {
        const why = result === 'accepted' ? '' : `@${stage}(${failure ?? reply?.code ?? ''})`;
        return `${recipientId}:${result}${why}`;
      })
      .join(' ');
  }

  returned(): string {
    return returnedOf(this.actions);
  }
}
