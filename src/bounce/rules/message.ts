/** What any host may say of the message: too large, unwanted content, malformed. */
import { rulesOf } from './rule.ts';

export const SIZE_RULES = rulesOf('any', 'RFC 1870', [
  {
    id: 'too-large',
    class: 'too_large',
    permanent: true,
    pattern:
      /(?:message|mail|e-?mail|attachment|content|data|body)s?(?: size| length| is| was| too){0,2} (?:is )?(?:too (?:large|big|long)|larger than)|(?:message|mail|e-?mail|fixed|maximum|mailsize|data|body|header)s?(?: \w{1,12})? ?(?:size|length|limit)s? .{0,40}exceed|exceed\w{0,3} .{0,50}(?:message|mail|e-?mail|size) ?(?:size|limit|length)|exceeded mailsize|(?:message|data|attachment) size limit|message length exceeds|max(?:imum)? message size|exceed\w{0,3} (?:the )?max(?:imum)? (?:allowed )?size|too many bytes/,
    evidence: '552 5.3.4 Message size exceeds fixed maximum message size (10485760)',
    counter: '552 5.2.2 Mailbox size limit of user reached its quota',
  },
]);

export const CONTENT_RULES = rulesOf('any', 'RFC 3463 3.8', [
  {
    id: 'virus',
    class: 'content',
    permanent: true,
    pattern: /\bvirus|\bmalware|\bphish|\btrojan|\bworm\b|infected/,
    evidence: '550 5.7.0 Virus detected in message',
    counter: '550 5.7.1 Antispam policy of this site',
  },
  {
    id: 'spam',
    class: 'content',
    permanent: true,
    pattern:
      /\bspam\b|\bspamm?y\b|\bjunk\b|junk ?-?mail|\bunsolicited|\bube\b|\buce\b|bulk (?:e-?)?mail (?:rejected|not|refused)|blacklisted (?:url|link)|uribl|\bsurbl|\bbayes|spamassassin|high ?-?risk/,
    evidence: '550 5.7.1 Message rejected as spam by Content Filtering.',
    counter: '550 5.7.1 Client host is blocked',
  },
  {
    id: 'content',
    class: 'content',
    permanent: true,
    pattern:
      /(?:message|mail|e-?mail)? ?content(?: was| is)? (?:reject|refus|denied|blocked|not accept|filter)|(?:banned|prohibited|forbidden|dangerous|unacceptable|blocked|illegal) (?:attachment|content|file)|attachment .{0,40}(?:not allowed|blocked|rejected|prohibited)|(?:invalid|bad|missing|malformed|duplicate|multiple|too many|illegal)(?: or \w{1,10})? (?:message )?(?:header|from:|mime)|headers? too large|no resent-from|missing a valid address in the from|encoded-word syntax/,
    evidence: '554 5.6.0 Message content rejected, attachment type .exe is prohibited',
    counter: '554 5.5.1 Error: no valid recipients',
  },
]);

export const PROTOCOL_RULES = rulesOf('any', 'RFC 5321 4.2', [
  {
    id: 'address-syntax',
    class: 'protocol',
    permanent: true,
    pattern:
      /malformed address|incorrectly constructed|bad address syntax|address syntax|may not follow|(?:domain|recipient|address) (?:missing|contains) /,
    evidence:
      'a@example.com <b@example.org>: malformed address: <b@example.org> may not follow a@example.com',
    source: 'Exim accept.c, malformed recipients',
    counter: '501 Syntax error in parameters',
  },
  {
    id: 'commands',
    class: 'protocol',
    pattern:
      /(?:command|parameter)s? (?:not |un)(?:implemented|recogni[sz]ed|known)|(?:bad|improper|out of) sequence|protocol (?:error|violation)|unrecogni[sz]ed command|need (?:mail|rcpt)|pipelining (?:not|improper)|command unrecogni/,
    evidence: '503 5.5.1 Bad sequence of commands',
    counter: '550 5.7.1 Sequence number of this list is unknown',
  },
]);
