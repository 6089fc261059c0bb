/**
 * range/smtp/delivery — what becomes of a message whose end has come.
 *
 * Promises: a message is in the ledger before its 250 is sent; a message that is dropped after the
 *           dot is in the ledger as not replied to; late reports are ordered only for what was
 *           accepted, never to the null sender, never against NOTIFY (RFC 3461).
 */
import { assertNever, invariant } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { LedgerBook } from '../ledger.ts';
import type { DomainProfile } from '../profile.ts';
import type { Reception } from '../reception.ts';
import type { ReplyName } from '../replies.ts';
import { contentFault, headerSection, messageIdOf } from './content.ts';
import type { Content, ContentFault } from './content.ts';
import type { AcceptedRecipient, Transaction } from './transaction.ts';

/** A report to be sent later. */
export interface ReturnOrder {
  kind: 'late' | 'latefull' | 'complaint';
  profile: DomainProfile;
  /** Name of the host that accepted the message. */
  host: string;
  client: string;
  recipient: string;
  originalRecipient: string | null;
  envelopeId: string | null;
  /** Where the report goes. */
  sender: string;
  /** Header section of the message. */
  headers: string;
  arrivedAt: Date;
}

export interface ReturnSink {
  order(order: ReturnOrder): void;
}

export interface DeliveryServices {
  reception: Reception;
  ledger: LedgerBook;
  returns: ReturnSink;
  now: Clock;
  maxMessageBytes: number;
}

export interface Finished {
  /** null: the link is closed instead. */
  reply: string | null;
  delayMs: number;
  fault: ContentFault | null;
}

export class Delivery {
  readonly #host: string;
  readonly #services: DeliveryServices;
  readonly #client: string;

  constructor(host: string, services: DeliveryServices, client: string) {
    this.#host = host;
    this.#services = services;
    this.#client = client;
  }

  finish(transaction: Transaction, content: Content): Finished {
    const [first] = transaction.recipients;
    const { ending } = transaction;
    invariant(first !== undefined && ending !== null, 'content without a recipient');
    if (content.tooLarge) {
      return this.#refuse(transaction, '552 5.3.4 Message size exceeds the limit of this host');
    }
    switch (ending) {
      case 'accept':
        return this.#accept(transaction, first, content);
      case 'reject':
        return this.#refuse(transaction, this.#reply(first, 'reject'));
      case 'drop_after_dot':
        return this.#drop(transaction, content);
      case 'drop_at_data':
      case 'drop_in_content':
        throw new Error(`unreachable: content after ${ending}`);
      default:
        return assertNever(ending);
    }
  }

  #accept(transaction: Transaction, first: AcceptedRecipient, content: Content): Finished {
    const { headers, fault } = this.#record(transaction, content, true);
    for (const recipient of transaction.recipients)
      this.#orderReturn(transaction, recipient, headers);
    const slow = transaction.recipients.some((item) => item.behaviour === 'tarpit');
    const delayMs = slow ? this.#services.reception.tarpitMs : 0;
    return { reply: this.#reply(first, 'accepted'), delayMs, fault };
  }

  #refuse(transaction: Transaction, reply: string): Finished {
    const { ledger, now } = this.#services;
    const at = now();
    for (const { address } of transaction.recipients) ledger.addRefusal(address, 'dot', reply, at);
    ledger.counts.refusedMessages += 1;
    return { reply, delayMs: 0, fault: null };
  }

  #drop(transaction: Transaction, content: Content): Finished {
    const { fault } = this.#record(transaction, content, false);
    this.#services.reception.noteDropped(transaction.recipients.map((item) => item.address));
    return { reply: null, delayMs: 0, fault };
  }

  #record(transaction: Transaction, content: Content, replied: boolean) {
    const { ledger, now } = this.#services;
    const bytes = content.bytes();
    const headers = headerSection(bytes);
    ledger.addMessage({
      acceptedAt: now(),
      host: this.#host,
      mailFrom: transaction.sender,
      recipients: transaction.recipients.map((item) => item.address),
      messageId: messageIdOf(headers),
      bytes,
      replied,
    });
    return { headers, fault: contentFault(bytes, transaction.eightBit) };
  }

  #orderReturn(transaction: Transaction, recipient: AcceptedRecipient, headers: string): void {
    const { behaviour } = recipient;
    if (behaviour !== 'late' && behaviour !== 'latefull' && behaviour !== 'complaint') return;
    if (transaction.sender === '') return;
    if (behaviour !== 'complaint' && !recipient.wantsFailure) return;
    this.#services.returns.order({
      kind: behaviour,
      profile: recipient.profile,
      host: this.#host,
      client: this.#client,
      recipient: recipient.address,
      originalRecipient: recipient.originalRecipient,
      envelopeId: transaction.envelopeId,
      sender: transaction.sender,
      headers,
      arrivedAt: this.#services.now(),
    });
  }

  #reply(recipient: AcceptedRecipient, name: ReplyName): string {
    return this.#services.reception.replyTo(recipient.profile, name, {
      recipient: recipient.address,
      client: this.#client,
      host: this.#host,
    });
  }
}
