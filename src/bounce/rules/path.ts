/** What hosts say of the way there: loops, time, connections, faults; and bare refusals. */
import { rulesOf } from './rule.ts';

export const PATH_RULES = rulesOf('any', 'RFC 3463 3.5', [
  {
    id: 'loop',
    class: 'routing',
    permanent: true,
    pattern:
      /too many (?:hops|received headers)|hop ?count|\d hops\b|mail (?:is )?loop|message (?:is )?loop|routing loop|loops? back|points? back to|looping|could not find a gateway|duplicated? message-id|loop detected/,
    evidence: '554 5.4.6 Too many hops',
    counter: '421 4.7.0 Too many connections',
    source: 'RFC 3463 3.5 (X.4.6)',
  },
  {
    id: 'expired',
    class: 'expired',
    pattern:
      /retry time(?:out)? (?:not reached|exceeded)|retry timeout|(?:in|on|from) (?:the |our )?queue (?:for )?too long|(?:message|mail|envelope|delivery time|it)(?: has)? expired|could not be delivered for (?:more than )?\d|for the last \d+ (?:seconds|minutes|hours|days)|was not delivered within|aborted after|delivery failed \d+ attempts|maximum delivery attempts|failing for a long time|timed? ?out (?:waiting|after \d+ (?:hours|days))|delivery time ?out|too old|giv(?:en|ing) up after|retries exhausted|after (?:multiple|several|\d+) (?:retries|attempts)/,
    evidence: 'retry timeout exceeded',
    counter: '192.0.2.10 does not like recipient. Giving up on 192.0.2.10.',
    source: 'Exim, qmail, sendmail queue runners',
  },
  {
    id: 'connection',
    class: 'network',
    permanent: false,
    pattern:
      /connection (?:was |has been )?(?:refused|timed out|reset|dropped|lost|closed|failed|aborted|broken)|(?:lost|no smtp|broken) connection|no route to host|network (?:is )?(?:unreachable|error)|(?:connect|connection)(?: \S{1,80})? (?:timed out|failed|time ?out)|unable to connect|could(?: not|n['’]t) (?:connect|establish)|wasn['’]t able to establish|socket error|host (?:is )?(?:unreachable|not reach|not respond|down)|not responding|read error|(?:smtp|operation|command) time(?:d)? ?-?out|timed out while|failed to connect|connection to .{0,60}failed|due to being unable to connect|refused to talk to me/,
    evidence: 'connect to mx.example.com[192.0.2.25]:25: Connection timed out',
    counter: '550 5.7.1 Connection not allowed',
    source: 'RFC 3463 3.5 (X.4.1, X.4.2)',
  },
  {
    id: 'dns',
    class: 'network',
    pattern: /\bdns (?:error|problem|issue|server)|name service error|name server/,
    evidence: '451 4.4.3 DNS error while looking up example.com',
    counter: '550 5.1.2 Host unknown',
    source: 'RFC 3463 3.5 (X.4.3)',
  },
]);

export const SYSTEM_RULES = rulesOf('any', 'RFC 3463 3.4', [
  {
    id: 'fault',
    class: 'system',
    pattern:
      /(?:local|internal|system|server|mailer|configuration|config|software|i\/o|input\/output|processing|backend)(?: configuration| config| server| processing)? (?:error|problem|failure|fault)|queue file write|can['’]?t create output|error writing|temporary (?:failure|error|problem|server error|lookup)|unexpected (?:failure|error)|out of memory|\bldap\b|command died|pipe to|procmail|unable to (?:switch|open|chdir|write|lock)|can not open|errno=|maildir|delivery (?:agent )?error|transaction failed|not enough memory|write error|recipient error|mx list for/,
    evidence: '451 4.3.0 Error: queue file write error',
    counter: '501 5.5.4 Syntax error in parameters',
  },
  {
    id: 'unavailable',
    class: 'system',
    permanent: false,
    pattern:
      /^4\d\d .{0,160}(?:try (?:again )?later|try again|unavailable|not available|busy|shutting down|closing transmission)|service (?:is )?(?:temporarily |currently )?(?:unavailable|not available)|temporarily (?:suspended|unavailable|rejected|deferred)|server (?:unavailable|busy)|closing transmission channel|recipient server unavailable/,
    evidence: '421 4.3.2 Service not available, closing transmission channel',
    counter: '550 5.1.1 Mailbox not available here',
  },
]);

export const POLICY_RULES = rulesOf('any', 'RFC 3463 3.8 (X.7.1)', [
  {
    id: 'policy',
    class: 'policy',
    pattern:
      /(?:local|security|site|message|administrative|content|company) policy|policy (?:reasons|violation|restrict|rejection)|administrative(?:ly)? prohibit|prohibited by|not (?:permitted|allowed) by|access[- ]denied|permission denied|forbidden|client host rejected|message (?:was )?(?:refused|rejected)|mail (?:was )?refused|transaction (?:is )?rejected|\bno permit\b|not authori[sz]ed|unauthori[sz]ed|requires confirmation/,
    evidence: '550 5.7.1 Message rejected due to local policy',
    counter: '550 5.1.1 User unknown',
  },
]);
