/** What any host may say of the recipient: full, inactive, refusing, unknown; or of his domain. */
import { rulesOf, type RuleRow } from './rule.ts';

const FULL: readonly RuleRow[] = [
  {
    id: 'system-storage',
    class: 'system',
    permanent: false,
    pattern: /insufficient system (?:storage|resources)/,
    evidence: '452 4.3.1 Insufficient system resources (UsedDiskSpace)',
    counter: '552 5.2.2 Insufficient storage in the mailbox',
    source: 'RFC 5321 4.2.3 (452)',
  },
  {
    id: 'mailbox-full',
    class: 'full',
    permanent: false,
    pattern:
      /(?:mail ?box|mail ?folder|inbox|mail ?drop|storage|account|incoming mail)(?: \S{1,80})?(?: is| was| for user is)?(?: temporarily| currently)? (?:too )?(?:full|stuffed|over (?:its |the |their )?quota|exhausted)|full mailbox|boxfull|mail ?box .{0,60}(?:is|was) (?:currently |temporarily )?full|postfach.{0,40}voll|zu ?viele mails/,
    evidence: "552 5.2.2 <user@example.com>: user's mailbox is full",
    counter: '550 5.2.1 mailbox is disabled',
    source: 'RFC 3463 3.3 (X.2.2)',
  },
  {
    id: 'over-quota',
    class: 'full',
    permanent: false,
    pattern:
      /over(?: the| its| their| his)?(?: \w{1,12})? quota|over ?quota|quota (?:usage |limit |is |was |has been )?(?:exceed|full|violation|reached)|exceed\w{0,3} .{0,40}(?:mailbox|disk|storage|hard)? ?quota|disk quota|(?:user|mailbox|account|recipient)s?\b.{0,40}exceed\w{0,3} (?:the |its |his |their |allowed |maximum |storage |disk ){0,4}(?:size|quota|space|storage|limit|allocat|local limit)|exceed\w{0,3} (?:the )?storage/,
    evidence: '552 5.2.2 <user@example.com> Quota exceeded',
    counter: '552 5.3.4 Message size exceeds fixed limit',
    source: 'RFC 3463 3.3 (X.2.2)',
  },
  {
    id: 'no-space',
    class: 'full',
    permanent: false,
    pattern:
      /(?:not enough|no|insufficient|out of|lack of|does not have enough)(?: \w{1,10})? (?:disk ?space|storage|space)|space not enough|too much mail stored|mailbox space|exhausted (?:the )?allowed|number of messages in recipient['’]s mailbox/,
    evidence: '552 Account(s) <user@example.com> does not have enough space',
    counter: '451 not enough memory',
    source: 'RFC 3463 3.3 (X.2.2)',
  },
];

const INACTIVE: readonly RuleRow[] = [
  {
    id: 'temporarily-inactive',
    class: 'inactive',
    permanent: false,
    pattern:
      /(?:user|account|mail ?box|recipient|address)\b.{0,60}temporar\w{1,3} (?:disabled|deactivated|suspended|locked|inactive|blocked|restricted|closed|on hold)/,
    evidence: '550 5.2.1 This mailbox is temporarily disabled',
    counter: '550 5.2.1 This mailbox is disabled',
    source: 'RFC 3463 3.3 (X.2.1)',
  },
  {
    id: 'inactive',
    class: 'inactive',
    permanent: true,
    pattern:
      /(?:user|account|mail ?box|recipient|address|customer|status)(?:\(s\))?s?(?: \S{1,80})?(?: status| account| has been| has| is| was| are| currently| now){0,3} (?:disabled|deactivated|inactive|suspended|frozen|discontinued|terminated|abandoned|not active|not activated)|(?:user|account|mail ?box|recipient|address|customer|status)(?:\(s\))?s?(?: \S+@\S+| ["'([<]\S+)?(?: status| account| has been| has| is| was| are| currently| now){0,3} (?:locked|expired|closed|cancell?ed|on hold|blocked|restricted|dormant|stopped|hangup)|>:? (?:recipient address rejected: )?on hold/,
    evidence: '550 5.2.1 <user@example.com>: Recipient address rejected: account is disabled',
    counter: '550 5.7.1 Your host is disabled by policy',
    source: 'RFC 3463 3.3 (X.2.1), RFC 7504 (525 5.7.13)',
  },
  {
    id: 'inactive-noun',
    class: 'inactive',
    permanent: true,
    pattern:
      /(?:inactive|disabled|suspended|deactivated|frozen|expired|locked|blocked) (?:recipient|user|account|mail ?box|e-?mail|address|customer)|is now disabled with|\[suspend\]|: on hold\b|due to inactivity|this account is not allowed|extended inactivity|administratively disabled|mail receiving disabled|no longer active|dead (?:account|mail ?box|address)|(?:account|konto|postfach|adresse) .{0,30}(?:gesperrt|deaktiviert)/,
    evidence: '525 5.7.13 Disabled recipient address',
    counter: '550 5.1.1 Unknown recipient address',
    source: 'RFC 7504, IANA (X.7.13)',
  },
];

const REFUSED: readonly RuleRow[] = [
  {
    id: 'refused-by-recipient',
    class: 'blocked_by_recipient',
    permanent: true,
    pattern:
      /(?:rejected|refused|blocked|denied|declined) by (?:the |this )?(?:user|recipient|addressee|mailbox owner)s?(?:[.,;:!]| and\b| -|$)|(?:user|recipient|addressee)s? (?:has|have) (?:refused|rejected|blocked|declined|opted out|unsubscribed|not authori[sz]ed)|(?:user|recipient|addressee) (?:refused|blocked) (?:to|your|this|the)\b|(?:user|recipient|they) (?:does|do|is|are) not (?:want|wish|accept\w{0,3}) (?:to (?:receive|get) )?(?:this |your |any )?(?:e-?mail|mail|message|messages|them|from you)|not accepting mail (?:from|with)|not (?:found )?(?:on|in) (?:the |my |his |their |our |a )(?:\S{1,20} )?(?:allow|white|accept|safe)\w{0,3}[ -]?list|sender (?:is )?(?:blocked|on the recipient)|based on the e-?mail preferences|does(?: not|n['’]t) accept e-?mail in/,
    evidence: '550 5.7.1 Your message was rejected by this user and was not delivered',
    counter: '550 5.7.1 Your message was rejected by this system',
    source: 'Exim filters, SpamAssassin user preferences',
  },
  {
    id: 'list-refuses',
    class: 'blocked_by_recipient',
    permanent: true,
    pattern:
      /not a? ?member of (?:this|the) (?:mailing )?list|(?:only|posting) (?:subscribers?|members?) (?:may|can|are allowed)|not (?:allowed|permitted) to (?:post|send (?:mail|messages?)) to (?:this|the) (?:list|group|recipient|user)/,
    evidence: 'You are not a member of this mailing list <list@example.org>',
    counter: 'You are not allowed to relay',
    source: 'fml, Mailman, Majordomo',
  },
];

const DOMAIN: readonly RuleRow[] = [
  {
    id: 'dns-try-again',
    class: 'network',
    permanent: false,
    pattern:
      /not found, try again|name service error.{0,160}try again|servfail|name ?server (?:timeout|failure)|dns (?:query |lookup )?(?:failed|failure|timeout|timed out)/,
    evidence: 'Name service error for name=example.com type=MX: Host not found, try again',
    counter: 'Name service error for name=example.com type=A: Host not found',
    source: 'Postfix smtp(8)',
  },
  {
    id: 'host-unknown',
    class: 'bad_domain',
    permanent: true,
    pattern:
      /(?:host|domain|server)(?: or domain)?(?: name)? (?:is )?(?:unknown|not found)|unknown (?:host|domain|mail domain)|no such (?:host|domain)|(?:invalid|illegal) (?:host|domain)(?:\/domain)?(?: name)?|nxdomain|unrout(?:e?able) (?:mail )?(?:domain|address)|(?:host|domain)(?: name)?(?: \S{3,80})? does(?: not|n['’]t) exist|bad destination (?:system|host)|host lookup (?:did not complete|failed)|couldn['’]?t find (?:any host|a host|a mail exchanger)|all relevant mx records point to non-?existent hosts|non-?existent (?:domain|host)|domain (?:is )?invalid|(?:can ?not|could not|unable to) (?:be resolved|resolve)|name or service not known|has no mx\b/,
    evidence:
      '550 5.1.2 <user@example.com>... Host unknown (Name server: example.com: host not found)',
    counter: '550 5.1.1 <user@example.com>... User unknown',
    source: 'RFC 3463 3.2 (X.1.2)',
  },
  {
    id: 'takes-no-mail',
    class: 'bad_domain',
    permanent: true,
    pattern:
      /null ?mx|no mx (?:record )?found|indicated no smtp service|(?:host|domain)s?(?: \S{3,80})? (?:does|do|will) (?:not|n['’]t|never) (?:accept|receive|take) (?:any )?(?:e-?mail|mail|messages)|no (?:mx|mail exchanger)s? (?:records? )?for|does not accept mail \(nullmx\)|no longer accepts mail/,
    evidence: '556 5.1.10 Domain example.com does not accept mail (nullMX)',
    counter: '550 5.7.1 We do not accept mail from dynamic addresses',
    source: 'RFC 7504, RFC 7505',
  },
];

const MAILBOX: readonly RuleRow[] = [
  {
    id: 'user-unknown',
    class: 'bad_mailbox',
    pattern:
      /(?:user|recipient|addressee|mail ?box|account|alias|address|addresse|username|customer|person)(?:\(s\))?(?: \S{1,90})?(?: is| was| are|['’]s| here| by that name| name| address| found){0,2} (?:unknown|not found|not known|unrecogni[sz]ed|invalid|not recogni[sz]ed|not listed|nonexistent|non-existent|incorrect|wrong)\b/,
    evidence:
      '550 5.1.1 <user@example.com>: Recipient address rejected: User unknown in local recipient table',
    counter: '550 5.1.8 Sender unknown, access denied',
    source: 'RFC 3463 3.2 (X.1.1), Postfix, sendmail',
  },
  {
    id: 'unknown-user',
    class: 'bad_mailbox',
    pattern:
      /(?:unknown|invalid|no such|illegal|nonexistent|non-existent|bad|incorrect|undefined|unrecogni[sz]ed|bogus)(?: or illegal| or invalid| local| final delivery| destination| e-?mail| mail| smtp)?(?: user| recipient| addressee| mail ?box| account| alias| address| local[- ]part| person| userid| username| customer)(?:\b|s\b|\()/,
    evidence: '550 Unknown user user@example.com',
    counter: '550 Unknown command',
    source: 'RFC 5321 4.2.3 (550), IMail, MDaemon',
  },
  {
    id: 'no-mailbox',
    class: 'bad_mailbox',
    pattern:
      /no (?:mail ?box|mail box|account|valid recipients?|recipients?|user|such person|one)(?: \S{1,60})?(?: were| was| is| could be)? (?:here|available|found|by that name|exists?|with (?:this|that) name|for this user|\(#5\.1)|not (?:a |our )(?:known |valid )?(?:user|customer|recipient|mailbox)|all recipients (?:are|were) invalid|bad_recipient|command rcpt user .{0,80} not ok/,
    evidence: 'Sorry, no mailbox here by that name. (#5.1.1)',
    counter: '451 4.3.0 no mailbox lock could be obtained',
    source: 'qmail qmail-send(8), vpopmail',
  },
  {
    id: 'does-not-exist',
    class: 'bad_mailbox',
    pattern:
      /(?:user|recipient|addressee|mail ?box|account|alias|address|that name|name|person)(?:\(s\))?(?: \S{1,90})?(?: here| at this (?:host|server|domain))? (?:does|do|did) ?(?:not|n['’]t) (?:exist|have an? |match|be found)|(?:user|recipient|mail ?box|account|address)\b.{0,40} (?:does|do|did) ?(?:not|n['’]t) exist|doesn['’]t exist|does not have a final (?:e-?mail )?delivery point|did not exactly match|address couldn['’]t be found|(?:was|is|be) not found (?:in|at|on) (?:this|the|our) (?:server|directory|domain|system)|no longer (?:valid|exists?|available|here|in use|on (?:this )?server|a valid)|(?:user|recipient|alias|address|name) lookup .{0,40}failed|not listed in (?:the |public )?(?:name|domino|directory|address)|wrong or no longer valid|not unique|user path (?:no|does(?: not|n['’]t)) exist|can(?:['’]?t|not| not) find (?:the |that |such )?(?:user|recipient|mail ?box)/,
    evidence: '550 5.1.1 The email address user@example.com does not exist on this server',
    counter: '550 5.7.1 The policy did not permit this',
    source: 'RFC 3463 3.2 (X.1.1), Domino, Exchange',
  },
  {
    id: 'moved',
    class: 'bad_mailbox',
    permanent: true,
    pattern:
      /(?:mailbox|user|recipient|account) has moved|no forwarding address|address (?:has )?changed|no longer (?:works|with|employed)/,
    evidence: '550 5.1.6 Destination mailbox has moved, No forwarding address',
    counter: '551 5.1.6 please try another path',
    source: 'RFC 3463 3.2 (X.1.6)',
  },
  {
    id: 'mailbox-unavailable',
    class: 'bad_mailbox',
    pattern:
      /^5\d\d .{0,120}mailbox (?:is )?(?:unavailable|name not allowed|not available)|requested action not taken: (?:mailbox unavailable|no such)|mailbox unavailable or not local/,
    evidence: '550 Requested action not taken: mailbox unavailable',
    counter: '450 Requested mail action not taken: mailbox busy',
    source: 'RFC 5321 4.2.3 (550)',
  },
];

export const FULL_RULES = rulesOf('any', 'RFC 3463', FULL);
export const INACTIVE_RULES = rulesOf('any', 'RFC 3463', INACTIVE);
export const REFUSED_RULES = rulesOf('any', 'RFC 3463', REFUSED);
export const DOMAIN_RULES = rulesOf('any', 'RFC 3463', DOMAIN);
export const MAILBOX_RULES = rulesOf('any', 'RFC 3463', MAILBOX);
