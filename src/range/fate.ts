/**
 * range/fate — what must have become of an address when a campaign to the practice world is over.
 *
 * Pure. The demo and the tests compare a report with this, recipient by recipient.
 *
 * Promises: holds for any sender that retries temporary failures a few times over some seconds,
 *           gives up at its ttl, and holds what is ambiguous; one message or many RCPT a
 *           transaction alike.
 */
import { assertNever } from '../kernel/errors.ts';
import type { Behaviour } from './behaviour.ts';
import type { Routing } from './profile.ts';

/** State of a recipient at the end of the campaign. */
export type End = 'accepted' | 'bounced' | 'expired' | 'ambiguous';

export interface FateFacts {
  /** Any of these is right. */
  ends: readonly End[];
  /** Whether the address must, must not or may be on the suppression list afterwards. */
  suppression: 'must' | 'must_not' | 'may';
  /** Whether the address itself makes at least one attempt fail on the way. */
  deferred: boolean;
  /** What comes back later to the envelope sender. */
  returns: 'dsn' | 'complaint' | null;
  /** Whether the receiver has a copy of the message; null: it depends on the sender. */
  received: boolean | null;
  meaning: string;
}

type Suppression = FateFacts['suppression'];

function fate(meaning: string, end: End | readonly End[], suppression: Suppression): FateFacts {
  const ends = typeof end === 'string' ? [end] : end;
  const received = ends.includes('accepted') || ends.includes('ambiguous');
  return { meaning, ends, suppression, deferred: false, returns: null, received };
}

export const FATES = {
  accepted: fate('accepted at the first try', 'accepted', 'must_not'),
  greylisted_then_accepted: {
    ...fate('greylisted, accepted later', 'accepted', 'must_not'),
    deferred: true,
  },
  rate_limited_then_accepted: {
    ...fate('rate limited, accepted later', 'accepted', 'must_not'),
    deferred: true,
  },
  busy_then_accepted: {
    ...fate('421 once, accepted later', 'accepted', 'must_not'),
    deferred: true,
  },
  dropped_then_accepted: {
    ...fate('link closed before the content, accepted later', 'accepted', 'must_not'),
    deferred: true,
  },
  /** The sender alone knows whether it had written the dot; the receiver has nothing then. */
  dropped_in_content: {
    ...fate('link closed in the content', ['accepted', 'ambiguous'], 'must_not'),
    received: null,
  },
  ambiguous: fate('link closed between the final dot and its reply', 'ambiguous', 'must_not'),
  content_rejected: fate('content refused', 'bounced', 'must_not'),
  unknown_mailbox: fate('no such mailbox', 'bounced', 'must'),
  inactive_mailbox: fate('mailbox switched off', 'bounced', 'may'),
  mailbox_full: {
    ...fate('mailbox full, temporary reply, never lifts', 'expired', 'must_not'),
    deferred: true,
  },
  mailbox_full_hard: fate('mailbox full, permanent reply', ['bounced', 'expired'], 'must_not'),
  late_unknown_mailbox: {
    ...fate('accepted, later a DSN: no such mailbox', 'accepted', 'must'),
    returns: 'dsn',
  },
  late_mailbox_full: {
    ...fate('accepted, later a DSN: mailbox full', 'accepted', 'must_not'),
    returns: 'dsn',
  },
  complaint: { ...fate('accepted, later a complaint', 'accepted', 'may'), returns: 'complaint' },
  no_such_domain: fate('the domain does not exist', 'bounced', 'must'),
  null_mx: fate('the domain takes no mail', 'bounced', 'must'),
  dns_failure: { ...fate('DNS fails', 'expired', 'must_not'), deferred: true },
  connection_refused: {
    ...fate('every host refuses the connection', 'expired', 'must_not'),
    deferred: true,
  },
} as const satisfies Record<string, FateFacts>;

export type Fate = keyof typeof FATES;

/** Facts with the wide type, for code that walks over all fates. */
export function fateFacts(name: Fate): FateFacts {
  return FATES[name];
}

/** What the way to the host decides alone; null when a host answers. */
export function fateOfRouting(routing: Routing): Fate | null {
  switch (routing.kind) {
    case 'mx':
    case 'hosted':
    case 'alias':
    case 'implicit_mx':
      return null;
    case 'null_mx':
      return 'null_mx';
    case 'nxdomain':
      return 'no_such_domain';
    case 'servfail':
    case 'silent':
      return 'dns_failure';
    case 'refuses':
      return 'connection_refused';
    default:
      return assertNever(routing);
  }
}

export function fateOfBehaviour(behaviour: Behaviour): Fate {
  switch (behaviour) {
    case 'accept':
    case 'tarpit':
      return 'accepted';
    case 'unknown':
      return 'unknown_mailbox';
    case 'inactive':
      return 'inactive_mailbox';
    case 'full':
      return 'mailbox_full';
    case 'fullhard':
      return 'mailbox_full_hard';
    case 'greylist':
      return 'greylisted_then_accepted';
    case 'busy':
      return 'busy_then_accepted';
    case 'ratelimit':
      return 'rate_limited_then_accepted';
    case 'reject':
      return 'content_rejected';
    case 'drop':
    case 'dropalways':
      return 'ambiguous';
    case 'dropbefore':
      return 'dropped_then_accepted';
    case 'dropmid':
      return 'dropped_in_content';
    case 'late':
      return 'late_unknown_mailbox';
    case 'latefull':
      return 'late_mailbox_full';
    case 'complaint':
      return 'complaint';
    default:
      return assertNever(behaviour);
  }
}
