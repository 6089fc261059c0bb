/** What any host may say of the sender: throttles, lists, authentication, reputation, relaying. */
import { rulesOf, type RuleRow } from './rule.ts';

const POSTFIX = 'https://www.postfix.org/SMTPD_ACCESS_README.html';

export const GREYLIST_RULES = rulesOf('any', 'RFC 6647', [
  {
    id: 'greylisted',
    class: 'greylisted',
    permanent: false,
    pattern: /gr[ae]y-? ?list/,
    evidence:
      '450 4.2.0 <user@example.com>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/',
    counter: '550 5.7.1 Client host is on a block list',
  },
  {
    id: 'come-back',
    class: 'greylisted',
    permanent: false,
    pattern:
      /^4[25][01] 4\.7\.1 .{0,120}(?:try again|try later|retry|come back)|^450 4\.3\.2 service currently unavailable|^4\d\d .{0,160}verification in progress/,
    evidence: '451 4.7.1 Please try again later, first contact',
    counter: '550 5.7.1 Do not try again',
  },
]);

const LISTED: readonly RuleRow[] = [
  {
    id: 'named-list',
    class: 'blocklisted',
    permanent: false,
    pattern:
      /spamhaus|spamcop|\bsorbs\b|barracudacentral|mail-abuse\.(?:com|org)|\buceprotect|\bhostkarma|\bmanitu\.net|\bnjabl|abuseat\.org|\bdnsbl\b|\brbl\b|\bspl-xbl\b|\brealtime block|trend micro rbl|proofpoint\.com\/(?:reputation|pbl)/,
    evidence:
      '554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.10',
    counter: '554 5.7.1 Message looks like spam',
    source: POSTFIX,
  },
  {
    id: 'blocked-using',
    class: 'blocklisted',
    permanent: false,
    pattern: /(?:client|host|server|service|ip).{0,80}blocked (?:using|by|with)\b/,
    evidence:
      '554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using bl.example.net',
    counter: '554 5.7.1 Your message was blocked by the content filter',
    source: POSTFIX,
  },
  {
    id: 'listed',
    class: 'blocklisted',
    permanent: false,
    pattern:
      /(?:\bip\b|\bhost\b|\bserver\b|client|sender|domain|address|you(?:r|['’]re)?\b).{0,60}(?:black[ -]?list|block[ -]?list|deny[ -]?list|spammer list|(?:is|are|was|been|currently|['’]re) listed\b)|^5\d\d .{0,40}black ?-?listed|(?:in|on|by|from) (?:an? |the |our |your |local ){0,2}(?:black|block|deny)[ -]?list/,
    evidence: '550 5.7.1 IP address blacklisted by recipient',
    counter: '550 5.7.1 user@example.com is not listed in the directory',
  },
];

