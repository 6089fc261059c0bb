/** iCloud Mail (MX `*.mail.icloud.com`). */
import { rulesOf } from './rule.ts';

export const APPLE_RULES = rulesOf('apple', 'https://support.apple.com/102322', [
  {
    id: 'rate',
    class: 'rate_limited',
    permanent: false,
    pattern: /\[(?:hcm1|bs01|bs02|rl0\d)\]/,
    evidence:
      '451 4.7.1 [HCM1] Your mail from 192.0.2.10 was deferred. See https://support.apple.com/HT204137',
    counter:
      '554 5.7.1 [HM08] Message rejected due to local policy. See https://support.apple.com/HT204137',
  },
  {
    id: 'content',
    class: 'content',
    permanent: true,
    pattern: /\[(?:hm0\d|cs0\d|hv0\d|hvu\b[^\]]{0,20})\]/,
    evidence:
      '554 5.7.1 [HM08] Message rejected due to local policy. See https://support.apple.com/HT204137',
    counter: '451 4.7.1 [HCM1] Your mail from 192.0.2.10 was deferred.',
  },
  {
    id: 'alias',
    class: 'bad_mailbox',
    permanent: true,
    pattern: /unknown or illegal alias|recipient no longer on server|: inactive email address/,
    evidence: '550 5.1.1 unknown or illegal alias: user@icloud.com',
    counter: '550 5.2.1 mailbox disabled for this recipient',
  },
  {
    id: 'not-accepting',
    class: 'reputation',
    permanent: false,
    pattern: /esmtp not accepting connections/,
    evidence: '554 p00-icloudmta-asmtp-us-1.example ESMTP not accepting connections',
    counter: '220 mx.example ESMTP ready, accepting connections',
  },
]);
