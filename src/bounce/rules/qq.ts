/** Tencent QQ Mail and its business mail (MX `*.qq.com`): throttles and blocks are said with 550. */
import type { Rule } from './rule.ts';

const HELP = 'https://service.mail.qq.com/detail/122';

export const QQ_RULES: readonly Rule[] = [
  {
    id: 'qq.frequency',
    provider: 'qq',
    pattern: /(?:ip|connection|domain|sender) frequency limited/,
    class: 'rate_limited',
    permanent: false,
    evidence:
      '550 Ip frequency limited [OE75tMkedpVW Blocked IP 192.0.2.10]. http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000725',
    counter: '550 Mailbox not found. http://service.mail.qq.com/cgi-bin/help?id=20022&&no=1000728',
    source: `${HELP}/172`,
  },
];
