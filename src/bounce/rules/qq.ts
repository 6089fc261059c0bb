/**
 * Tencent QQ Mail and its business mail (MX `*.qq.com`). Throttles and blocks are said with 550, so
 * the text alone decides. `no=10007xx` is the number of the help page.
 */
import { rulesOf } from './rule.ts';

export const QQ_RULES = rulesOf('qq', 'https://service.mail.qq.com/detail/122', [
  {
    id: 'frequency',
    class: 'rate_limited',
    permanent: false,
    pattern: /(?:ip|connection|domain|sender) frequency (?:is )?limited|no=1000725/,
    evidence:
      '550 Ip frequency limited [OE75tMkedpVW Blocked IP 192.0.2.10]. http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000725',
    counter: '550 Mailbox not found. http://service.mail.qq.com/cgi-bin/help?id=20022&&no=1000728',
    source: 'https://service.mail.qq.com/detail/122/172',
  },
  {
    id: 'connection-denied',
    class: 'rate_limited',
    permanent: false,
    pattern: /^(?:5\d\d )?(?:5\.\d\.\d )?connection denied\b/,
    evidence: '550 Connection denied. http://service.mail.qq.com/cgi-bin/help?id=20022',
    counter: '550 5.7.1 Your connection was denied by the blocklist',
    source: 'https://service.mail.qq.com/detail/122/170',
  },
  {
    id: 'recipient-busy',
    class: 'rate_limited',
    permanent: false,
    pattern: /mailbox unavailable or access denied/,
    evidence:
      '550 Mailbox unavailable or access denied. http://service.mail.qq.com/cgi-bin/help?id=20022',
    counter: '550 Requested action not taken: mailbox unavailable',
    source: 'https://service.mail.qq.com/detail/122/166',
  },
  {
    id: 'content-denied',
    class: 'content',
    permanent: true,
    pattern: /mail content denied|spam is embedded in the e?-?mail|no=1000726/,
    evidence:
      '550 Mail content denied. http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000726 [MMgClwz4CxLN IP: 192.0.2.10]',
    counter: '550 Ip frequency limited. http://service.mail.qq.com/cgi-bin/help?no=1000725',
    source: 'https://service.mail.qq.com/detail/122/171',
  },
  {
    id: 'suspected-ip',
    class: 'reputation',
    permanent: false,
    pattern: /suspected spam ip|suspected bounce attacks/,
    evidence: '550 Suspected spam ip https://service.mail.qq.com/detail/122/66',
    counter: '550 Suspected spam https://service.mail.qq.com/detail/122/71',
    source: 'https://service.mail.qq.com/detail/122/66',
  },
  {
    id: 'suspected-spam',
    class: 'content',
    permanent: true,
    pattern: /^(?:5\d\d )?suspected spam\b/,
    evidence: '550 Suspected spam https://service.mail.qq.com/detail/122/71',
    counter: '550 Suspected bounce attacks https://service.mail.qq.com/detail/122/57',
    source: 'https://service.mail.qq.com/detail/122/71',
  },
  {
    id: 'authentication',
    class: 'auth',
    permanent: true,
    pattern: /^(?:5\d\d )?(?:spf|dkim|dmarc) check failed/,
    evidence: '550 SPF check failed https://service.mail.qq.com/detail/122/72',
    counter: '421 check failed, try later',
    source: 'https://service.mail.qq.com/detail/122/72',
  },
  {
    id: 'deactivated',
    class: 'inactive',
    permanent: true,
    pattern: /is a deactivated mailbox|no=1000742/,
    evidence:
      '550 user@example.com is a deactivated mailbox. http://service.mail.qq.com/cgi-bin/help?no=1000742',
    counter: '550 Mailbox not found. http://service.mail.qq.com/cgi-bin/help?no=1000728',
  },
  {
    id: 'rejected-by-recipient',
    class: 'blocked_by_recipient',
    permanent: true,
    pattern: /mail is rejected by recipients?/,
    evidence: '550 Mail is rejected by recipients https://service.mail.qq.com/detail/122/92',
    counter: '550 Mail rejected, all recipients are invalid',
    source: 'https://service.mail.qq.com/detail/122/92',
  },
]);
