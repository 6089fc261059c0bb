/**
 * range/smtp/dialogue — what an MX host answers to each command, and the state that needs.
 *
 * No bytes, no time, no socket: a command comes in as a value and the answer goes out as one;
 * smtp/session frames and performs it. What recipients meet comes from range/reception.
 *
 * Promises: order of commands by RFC 5321 4.1.4. A command that is out of order because an earlier
 *           one of the same pipeline was refused is no fault of the sender (RFC 2920).
 */
import { assertNever } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { FaultKind, LedgerBook } from '../ledger.ts';
import type { DomainProfile, Extension } from '../profile.ts';
import type { Reception } from '../reception.ts';
import { replyLines } from '../replies.ts';
import { domainOf } from '../world.ts';
import type { World } from '../world.ts';
import type { Command } from './command.ts';
import { checkRecipient, openTransaction } from './transaction.ts';
import type { Transaction } from './transaction.ts';

export interface SessionHost {
  name: string;
  /** Manners of the host as such; null where all domains share one address. */
  profile: DomainProfile | null;
  /** null: EHLO is not understood. */
  offered: ReadonlySet<Extension> | null;
  serves(profile: DomainProfile): boolean;
}

export interface DialogueServices {
  world: World;
  reception: Reception;
  ledger: LedgerBook;
  now: Clock;
  maxMessageBytes: number;
}

export type Answer =
  | { kind: 'reply'; text: string; delayMs?: number }
  | { kind: 'mistake'; text: string; fault: FaultKind | null }
  /** Says so, then closes. */
  | { kind: 'close'; text: string }
  /** Closes without a word. */
  | { kind: 'drop'; transaction: Transaction }
  /** 354; content follows. */
  | { kind: 'content' }
  | { kind: 'chunk'; sizeBytes: number; last: boolean }
  | { kind: 'starttls' };

type Path = Extract<Command, { kind: 'mail' | 'rcpt' }>;
type Chunk = Extract<Command, { kind: 'bdat' }>;

const NONE: ReadonlySet<Extension> = new Set();

function say(text: string, delayMs = 0): Answer {
  return { kind: 'reply', text, delayMs };
}

function mistake(text: string, fault: FaultKind | null): Answer {
  return { kind: 'mistake', text, fault };
}

export class Dialogue {
  readonly #host: SessionHost;
  readonly #services: DialogueServices;
  readonly #client: string;
  #hello: 'ehlo' | 'helo' | null = null;
  #secure = false;
  #transaction: Transaction | null = null;
  /** What the client has said of this transaction, whether it was accepted or not. */
  #said = { mail: false, recipient: false, chunk: false, reset: false };

  constructor(host: SessionHost, services: DialogueServices, client: string) {
    this.#host = host;
    this.#services = services;
    this.#client = client;
  }

  get transaction(): Transaction | null {
    return this.#transaction;
  }

