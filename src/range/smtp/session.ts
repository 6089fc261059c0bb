/**
 * range/smtp/session — one conversation of an MX host: bytes in, replies out.
 *
 * Knows no socket: it speaks through `Wire`, and smtp/connection drives it. smtp/dialogue answers
 * commands, smtp/delivery ends messages; here is framing, order and time.
 *
 * Modes:    greeting -> command <-> content | chunk. `waiting` while a slow reply is due (nothing is
 *           worked off then); `closing` after a 421 or QUIT (what was pipelined is read, RCPTs count
 *           as tries); `deaf` after a drop or silence (what comes is thrown away).
 * Promises: replies come in the order of the commands, one write for all commands of one packet. A
 *           close is a FIN after the replies before it, never a reset: a sender that reads loses no
 *           reply that was given.
 * Never:    crashes on what a client sends; faults of the client are counted (`ledger.faults`).
 */
import { assertNever } from '../../kernel/errors.ts';
import type { IncidentStage, Trouble } from '../incident.ts';
import type { FaultKind } from '../ledger.ts';
import { parseCommand } from './command.ts';
import type { Command } from './command.ts';
import { Content } from './content.ts';
import { Delivery } from './delivery.ts';
import type { ReturnSink } from './delivery.ts';
import { Dialogue } from './dialogue.ts';
import type { Answer, DialogueServices, SessionHost } from './dialogue.ts';
import { SmtpInput } from './input.ts';
import type { Transaction } from './transaction.ts';

export interface Wire {
  /** Address of the client. */
  readonly client: string;
  /** Queues a reply; CRLF is added. Sent when the bytes at hand are worked off. */
  send(reply: string): void;
  /** Calls `then` after a while, and reads on meanwhile. */
  later(delayMs: number, then: () => void): void;
  /** The same, but nothing is read meanwhile. */
  after(delayMs: number, then: () => void): void;
  /** Sends what is queued, then FIN. */
  hangUp(): void;
  /** Sends what is queued, then hands the socket to TLS; calls `then` when the session is secure. */
  startTls(then: () => void): void;
}

export type SessionServices = DialogueServices & { returns: ReturnSink };

type Mode = 'greeting' | 'command' | 'content' | 'chunk' | 'waiting' | 'closing' | 'deaf';

const MAX_MISTAKES = 20;
const GARBAGE = '\u0000\u00ff what?';
const STAGES: Partial<Record<Command['kind'], IncidentStage>> = {
  ehlo: 'ehlo',
  helo: 'ehlo',
  starttls: 'starttls',
  mail: 'mail',
  rcpt: 'rcpt',
  data: 'data',
  rset: 'rset',
  quit: 'quit',
};
/** What a client may say before it is greeted. */
const MAX_EARLY_BYTES = 65_536;

export class Session {
  readonly #host: SessionHost;
  readonly #services: SessionServices;
  readonly #wire: Wire;
  readonly #input = new SmtpInput();
  readonly #dialogue: Dialogue;
  readonly #delivery: Delivery;
  #mode: Mode = 'greeting';
  /** Of the transaction under way. */
  #content: Content;
  #chunk = { left: 0, last: false };
  #mistakes = 0;

  constructor(host: SessionHost, services: SessionServices, wire: Wire) {
    this.#host = host;
    this.#services = services;
    this.#wire = wire;
    this.#dialogue = new Dialogue(host, services, wire.client);
    this.#delivery = new Delivery(host.name, services, wire.client);
    this.#content = new Content(services.maxMessageBytes);
  }

  start(): void {
    const { ledger, reception } = this.#services;
    const { profile, name } = this.#host;
    ledger.counts.connections += 1;
    if (profile !== null && reception.turnsAway(profile)) {
      ledger.counts.refusedConnections += 1;
      this.#close(reception.busyGreeting(profile, { client: this.#wire.client, host: name }));
      return;
    }
    const trouble = this.#troubleAt('connect');
    if (trouble !== null && trouble.kind !== 'delay') {
      this.#mode = 'command';
      this.#suffer(trouble);
      return;
    }
    const delayMs = (profile?.greetingDelayMs ?? 0) + (trouble?.delayMs ?? 0);
    if (delayMs > 0) this.#wire.later(delayMs, () => this.#greet());
    else this.#greet();
  }

