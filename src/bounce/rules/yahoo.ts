/** Yahoo, AOL and the domains they host (MX `*.yahoodns.net`). */
import { rulesOf } from './rule.ts';

export const YAHOO_RULES = rulesOf('yahoo', 'https://senders.yahooinc.com/smtp-error-codes/', [
  {
    id: 'listed',
    class: 'blocklisted',
    permanent: false,
    pattern:
      /\[bl\d\d\]|\[(?:ipts|ts|rss)0[4-9]\].{0,120}spamhaus|connections will not be accepted from/,
    evidence:
      "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.10, because the ip is in Spamhaus's list",
    counter: '421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred',
  },
  {
    id: 'permanently-deferred',
    class: 'reputation',
    permanent: true,
    pattern: /\[tss?(?:09|1[01])\]|will be permanently deferred/,
    evidence:
      '553 5.7.2 [TSS11] All messages from 192.0.2.10 will be permanently deferred; Retrying will NOT succeed.',
    counter: '421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred',
  },
  {
    id: 'deferred',
    class: 'rate_limited',
    permanent: false,
    pattern:
      /\[(?:tss?|ts|gl|rss|ip)0\d\]|temporarily deferred due to (?:unexpected|user)|unexpected volume or user complaints/,
    evidence:
      '421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes',
    counter: '553 5.7.2 [TSS11] All messages from 192.0.2.10 will be permanently deferred',
  },
  {
    id: 'policy',
    class: 'auth',
    permanent: true,
    pattern: /message not accepted for policy reasons/,
    evidence:
      '554 5.7.9 Message not accepted for policy reasons. See https://senders.yahooinc.com/error-codes',
    counter: '554 Message not accepted, spam detected',
  },
  {
    id: 'resources',
    class: 'system',
    permanent: false,
    pattern: /resources temporarily (?:un|not )available/,
    evidence: '451 Resources temporarily not available - Please try again later [#4.16.5].',
    counter: '451 Resources not found',
  },
  {
    id: 'disabled',
    class: 'inactive',
    permanent: true,
    pattern:
      /account has been (?:disabled or discontinued|terminated|suspended)|\(554\.30\)|this mailbox is disabled/,
    evidence:
      '554 delivery error: dd Sorry your message to user@yahoo.com cannot be delivered. This account has been disabled or discontinued [#102].',
    counter:
      "554 delivery error: dd This user doesn't have a yahoo.com account (user@yahoo.com) [0]",
  },
  {
    id: 'no-account',
    class: 'bad_mailbox',
    permanent: true,
    pattern: /user doesn['’]?t have an? \S{1,80} account|\bdd not a valid recipient\b/,
    evidence:
      "554 delivery error: dd This user doesn't have a yahoo.com account (user@yahoo.com) [0]",
    counter: '554 delivery error: dd Requested mail action aborted',
  },
  {
    id: 'unresolvable-sender',
    class: 'auth',
    permanent: false,
    pattern: /unresolvable rfc\.?5321|rfc5321 from domain/,
    evidence:
      '451 Message temporarily deferred due to unresolvable RFC.5321 from domain; see https://senders.yahooinc.com/error-codes',
    counter: '451 Message temporarily deferred due to user complaints',
  },
]);