  /** What the client may use now. */
  get offered(): ReadonlySet<Extension> {
    if (this.#hello !== 'ehlo' || this.#host.offered === null) return NONE;
    if (!this.#secure) return this.#host.offered;
    return new Set([...this.#host.offered].filter((extension) => extension !== 'STARTTLS'));
  }

  reset(): void {
    this.#transaction = null;
    this.#said = { mail: false, recipient: false, chunk: false, reset: false };
  }

  /** TLS begins: the client has to introduce itself again (RFC 3207). */
  becomeSecure(): void {
    this.#secure = true;
    this.#hello = null;
    this.reset();
  }

  /** The command gets another answer than ours: it was said, and had no effect. */
  overrule(command: Command, reply: string | null): void {
    if (command.kind === 'mail') this.#said.mail = true;
    if (command.kind === 'rset') this.#said.reset = true;
    if (command.kind !== 'rcpt') return;
    this.#said.recipient = true;
    if (reply !== null) this.#refused(command.address, reply, false);
  }

  answer(command: Command): Answer {
    switch (command.kind) {
      case 'mail':
        return this.#mail(command);
      case 'rcpt':
        return this.#rcpt(command);
      case 'data':
        return this.#data();
      case 'bdat':
        return this.#bdat(command);
      case 'ehlo':
      case 'helo':
        return this.#greet(command.kind, command.name);
      case 'starttls':
        if (this.offered.has('STARTTLS')) return { kind: 'starttls' };
        return mistake('502 5.5.1 STARTTLS not offered', 'extension_not_offered');
      case 'rset':
        this.reset();
        return say('250 2.0.0 Ok');
      case 'noop':
        return say('250 2.0.0 Ok');
      case 'vrfy':
        return say('252 2.1.5 Send some mail and see');
      case 'help':
        return say('214 2.0.0 RFC 5321');
      case 'quit':
        return { kind: 'close', text: `221 2.0.0 ${this.#host.name} closing connection` };
      case 'syntax':
        return mistake(`501 5.5.4 ${command.text}`, 'syntax');
      case 'unknown':
        return mistake('500 5.5.2 Command not recognised', 'unknown_command');
      default:
        return assertNever(command);
    }
  }

  /** Why content may not follow now; null when it may. */
  contentMistake(): Answer | null {
    if (this.#transaction === null) {
      return mistake('503 5.5.1 Need MAIL first', this.#said.mail ? null : 'sequence');
    }
    if (this.#transaction.recipients.length > 0) return null;
    return mistake('554 5.5.1 No valid recipients', this.#said.recipient ? null : 'sequence');
  }

  #greet(kind: 'ehlo' | 'helo', clientName: string): Answer {
    const { offered, name } = this.#host;
    if (kind === 'ehlo' && offered === null) return mistake('502 5.5.1 EHLO not implemented', null);
    this.reset();
    this.#hello = kind;
    if (kind === 'helo') return say(`250 ${name}`);
    const lines = [...this.offered].map((extension) =>
      extension === 'SIZE' ? `SIZE ${this.#services.maxMessageBytes}` : extension,
    );
    return say(replyLines(250, [`${name} greets ${clientName.slice(0, 200)}`, ...lines]));
  }

  #mail(command: Path): Answer {
    if (this.#hello === null) return mistake('503 5.5.1 Say EHLO or HELO first', 'sequence');
    if (this.#transaction !== null) {
      return mistake('503 5.5.1 Nested MAIL', this.#said.reset ? null : 'sequence');
    }
    this.#said.mail = true;
    const { maxMessageBytes } = this.#services;
    const limits = { offered: this.offered, maxMessageBytes };
    const opened = openTransaction(command.address, command.parameters, limits);
    if (!opened.ok) return mistake(opened.reply, opened.fault);
    this.#transaction = opened.transaction;
    return say('250 2.1.0 Ok');
  }

  #rcpt(command: Path): Answer {
    const transaction = this.#transaction;
    if (transaction === null) {
      return mistake('503 5.5.1 Need MAIL first', this.#said.mail ? null : 'sequence');
    }
    this.#said.recipient = true;
    const { address } = command;
    const options = checkRecipient(address, command.parameters, transaction, this.offered);
    if (!options.ok) return mistake(options.reply, options.fault);
    const { world, reception, ledger, now } = this.#services;
    const profile = world.profileOf(domainOf(address));
    if (profile === null || !this.#host.serves(profile)) {
      ledger.addFault('wrong_host', `${address} at ${this.#host.name}`);
      return this.#refused(address, `554 5.7.1 <${address}>: Relay access denied`, false);
    }
    const attempt = {
      recipient: address,
      sender: transaction.sender,
      client: this.#client,
      host: this.#host.name,
      ending: transaction.ending,
      accepted: transaction.recipients.length,
    };
    const verdict = reception.judge(profile, attempt, now());
    if (verdict.kind === 'refuse') return this.#refused(address, verdict.reply, verdict.close);
    const { behaviour, ending, delayMs } = verdict;
    const { originalRecipient, wantsFailure } = options;
    transaction.ending = ending;
    transaction.recipients.push({ address, profile, behaviour, originalRecipient, wantsFailure });
    return say('250 2.1.5 Ok', delayMs);
  }

  #refused(address: string, text: string, close: boolean): Answer {
    this.#services.ledger.addRefusal(address, 'rcpt', text, this.#services.now());
    return close ? { kind: 'close', text } : say(text);
  }

  #data(): Answer {
    const wrong = this.contentMistake();
    if (wrong !== null) return wrong;
    if (this.#said.chunk) return mistake('503 5.5.1 DATA after BDAT', 'sequence');
    const transaction = this.#transaction;
    if (transaction?.ending === 'drop_at_data') return { kind: 'drop', transaction };
    return { kind: 'content' };
  }

  #bdat(command: Chunk): Answer {
    if (!this.offered.has('CHUNKING')) {
      return mistake('502 5.5.1 BDAT not offered', 'extension_not_offered');
    }
    this.#said.chunk = true;
    const transaction = this.#transaction;
    const ending = transaction?.ending;
    if (transaction !== null && (ending === 'drop_at_data' || ending === 'drop_in_content')) {
      return { kind: 'drop', transaction };
    }
    return { kind: 'chunk', sizeBytes: command.sizeBytes, last: command.last };
  }
}
