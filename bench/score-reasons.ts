/**
 * bench/score-reasons — differences from other projects' labels that were looked at, and why our answer
 * stands.
 *
 * Nothing is counted as right because of it: score-bounces prints the plain count first, and beside it
 * the count with these. What is not here is ours to mend. docs/bounces.md "How well it does" says the
 * same in words.
 */

export type What = 'kind' | 'recipients' | 'hard' | 'status';

export interface Reason {
  file: string;
  what: readonly What[];
  reason: string;
}

const ANSWERS =
  'an automatic answer of a person; a set that knows "bounce or not" only calls it none';
const UNKNOWN_USER =
  'the host says in words that there is no such user, which is a hard failure; the label follows the program that wrote it';
const DELAYED = 'a warning (still being tried), so neither hard nor 5.x.x whatever the label says';

export const REASONS: Readonly<Record<string, readonly Reason[]>> = {
  sisimai: [
    {
      file: 'bsd/arf-11.eml',
      what: ['recipients'],
      reason: 'names nobody: the label is a placeholder address, and no address is invented',
    },
    {
      file: 'bsd/arf-15.eml',
      what: ['recipients'],
      reason: 'names nobody: the label is a placeholder address, and no address is invented',
    },
    {
      file: 'bsd/rfc3834-01.eml',
      what: ['recipients'],
      reason: 'a vacation notice reports about nobody; the label is who wrote it',
    },
    {
      file: 'bsd/lhost-domino-03.eml',
      what: ['recipients'],
      reason:
        'text and fields name different domains; the Final-Recipient is believed, and the returned message agrees with it',
    },
    { file: 'bsd/lhost-exchange2003-04.eml', what: ['hard'], reason: UNKNOWN_USER },
    { file: 'bsd/lhost-postfix-07.eml', what: ['hard'], reason: UNKNOWN_USER },
    { file: 'bsd/lhost-surfcontrol-01.eml', what: ['hard'], reason: UNKNOWN_USER },
    { file: 'bsd/lhost-x1-01.eml', what: ['hard'], reason: UNKNOWN_USER },
    { file: 'bsd/lhost-x1-02.eml', what: ['hard'], reason: UNKNOWN_USER },
    { file: 'bsd/lhost-x2-01.eml', what: ['hard'], reason: UNKNOWN_USER },
    {
      file: 'bsd/rfc3464-01.eml',
      what: ['hard'],
      reason: 'the fields say 5.1.1 User Unknown; the text beside them is about another recipient',
    },
    { file: 'bsd/lhost-opensmtpd-12.eml', what: ['hard', 'status'], reason: DELAYED },
    { file: 'bsd/lhost-opensmtpd-04.eml', what: ['status'], reason: DELAYED },
    { file: 'bsd/lhost-opensmtpd-15.eml', what: ['status'], reason: DELAYED },
    {
      file: 'bsd/lhost-exim-06.eml',
      what: ['status'],
      reason: 'says "This is a permanent error": 5.x.x; the label has no code of the message',
    },
    {
      file: 'bsd/lhost-sendmail-56.eml',
      what: ['status'],
      reason:
        'the Status field of the failed recipient is 5.5.0; the 4.7.0 is a 421 that closed an earlier connection',
    },
  ],
  flufl: [
    {
      file: 'dumbass_01.txt',
      what: ['kind'],
      reason:
        '"could not be delivered": a bounce that names nobody; the label means "no address", another set calls it a bounce',
    },
    { file: 'qmail_08.txt', what: ['kind'], reason: ANSWERS },
  ],
  bounceparser: [
    { file: 'aol-vacation.msg', what: ['kind'], reason: ANSWERS },
    { file: 'polish-autoreply.msg', what: ['kind'], reason: ANSWERS },
    { file: 'warning-6.msg', what: ['kind'], reason: ANSWERS },
    {
      file: 'bluebottle.msg',
      what: ['kind'],
      reason: 'a challenge to the sender is an automatic answer; the set has no name for it',
    },
  ],
  bounce_email: [
    { file: 'non_bounces/tt_1234210666.txt', what: ['kind'], reason: ANSWERS },
    {
      file: 'bounces/unknown_code_bounce_01.txt',
      what: ['hard', 'status'],
      reason:
        'a full mailbox (soft, 5.2.2); the label is the word "unknown", which is no status, and hard because there was no code',
    },
  ],
};

export function reasonFor(set: string, file: string, what: What): string | null {
  const found = REASONS[set]?.find((each) => each.file === file && each.what.includes(what));
  return found?.reason ?? null;
}
