/** What many hosts say, in the words of the usual software. */
import type { Rule } from './rule.ts';

export const GENERAL_RULES: readonly Rule[] = [
  {
    id: 'any.user-unknown',
    provider: 'any',
    pattern: /(?:user|recipient|mailbox)(?: is)? (?:unknown|not found)|unknown user|no such user/,
    class: 'bad_mailbox',
    permanent: null,
    evidence: '550 5.1.1 <user@example.com>: Recipient address rejected: User unknown',
    counter: '550 5.7.1 Sender unknown, access denied',
    source: 'RFC 3463 3.2',
  },
];