  receive(chunk: Buffer): void {
    if (this.#mode === 'deaf') return;
    this.#input.push(chunk);
    if (this.#mode === 'greeting' && this.#input.available > MAX_EARLY_BYTES) this.#deafen();
    else this.#run();
  }

  /** The connection was idle for too long. */
  timeOut(): void {
    if (this.#mode === 'closing') return;
    if (this.#mode === 'deaf') this.#wire.hangUp();
    else this.#close(`421 4.4.2 ${this.#host.name} idle for too long, closing connection`);
  }

  #greet(): void {
    if (this.#mode !== 'greeting') return;
    if (this.#input.available > 0) this.#fault('pipelined_unasked', 'before the greeting');
    const protocol = this.#host.offered === null ? 'SMTP' : 'ESMTP';
    this.#wire.send(`220 ${this.#host.name} ${protocol} ready`);
    this.#mode = 'command';
    this.#run();
  }

  #run(): void {
    while (this.#step());
  }

  /** Works off one piece of input; false when there is none, or it may not be worked off now. */
  #step(): boolean {
    switch (this.#mode) {
      case 'command':
        return this.#takeCommand();
      case 'content':
        return this.#takeContent();
      case 'chunk':
        return this.#takeChunk();
      case 'closing':
        return this.#takeUnanswered();
      case 'greeting':
      case 'waiting':
      case 'deaf':
        return false;
      default:
        return assertNever(this.#mode);
    }
  }

  #takeCommand(): boolean {
    const line = this.#input.takeLine();
    if (line === null) return false;
    if (line.kind === 'too_long') {
      const text = '500 5.5.6 Line too long';
      this.#perform({ kind: 'mistake', text, fault: 'line_too_long' }, 'a command');
      return true;
    }
    if (!line.endsInCrlf) this.#fault('bare_newline', line.text);
    if (this.#input.available > 0 && !this.#dialogue.offered.has('PIPELINING')) {
      this.#fault('pipelined_unasked', line.text);
    }
    const command = parseCommand(line.text);
    const stage = STAGES[command.kind];
    const trouble = stage === undefined ? null : this.#troubleAt(stage);
    if (trouble === null) this.#perform(this.#dialogue.answer(command), line.text);
    else if (trouble.kind === 'delay') {
      this.#resumeAfter(trouble.delayMs, () => {
        this.#perform(this.#dialogue.answer(command), line.text);
      });
    } else {
      this.#dialogue.overrule(command, trouble.kind === 'reply' ? trouble.text : null);
      this.#suffer(trouble);
    }
    return true;
  }

  #troubleAt(stage: IncidentStage): Trouble | null {
    const { profile } = this.#host;
    return profile === null ? null : this.#services.reception.troubleAt(profile, stage);
  }

  #suffer(trouble: Exclude<Trouble, { kind: 'delay' }>): void {
    switch (trouble.kind) {
      case 'reply':
        this.#wire.send(trouble.text);
        break;
      case 'busy':
        this.#close(`421 4.3.2 ${this.#host.name} cannot go on, closing connection`);
        break;
      case 'close':
        this.#deafen();
        break;
      case 'garbage':
        this.#wire.send(GARBAGE);
        this.#fallSilent();
        break;
      case 'silence':
        this.#fallSilent();
        break;
      default:
        assertNever(trouble);
    }
  }

  #perform(answer: Answer, line: string): void {
    switch (answer.kind) {
      case 'reply':
        this.#sendAfter(answer.delayMs ?? 0, answer.text);
        break;
      case 'mistake':
        this.#mistake(answer, line);
        break;
      case 'close':
        this.#close(answer.text);
        break;
      case 'drop':
        this.#drop(answer.transaction);
        break;
      case 'content':
        if (this.#input.available > 0) this.#fault('content_before_354', line);
        this.#wire.send('354 End data with <CR><LF>.<CR><LF>');
        this.#input.beginContent();
        this.#mode = 'content';
        break;
      case 'chunk':
        this.#chunk = { left: answer.sizeBytes, last: answer.last };
        this.#mode = 'chunk';
        break;
      case 'starttls':
        this.#startTls(line);
        break;
      default:
        assertNever(answer);
    }
  }

