/**
 * mta/transaction — what the mta is asked to do: the contract between the scheduler and the wire.
 *
 * One Transaction is one MAIL / RCPT... / DATA. A DeliveryRequest is a pull-source of transactions
 * for one destination domain. Pulling is the back-pressure: a lane (one connection's worth of work)
 * pulls the next transaction when it is free to send it, so that nothing is rendered early and
 * nothing is begun after the source says it is over.
 */
import type { Message } from './message.ts';
import type { RecipientOutcome } from './outcome.ts';

export interface TransactionRecipient {
  /** The delivery id; comes back in the outcome. */
  id: bigint;
  /** For RCPT TO, without brackets: `User@xn--fiqs8s.example`. */
  address: string;
}

export interface Transaction {
  /** For MAIL FROM, without brackets; empty for the null sender. */
  envelopeSender: string;
  /** DSN ENVID (RFC 3461), plain; xtext-encoded by the mta. */
  envelopeId: string | null;
  /**
   * One copy for many: where it is offered (XVERP, Postfix) the receiver may write the recipient
   * behind the local part of the envelope sender, so that every bounce names him. Absent: no.
   */
  xverp?: boolean;
  /** At least one, all of the request's domain. */
  recipients: readonly TransactionRecipient[];
  /** CRLF lines, signed, 7-bit safe, not dot-stuffed. */
  message: Message;
  /**
   * The write-ahead mark: resolves once it is durable that the final dot of this transaction may be
   * sent. The mta awaits it before it writes the dot (it runs beside MAIL, RCPT and DATA); when it
   * rejects, the mta does not send the dot, resets, and the outcomes are `deferred` / `aborted`.
   */
  marked: Promise<void>;
}

/**
 * `policy`: TLS as the operator and the domain want it. `required`: REQUIRETLS (RFC 8689), only over
 * authenticated TLS to hosts that promise the same for the rest of the way. `waived`: whatever the
 * domain's policy (RFC 8460 3: reports about broken TLS must arrive).
 */
export type Protection = 'policy' | 'required' | 'waived';

export interface DeliveryRequest {
  /** Destination domain, ASCII. */
  domain: string;
  /** `policy` when absent. */
  protection?: Protection;
  /** The source addresses of the sender, when the route names none. */
  pool?: string | null;
  /** Requests of one key have messages of about one size: a campaign. The domain when absent. */
  contentKey?: bigint | string;
  /** How many connections this request may use at one time; the site's own cap applies as well. */
  maxLanes: number;
  /**
   * The next transaction, or null when there are no more (for now and for this request). Lanes pull
   * by themselves, so it is called again before the last call has answered; after null or a site
   * failure it is called no more. One may be pulled ahead of the wire for each lane, or a train
   * (train.ts).
   */
  next(): Promise<Transaction | null>;
  /** Called once for every recipient of every transaction pulled. Must not throw. */
  onOutcome(outcome: RecipientOutcome): void;
  /**
   * When the site cannot be used at all (DNS, connect), nothing is pulled for it: the mta reports
   * the failure once through here and `deliver` resolves. The scheduler defers or rejects all that
   * is left of the request with it. A site that breaks in the middle of a request reports so too;
   * what was pulled by then has its outcomes through `onOutcome`.
   */
  onSiteFailure(failure: SiteFailure): void;
}

/** The outcome of everything that was not pulled, without a recipient. */
export type SiteFailure = Omit<RecipientOutcome, 'recipientId'>;

export interface Mta {
  /** Resolves when every transaction pulled has its outcomes. Never rejects. */
  deliver(request: DeliveryRequest): Promise<void>;
  /** Connections open now, over all sites. */
  openConnections(): number;
  /** QUITs idle connections; running requests end by their own sources. Then resolves. */
  close(): Promise<void>;
}
