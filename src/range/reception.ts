/**
 * range/reception — what a host decides about a recipient and about a message.
 *
 * Holds the memory that greylisting, rate limits and "once" need. One for all hosts of a range.
 *
 * Promises: the final fate of an address does not depend on which other addresses stand in its
 *           transaction. SMTP has one reply to the content for all recipients, so those whose
 *           message meets another end than the first one's are told 451 and have to come again.
 * Size:     greylist and tries are bounded; the oldest entries go first.
 * See:      range/fate.ts says what follows from each behaviour.
 */
import { assertNever } from '../kernel/errors.ts';
import type { Behaviour } from './behaviour.ts';
import { strike } from './incident.ts';
import type { IncidentStage, Trouble } from './incident.ts';
import type { DomainProfile } from './profile.ts';
import { chance, hash32, tokenOf } from './random.ts';
import { closesConnection, reply } from './replies.ts';
import type { ReplyFacts, ReplyName } from './replies.ts';
import { addressKey, behaviourOf, domainOf } from './world.ts';
import type { World } from './world.ts';

/** What happens to the content of a transaction; the same for all its recipients. */
export type Ending = 'accept' | 'reject' | 'drop_at_data' | 'drop_in_content' | 'drop_after_dot';

export type Parties = Omit<ReplyFacts, 'token'>;

export interface RecipientAttempt extends Parties {
  sender: string;
  /** Ending of the transaction's first recipient; null when this is the first. */
  ending: Ending | null;
  accepted: number;
}

export type Verdict =
  | { kind: 'accept'; behaviour: Behaviour; ending: Ending; delayMs: number }
  | { kind: 'refuse'; reply: string; close: boolean };

export interface ReceptionOptions {
  world: World;
  greylistMs: number;
  tarpitMs: number;
}

const MAX_REMEMBERED = 1_000_000;

type Standing = { kind: 'take'; ending: Ending } | { kind: 'refuse'; name: ReplyName };

function take(ending: Ending): Standing {
  return { kind: 'take', ending };
}

function refuse(name: ReplyName): Standing {
  return { kind: 'refuse', name };
}

export class Reception {
  readonly #world: World;
  readonly #greylistMs: number;
  readonly tarpitMs: number;
  /** (client, sender domain, recipient) -> when it was first seen, in epoch milliseconds. */
  readonly #greylist = new Map<string, number>();
  /** Address key -> how often its behaviour has struck. */
  readonly #strikes = new Map<string, number>();
  /** Domain -> connections so far. */
  readonly #connections = new Map<string, number>();
  /** Domain and stage -> how often it was reached. */
  readonly #reached = new Map<string, number>();

  constructor(options: ReceptionOptions) {
    this.#world = options.world;
    this.#greylistMs = options.greylistMs;
    this.tarpitMs = options.tarpitMs;
  }

