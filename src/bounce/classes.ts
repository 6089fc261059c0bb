/**
 * bounce/classes — the stable vocabulary of why a message failed, and what follows from it.
 *
 * Promises: names never change meaning. Only classes whose `fault` is `recipient` may ever suppress
 *           somebody (bounce/policy.ts decides when). `retry` says whether a later attempt makes
 *           sense even when the receiver said 5xx (providers say 5xx for rate limits).
 * See:      docs/bounces.md.
 */

/** Who has to change something before this works. */
export type Fault = 'recipient' | 'sender' | 'content' | 'infrastructure';
/** What the class is about: one address, our path (IP x provider), our domain, the content. */
export type Scope = 'recipient' | 'path' | 'sender_domain' | 'content' | 'destination';
/** suppress: by policy, maybe at once. retry: later. give_up: final, nobody is suppressed. */
export type Action = 'suppress' | 'retry' | 'give_up';

export interface ClassFacts {
  fault: Fault;
  scope: Scope;
  action: Action;
  meaning: string;
}

function facts(fault: Fault, scope: Scope, action: Action, meaning: string): ClassFacts {
  return { fault, scope, action, meaning };
}

export const BOUNCE_CLASSES = {
  bad_mailbox: facts('recipient', 'recipient', 'suppress', 'The mailbox does not exist'),
  bad_domain: facts('recipient', 'recipient', 'suppress', 'The domain takes no mail'),
  inactive: facts('recipient', 'recipient', 'suppress', 'The mailbox is disabled or abandoned'),
  full: facts('recipient', 'recipient', 'retry', 'The mailbox is over its quota'),
  blocked_by_recipient: facts('recipient', 'recipient', 'suppress', 'The recipient refuses us'),
  rate_limited: facts('sender', 'path', 'retry', 'Too much in too short a time'),
  reputation: facts('sender', 'path', 'retry', 'Our address or domain has a poor reputation'),
  blocklisted: facts('sender', 'path', 'retry', 'Our address or domain is on a block list'),
  content: facts('content', 'content', 'give_up', 'The message looks like spam or is unwanted'),
  auth: facts(
    'sender',
    'sender_domain',
    'give_up',
    'SPF, DKIM, DMARC, PTR or TLS was not good enough',
  ),
  policy: facts('sender', 'destination', 'give_up', 'A rule of the receiver forbids it'),
  too_large: facts('content', 'content', 'give_up', 'The message is over a size limit'),
  protocol: facts(
    'infrastructure',
    'destination',
    'give_up',
    'A command or address was not understood',
  ),
  routing: facts(
    'infrastructure',
    'destination',
    'give_up',
    'The receiver cannot route it, or it loops',
  ),
  network: facts('infrastructure', 'destination', 'retry', 'Connection or DNS trouble'),
  greylisted: facts('infrastructure', 'path', 'retry', 'Come back later, by design'),
  system: facts('infrastructure', 'destination', 'retry', 'A fault inside the receiver'),
  expired: facts(
    'infrastructure',
    'destination',
    'give_up',
    'It was tried until its time was over',
  ),
  relayed_denied: facts(
    'infrastructure',
    'destination',
    'give_up',
    'The host does not take mail for it',
  ),
  unknown: facts('infrastructure', 'destination', 'retry', 'No rule fits'),
} as const satisfies Record<string, ClassFacts>;

export type BounceClass = keyof typeof BOUNCE_CLASSES;
export const BOUNCE_CLASS_NAMES = Object.keys(BOUNCE_CLASSES) as BounceClass[];

/** What the classifier says of one reply or DSN text. */
export interface Verdict {
  class: BounceClass;
  /** Final for this attempt's recipient, whatever the first digit was. */
  permanent: boolean;
  /** Id of the rule that decided, or `enhanced:5.1.1` / `code:550` when none did. */
  rule: string;
}

/** What the classifier is given. `text` may hold the whole reply, codes included. */
export interface ReplyText {
  code: number | null;
  enhanced: string | null;
  text: string;
  /** Where the reply came, `rcpt`, `data`, ...; null for a DSN. */
  stage: string | null;
}
