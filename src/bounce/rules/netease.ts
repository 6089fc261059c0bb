/**
 * NetEase 163 / 126 / yeah.net / 188 and the hosts of Coremail (universities, companies,
 * governments). A token `HL:`, `MI:`, `RP:`, `DT:` or `WM:` says it, with or without an enhanced
 * code before it, whatever the three digits are: 550 and 554 are used for daily limits too.
 */
import { rulesOf } from './rule.ts';

const HELP = 'https://mail.163.com/help/help_spam_16.htm';

export const NETEASE_RULES = rulesOf('netease', HELP, [
  {
    id: 'sender-limit',
    class: 'rate_limited',
    permanent: false,
    pattern: /\b(?:mi:sfq|mi:stc|rp:qrc|rp:trc|rp:orq)\b/,
    evidence:
      '451 MI:SFQ 163 smtp7,C8CowAAnpFya--.56912S2 1596954778,201,please see http://mail.163.com/help/help_spam_16.htm?ip=192.0.2.10&hostid=smtp7&time=1596954778',
    counter: '554 DT:SPM 163 smtp12,EMCowADXTVqS--.29699S2 1535264926',
  },
  {
    id: 'connection-limit',
    class: 'rate_limited',
    permanent: false,
    pattern: /\b(?:hl:icc|hl:ifc|hl:ifq|hl:itc|mi:dmc|rp:drc|mi:ccl|rp:ccl)\b/,
    evidence: '421 4.4.5 HL:ICC 163 smtp3,S8CowAD3--.1S2 1596954778',
    counter: '421 HL:REP 163 mx9,NMCowADn--.2S2 1535264926',
  },
  {
    id: 'too-many-recipients',
    class: 'rate_limited',
    permanent: false,
    pattern: /\brp:rcl\b|\btoo much recipient/,
    evidence: '550 RP:RCL 163 smtp5,jtKowAAnI4Cg--.26S2 1528450981',
    counter: '550 RP:FRL 163 smtp5,jtKowAAnI4Cg--.26S2 1528450981',
  },
  {
    id: 'retry-content',
    class: 'content',
    permanent: false,
    pattern:
      /^4\d\d ?(?:4\.\d\.\d )?(?:dt:spm|dt:rbl)\b.{0,300}try again|^451 ?(?:4\.\d\.\d )?dt:spm\b/,
    evidence: '451DT:SPM 163 mx14,PcCowECpvT0--.3S2 1535264926,please try again',
    counter: '554 DT:SPM 163 smtp12,EMCowADXTVqS--.29699S2 1535264926',
  },
  {
    id: 'spam',
    class: 'content',
    permanent: true,
    pattern: /\bdt:spm\b/,
    evidence:
      '554 DT:SPM 126 smtp5,jtKowAAnI4Cg--.26S2 1528450981,please see http://mail.163.com/help/help_spam_16.htm?ip=192.0.2.10&hostid=smtp5&time=1528450981',
    counter: '554 DT:SUM 126 smtp5,jtKowAAnI4Cg--.26S2 1528450981',
  },
  {
    id: 'sender-mismatch',
    class: 'policy',
    permanent: true,
    pattern: /\bdt:sum\b/,
    evidence: '554 DT:SUM 163 smtp1,C8CowAAn--.5S2 1528450981',
    counter: '554 DT:SPM 163 smtp1,C8CowAAn--.5S2 1528450981',
  },
  {
    id: 'ip-reputation',
    class: 'reputation',
    permanent: false,
    pattern: /\b(?:hl:rep|hl:mep|hl:ihu)\b|\bip is hangup\b/,
    evidence:
      '421 HL:REP 163 mx9,NMCowADn--.2S2 1535264926,please see http://mail.163.com/help/help_spam_16.htm',
    counter: '421 HL:ICC 163 mx9,NMCowADn--.2S2 1535264926',
  },
  {
    id: 'ip-blocked',
    class: 'blocklisted',
    permanent: false,
    pattern: /\b(?:hl:ipb|dt:rbl|wm:bli)\b|\bip in blacklist\b|\bip is rejected\b/,
    evidence: '554 IP in blacklist, hostid: mx3',
    counter: '554 User in blacklist, hostid: mx3',
  },
  {
    id: 'sender-blocked',
    class: 'blocklisted',
    permanent: true,
    pattern: /\b(?:wm:blu|mi:spb)\b|^5\d\d (?:5\.\d\.\d )?user in blacklist/,
    evidence: '554 MI:SPB 163 smtp2,C8CowAAn--.5S2 1528450981',
    counter: '550 User not found',
  },
  {
    id: 'authentication',
    class: 'auth',
    permanent: true,
    pattern: /\b(?:mi:spf|mi:dma|mi:nhd)\b/,
    evidence: '550 MI:SPF 163 mx2,C8CowAAn--.5S2 1528450981',
    counter: '550 MI:IMF 163 mx2,C8CowAAn--.5S2 1528450981',
  },
  {
    id: 'from-form',
    class: 'protocol',
    permanent: true,
    pattern: /\b(?:mi:imf|mi:cel|rp:cel)\b|\bbad syntaxu\b/,
    evidence: '550 MI:IMF 163 mx2,C8CowAAn--.5S2 1528450981',
    counter: '550 MI:SPF 163 mx2,C8CowAAn--.5S2 1528450981',
  },
  {
    id: 'wrong-host',
    class: 'relayed_denied',
    permanent: true,
    pattern: /\brp:frl\b|\bnull sender is not allowed\b|\blocal user only\b|\bno smtp mx only\b/,
    evidence: '553 Local user only, smtp8',
    counter: '553 User not local, please try another path',
  },
  {
    id: 'suspended',
    class: 'inactive',
    permanent: true,
    pattern: /\buser suspended\b|\buser hangup\b/,
    evidence: '550 User suspended, mx23',
    counter: '550 User not found, mx23',
  },
  {
    id: 'attachment',
    class: 'content',
    permanent: true,
    pattern: /\billegal attachment\b/,
    evidence: '552 Illegal Attachment, smtp4',
    counter: '552 exceeded mailsize limit, smtp4',
  },
]);