  /** Whether a new connection to a host of `profile` is greeted by 421. */
  turnsAway(profile: DomainProfile): boolean {
    if (profile.busy === null) return false;
    const number = (this.#connections.get(profile.domain) ?? 0) + 1;
    this.#connections.set(profile.domain, number);
    if (number > profile.busy.connections) return false;
    return chance(this.#world.seed, `${profile.domain} ${number}`) * 100 < profile.busy.percent;
  }

  /** What goes wrong this time at a stage of the conversation; null: nothing. */
  troubleAt(profile: DomainProfile, at: IncidentStage): Trouble | null {
    const { domain, incidents } = profile;
    if (incidents.length === 0) return null;
    const count = (this.#reached.get(`${domain} ${at}`) ?? 0) + 1;
    this.#reached.set(`${domain} ${at}`, count);
    return strike(incidents, at, { seed: this.#world.seed, domain, count });
  }

  /** At RCPT. `profile` is the recipient's domain, served by the host that asks. */
  judge(profile: DomainProfile, attempt: RecipientAttempt, now: Date): Verdict {
    const { recipient } = attempt;
    const behaviour = behaviourOf(this.#world, profile, recipient);
    if (profile.maxRecipients !== null && attempt.accepted >= profile.maxRecipients) {
      return this.#refuse(profile, 'too_many', attempt);
    }
    const standing = this.#standing(behaviour, attempt, now);
    if (standing.kind === 'refuse') return this.#refuse(profile, standing.name, attempt);
    const { ending } = standing;
    if (attempt.ending !== null && attempt.ending !== ending) {
      return this.#refuse(profile, 'separately', attempt);
    }
    return {
      kind: 'accept',
      behaviour,
      ending,
      delayMs: behaviour === 'tarpit' ? this.tarpitMs : 0,
    };
  }

  /**
   * The link is being closed by a 421, and this RCPT was already under way. It counts as a try, so
   * that fifty pipelined recipients of a busy host do not need fifty connections.
   */
  noteUnanswered(recipient: string): void {
    const profile = this.#world.profileOf(domainOf(recipient));
    if (profile === null) return;
    const behaviour = behaviourOf(this.#world, profile, recipient);
    if (behaviour === 'busy' || behaviour === 'ratelimit') this.#strike(recipient);
  }

  /** The link was closed on these recipients, as their behaviour wants it. */
  noteDropped(recipients: readonly string[]): void {
    for (const recipient of recipients) this.#strike(recipient);
  }

  busyGreeting(profile: DomainProfile, parties: { client: string; host: string }): string {
    return this.replyTo(profile, 'busy_greeting', { ...parties, recipient: '' });
  }

  replyTo(profile: DomainProfile, name: ReplyName, parties: Parties): string {
    const token = tokenOf(this.#world.seed, `${name} ${addressKey(parties.recipient)}`);
    const { recipient, client, host } = parties;
    return reply(profile.family, name, { recipient, client, host, token });
  }

  #refuse(profile: DomainProfile, name: ReplyName, attempt: RecipientAttempt): Verdict {
    const text = this.replyTo(profile, name, attempt);
    return { kind: 'refuse', reply: text, close: closesConnection(text) };
  }

  #standing(behaviour: Behaviour, attempt: RecipientAttempt, now: Date): Standing {
    const { recipient } = attempt;
    switch (behaviour) {
      case 'accept':
      case 'late':
      case 'latefull':
      case 'complaint':
      case 'tarpit':
        return take('accept');
      case 'unknown':
      case 'inactive':
      case 'full':
      case 'fullhard':
        return refuse(behaviour);
      case 'greylist':
        return this.#hasWaited(attempt, now) ? take('accept') : refuse('greylist');
      case 'busy':
        return this.#strikesBelow(recipient, 1) ? refuse('busy') : take('accept');
      case 'ratelimit': {
        const limit = this.#limitedTries(recipient);
        return this.#strikesBelow(recipient, limit) ? refuse('ratelimit') : take('accept');
      }
      case 'reject':
        return take('reject');
      case 'drop':
        return take(this.#isStruck(recipient) ? 'accept' : 'drop_after_dot');
      case 'dropalways':
        return take('drop_after_dot');
      case 'dropbefore':
        return take(this.#isStruck(recipient) ? 'accept' : 'drop_at_data');
      case 'dropmid':
        return take(this.#isStruck(recipient) ? 'accept' : 'drop_in_content');
      default:
        return assertNever(behaviour);
    }
  }

  /** One or two, by the address. */
  #limitedTries(recipient: string): number {
    return 1 + (hash32(this.#world.seed + 1, addressKey(recipient)) % 2);
  }

  #hasWaited(attempt: RecipientAttempt, now: Date): boolean {
    const senderDomain = domainOf(attempt.sender);
    const key = `${attempt.client} ${senderDomain} ${addressKey(attempt.recipient)}`;
    const firstSeen = this.#greylist.get(key);
    if (firstSeen !== undefined) return now.getTime() - firstSeen >= this.#greylistMs;
    remember(this.#greylist, key, now.getTime());
    return false;
  }

  #isStruck(recipient: string): boolean {
    return this.#strikes.has(addressKey(recipient));
  }

  /** True, and one strike more, while there were fewer than `limit`. */
  #strikesBelow(recipient: string, limit: number): boolean {
    if ((this.#strikes.get(addressKey(recipient)) ?? 0) >= limit) return false;
    this.#strike(recipient);
    return true;
  }

  #strike(recipient: string): void {
    const key = addressKey(recipient);
    remember(this.#strikes, key, (this.#strikes.get(key) ?? 0) + 1);
  }
}

function remember(memory: Map<string, number>, key: string, value: number): void {
  memory.set(key, value);
  if (memory.size <= MAX_REMEMBERED) return;
  const oldest = memory.keys().next();
  if (oldest.done !== true) memory.delete(oldest.value);
}