  #startTls(line: string): void {
    if (this.#input.available > 0) {
      this.#fault('plaintext_after_starttls', line);
      this.#input.clear();
    }
    this.#wire.send('220 2.0.0 Ready to start TLS');
    this.#mode = 'waiting';
    this.#wire.startTls(() => {
      this.#services.ledger.counts.tlsSessions += 1;
      this.#dialogue.becomeSecure();
      this.#mode = 'command';
    });
  }

  #takeContent(): boolean {
    const { transaction } = this.#dialogue;
    if (transaction?.ending === 'drop_in_content' && this.#input.available > 0) {
      this.#drop(transaction);
      return true;
    }
    if (this.#input.takeContent(this.#content.add) === 'more') return false;
    this.#mode = 'command';
    this.#finish();
    return true;
  }

  #takeChunk(): boolean {
    this.#chunk.left -= this.#input.takeBytes(this.#chunk.left, this.#content.add);
    if (this.#chunk.left > 0) return false;
    this.#mode = 'command';
    const wrong = this.#dialogue.contentMistake();
    if (wrong !== null) {
      this.#content = new Content(this.#services.maxMessageBytes);
      this.#perform(wrong, 'BDAT');
    } else if (this.#chunk.last) this.#finish();
    else this.#wire.send(`250 2.0.0 ${this.#content.sizeBytes} octets received`);
    return true;
  }

  #finish(): void {
    const { transaction } = this.#dialogue;
    if (transaction === null) return;
    const trouble = this.#troubleAt('dot');
    if (trouble !== null && trouble.kind !== 'delay') {
      this.#dialogue.reset();
      this.#content = new Content(this.#services.maxMessageBytes);
      this.#suffer(trouble);
      return;
    }
    const { reply, delayMs, fault } = this.#delivery.finish(transaction, this.#content);
    this.#dialogue.reset();
    this.#content = new Content(this.#services.maxMessageBytes);
    if (fault !== null) this.#fault(fault, `from ${transaction.sender}`);
    if (reply === null) this.#deafen();
    else this.#sendAfter(delayMs + (trouble?.delayMs ?? 0), reply);
  }

  /** Closes without a word, before the message was there. */
  #drop(transaction: Transaction): void {
    this.#services.ledger.counts.droppedBeforeDot += 1;
    this.#services.reception.noteDropped(transaction.recipients.map((item) => item.address));
    this.#deafen();
  }

  #takeUnanswered(): boolean {
    const line = this.#input.takeLine();
    if (line === null) return false;
    const command = line.kind === 'line' ? parseCommand(line.text) : null;
    if (command?.kind === 'rcpt') this.#services.reception.noteUnanswered(command.address);
    return true;
  }

  #sendAfter(delayMs: number, reply: string): void {
    if (delayMs === 0) {
      this.#wire.send(reply);
      return;
    }
    this.#resumeAfter(delayMs, () => this.#wire.send(reply));
  }

  #resumeAfter(delayMs: number, then: () => void): void {
    this.#mode = 'waiting';
    this.#wire.after(delayMs, () => {
      this.#mode = 'command';
      then();
      this.#run();
    });
  }

  #mistake(answer: { text: string; fault: FaultKind | null }, line: string): void {
    if (answer.fault !== null) this.#fault(answer.fault, line);
    this.#mistakes += 1;
    if (this.#mistakes > MAX_MISTAKES) this.#close('421 4.7.0 Too many errors, closing connection');
    else this.#wire.send(answer.text);
  }

  #fault(kind: FaultKind, example: string): void {
    this.#services.ledger.addFault(kind, `${this.#host.name}: ${example}`);
  }

  #close(reply: string): void {
    this.#wire.send(reply);
    this.#mode = 'closing';
    this.#wire.hangUp();
  }

  #deafen(): void {
    this.#fallSilent();
    this.#wire.hangUp();
  }

  #fallSilent(): void {
    this.#mode = 'deaf';
    this.#input.clear();
  }
}
