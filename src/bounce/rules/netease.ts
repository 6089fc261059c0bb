/** NetEase 163 / 126 / yeah.net and Coremail hosts: a token says it, whatever the code is. */
import type { Rule } from './rule.ts';

export const NETEASE_RULES: readonly Rule[] = [
  {
    id: 'netease.sender-frequency',
    provider: 'netease',
    pattern: /\bmi:sfq\b/,
    class: 'rate_limited',
    permanent: false,
    evidence:
      '451 MI:SFQ 163 smtp7,C8CowAAnpFya--.56912S2 1596954778,201,please see http://mail.163.com/help/help_spam_16.htm?ip=192.0.2.10&hostid=smtp7&time=1596954778',
    counter: '554 DT:SPM 163 smtp12,EMCowADXTVqS--.29699S2 1535264926',
    source: 'https://mail.163.com/help/help_spam_16.htm',
  },
];