const AUTH: readonly RuleRow[] = [
  {
    id: 'spf-dkim-dmarc',
    class: 'auth',
    pattern:
      /\b(?:spf|dkim|dmarc|senderid|sender policy framework)\b.{0,80}(?:fail|reject|not pass|did not|invalid|violat|policy|denied|error|unauth|hard|required|not (?:allowed|permitted|match))|(?:fail|reject|not pass|violat|denied|prohibit|per|due to)\w{0,4}.{0,60}(?:\b(?:spf|dmarc|sender policy framework)\b|\bdkim(?:[^-\w]|$))/,
    evidence: '550 5.7.1 Email rejected per DMARC policy for example.org',
    counter: '550 5.7.1 Email rejected per security policy',
    source: 'RFC 7372',
  },
  {
    id: 'authentication-checks',
    class: 'auth',
    pattern:
      /multiple authentication checks failed|\bauth failed\b|unauthenticated (?:senders?|e-?mail|mail|message)|authentication (?:checks? )?(?:failed|required)|must (?:be )?authenticat|not authenticated|(?:username|user name) and password not accepted|application-specific password|log ?in (?:with|via) your web browser/,
    evidence:
      '550 5.7.1 <user@example.com>: Recipient address rejected: Multiple authentication checks failed',
    counter: '550 5.7.1 Recipient address rejected: checks failed',
    source: 'RFC 7372',
  },
  {
    id: 'reverse-dns',
    class: 'auth',
    permanent: true,
    pattern:
      /\bptr\b|reverse (?:dns|lookup|name|address|host ?name)|\br-?dns\b|cannot (?:find|resolve) your (?:reverse )?(?:host ?name|address)|(?:no|missing|invalid|without|fix|valid) (?:a )?(?:valid )?(?:rdns|reverse|hostname for ip)/,
    evidence: '450 4.7.1 Client host rejected: cannot find your hostname, [192.0.2.10]',
    counter: '550 5.7.1 Client host rejected: Access denied',
    source: POSTFIX,
  },
  {
    id: 'sender-domain',
    class: 'auth',
    permanent: true,
    pattern:
      /sender address rejected|domain of (?:the )?sender|sender(?:['’]s)? (?:domain|address|verify|verification|unknown|invalid|e-?mail).{0,60}(?:not|reject|fail|invalid|unknown|unrout|unverified|unresolv|must)|unrout(?:e?able) sender|verify mail ?from failed|invalid sender|sender (?:is )?(?:invalid|unknown)|fake sender|cannot resolve sender|(?:bogus|forged|fake) (?:mx|helo|sender|mail from)|without a valid sender domain|purported responsible address/,
    evidence:
      '553 5.1.8 <news@host.example.org>... Domain of sender address news@host.example.org does not exist',
    counter: '553 5.1.2 <user@host.example.org>... Domain does not exist',
    source: 'RFC 3463 3.2 (X.1.8)',
  },
  {
    id: 'sender-denied',
    class: 'policy',
    permanent: true,
    pattern:
      /\bsender (?:was |is |has been )?(?:denied|rejected|refused)\b|\bno such sender|callout verification failed/,
    evidence: '554 5.1.0 Sender denied',
    counter: '550 5.1.0 Address rejected',
    source: 'Exchange sender filtering; Exim sender verification (callout)',
  },
  {
    id: 'ip-mismatch',
    class: 'auth',
    permanent: true,
    pattern:
      /mismatch(?:es)? client ip|invalid ip for sending mail|remote ip check error|ip .{0,40}not (?:authorized|allowed|permitted) to send (?:mail |e-?mail )?(?:for|from|on behalf)/,
    evidence: '550 domain [example.org] mismatches client ip 192.0.2.10.',
    counter: '550 client ip 192.0.2.10 is throttled',
  },
  {
    id: 'helo',
    class: 'auth',
    permanent: true,
    pattern:
      /\b(?:helo|ehlo)\b.{0,60}(?:reject|invalid|required|not resolve|mismatch|fully-? ?qualified|unknown|error)|helohost error|my name was rejected|(?:invalid|bad|bogus|forged) (?:helo|ehlo)/,
    evidence: '504 5.5.2 <mail>: Helo command rejected: need fully-qualified hostname',
    counter: '503 5.5.1 Error: send HELO/EHLO first',
    source: POSTFIX,
  },
  {
    id: 'tls',
    class: 'auth',
    permanent: true,
    pattern:
      /must issue a starttls|(?:tls|starttls|encryption) (?:is )?(?:required|needed|mandatory)|requires? (?:tls|encryption)/,
    evidence: '530 5.7.0 Must issue a STARTTLS command first',
    counter: '454 4.7.0 TLS not available due to local problem',
    source: 'RFC 3207',
  },
];

const RATE: readonly RuleRow[] = [
  {
    id: 'too-many-unknown',
    class: 'rate_limited',
    permanent: false,
    pattern:
      /(?:too many|maximum number of|(?:exceed|exceeded|exceeds) the (?:maximum )?number of) (?:invalid|unknown|bad|failed|non-?existent|wrong) (?:recipient|user|rcpt|address|mailbox)/,
    evidence: '550 Too many invalid recipients',
    counter: '550 5.1.1 Invalid recipient',
    source: 'what hosts say of the next recipients after many unknown ones; it is not about these',
  },
  {
    id: 'too-many',
    class: 'rate_limited',
    permanent: false,
    pattern:
      /too many (?:concurrent |simultaneous |smtp |open |inbound ){0,2}(?:connections?|sessions?|messages?|e-?mails?|mails|recipients|rcpts?|deliver|transactions|requests)|too (?:much mail|fast|frequent)|sending (?:too )?(?:fast|quickly)/,
    evidence: '421 4.7.0 Too many concurrent SMTP connections from your host',
    counter: '554 5.4.6 Too many hops',
    source: 'RFC 5321 4.5.3.1.10',
  },
  {
    id: 'limit',
    class: 'rate_limited',
    permanent: false,
    pattern:
      /\brate[- ]?limit|(?:connection|message|mail|sending|hourly|daily|per (?:hour|day|minute)|outbound|relay)(?: (?:rate|sending|user|message|relay))? (?:rate|quota|limit|count|frequency)s? .{0,30}(?:exceed|reached|limited|over)|(?:reached|exceed\w{0,3}) (?:your |the |its )?(?:daily|hourly|maximum number of (?:connections|messages)|sending|rate)|\bthrottl|deferred due to (?:rate|volume)|max(?:imum)? (?:number of )?(?:concurrent )?(?:connections|recipients|messages|sessions)\b.{0,30}(?:exceed|reached)/,
    evidence: '452 4.3.2 Connection rate limit exceeded.',
    counter: '552 5.2.3 Message size limit exceeded',
    source: 'sendmail and Postfix rate controls',
  },
];

const RELAY: readonly RuleRow[] = [
  {
    id: 'relay',
    class: 'relayed_denied',
    permanent: true,
    pattern:
      /relay(?:ing)?(?: is| was)? (?:access )?(?:denied|not (?:permitted|allowed)|prohibited|disallowed|refused|rejected|unauthori[sz]ed|for)|no relay|(?:unable|not (?:permitted|allowed)|cannot|refus\w{1,3}|forbidden) to relay|relaying to \S{1,80} prohibited|we do(?: not|n['’]t) relay|rcpthosts|not a relay|open relay not allowed|unauthorized relay|not a gateway/,
    evidence: '554 5.7.1 <user@example.com>: Relay access denied',
    counter: "554 5.7.1 You've reached your daily relay quota",
    source: POSTFIX,
  },
];

const REPUTATION: readonly RuleRow[] = [
  {
    id: 'reputation',
    class: 'reputation',
    permanent: false,
    pattern:
      /\b(?:poor|bad|low|no|insufficient) (?:\w{1,10} )?reputation|\breputation\b|\bbad ip\b|blocked for (?:abuse|spam)|(?:geographic|geoip)|\bspam(?:mer|ming)\b.{0,40}\bip\b|\bip\b.{0,40}\bspam(?:mer|ming)\b|(?:which|that) is an open relay|spam from (?:your|this) (?:ip|host|network)|\bip (?:is )?not in (?:the |our )?whitelist/,
    evidence: '554 5.7.1 Your mail server has a poor reputation, see https://lookup.example/',
    counter: '550 5.7.1 Your access to this mail system has been rejected',
  },
  {
    id: 'connection-refused-by-policy',
    class: 'reputation',
    permanent: false,
    pattern:
      /not allowed to connect|(?:host|ip|connection|client|server|network)s?(?: address)?(?: \S{3,60})? (?:is |are |was |has been |have been )?(?:blocked|banned|refused by policy|denied|not allowed)\b|blocked by ldap|access to (?:submit messages|this (?:mail )?system)|use the smtp server of your isp|your (?:ip|host|network|server) .{0,40}(?:blocked|banned|denied|rejected)|mail from \S{3,60} (?:is )?(?:banned|blocked|refused)/,
    evidence: '554 5.7.1 You are not allowed to connect.',
    counter: '554 5.7.1 Your message was denied by the administrator',
  },
];

export const SENDER_RULES = [
  ...rulesOf('any', 'documentation of the list', LISTED),
  ...rulesOf('any', 'RFC 7372', AUTH),
  ...rulesOf('any', 'RFC 5321', RATE),
  ...rulesOf('any', 'RFC 5321', RELAY),
];
export const REPUTATION_RULES = rulesOf('any', 'M3AAWG sending practices', REPUTATION);
