/**
 * Other hosts in China, Japan and Korea, and what Chinese, Japanese and Korean reports say in their own
 * words.
 */
import { rulesOf } from './rule.ts';

export const ASIA_RULES = [
  ...rulesOf('docomo', 'https://www.docomo.ne.jp/service/docomo_mail/', [
    {
      id: 'too-many',
      class: 'rate_limited',
      permanent: false,
      pattern: /\bdocomo\.ne\.jp\b.{0,80}too many recipients/,
      evidence: 'host mfsmax.docomo.ne.jp[203.0.113.9] said: 552 Too many recipients',
      counter: '552 Too many recipients',
    },
  ]),
  ...rulesOf('au', 'https://www.au.com/support/service/mobile/guide/manual/mailer/', [
    {
      id: 'disabled',
      class: 'inactive',
      permanent: true,
      pattern: /the user\(s\) account is (?:disabled|suspended)/,
      evidence: '<user@ezweb.ne.jp>: The user(s) account is disabled.',
      counter: 'The user(s) account is temporarily over quota. <user@ezweb.ne.jp>',
    },
  ]),
  ...rulesOf('sohu', 'https://mail.sohu.com/', [
    {
      id: 'ip-reject',
      class: 'reputation',
      permanent: false,
      pattern: /\bip reject\b/,
      evidence: '553 5.7.0 IP REJECT:192.0.2.10:1596954778:http://mail.sohu.com/info/help.html',
      counter: '553 5.7.1 Sender rejected',
    },
  ]),
  ...rulesOf('cn', 'documented forms of Chinese mail hosts', [
    {
      id: 'same-size',
      class: 'content',
      permanent: false,
      pattern: /too many same size mails?/,
      evidence: '552 too many same size mails',
      counter: '552 too many mails in mailbox',
    },
    {
      id: 'throttled',
      class: 'rate_limited',
      permanent: false,
      pattern:
        /发送(?:频率|过于频繁|过快)|频率(?:过高|限制|超限)|过于频繁|超(?:过|出)(?:发送|每日|当日).{0,10}限/,
      evidence: '退信原因: 对方服务器限制了发信IP的发送频率, 发送过于频繁',
      counter: '退信原因: 收件人邮箱不存在',
    },
    {
      id: 'spam',
      class: 'content',
      permanent: true,
      pattern: /垃圾邮件|垃圾郵件|反垃圾|内容(?:被拒|违规|含有)/,
      evidence: '退信原因: 您的邮件被对方判定为垃圾邮件',
      counter: '退信原因: 邮件大小超过限制',
    },
    {
      id: 'blacklist',
      class: 'blocklisted',
      permanent: false,
      pattern: /ip.{0,20}黑名单|黑名单.{0,20}ip|(?:发件人|发信人|发件域名|发件服务器).{0,8}黑名单/,
      evidence: '退信原因: 您的IP地址在对方的黑名单中',
      counter: '退信原因: 收件人已将您加入黑名单',
    },
    {
      id: 'rejected-by-recipient',
      class: 'blocked_by_recipient',
      permanent: true,
      pattern: /(?:收件人|对方|用户).{0,12}(?:黑名单|拒收|拒绝接收|屏蔽)/,
      evidence: '退信原因: 收件人已将您加入黑名单',
      counter: '退信原因: 邮箱已满',
    },
    {
      id: 'full',
      class: 'full',
      permanent: false,
      pattern:
        /(?:邮箱|信箱|郵箱|空间|容量).{0,10}(?:已满|已滿|不足|超(?:出|过|限)|满了)|超(?:出|过).{0,10}容量/,
      evidence: '退信原因: 收件人邮箱空间不足',
      counter: '退信原因: 收件人邮箱已停用',
    },
    {
      id: 'inactive',
      class: 'inactive',
      permanent: true,
      pattern:
        /(?:邮箱|信箱|账号|帐号|帐户|账户|用户).{0,10}(?:停用|冻结|禁用|锁定|过期|注销)|长期未(?:登录|使用)/,
      evidence: '退信原因: 该邮箱帐户已被停用',
      counter: '退信原因: 该邮箱不存在',
    },
    {
      id: 'no-such-user',
      class: 'bad_mailbox',
      permanent: true,
      pattern:
        /(?:邮箱|信箱|郵箱|账号|帐号|帐户|账户|用户|收件人|地址|收信人|使用者).{0,24}不存在|查无此人|无此(?:用户|邮箱|帐号|账号)|找不到.{0,12}(?:用户|收件人|邮箱)/,
      evidence: '退信原因: 收件人邮箱地址(user@example.com)不存在，邮件无法送达。',
      counter: '退信原因: 对方域名不存在',
    },
    {
      id: 'no-such-domain',
      class: 'bad_domain',
      permanent: true,
      pattern: /域名.{0,12}(?:不存在|无法解析|错误)|找不到.{0,12}(?:域名|服务器|域)/,
      evidence: '退信原因: 对方域名不存在',
      counter: '退信原因: 收件人不存在',
    },
    {
      id: 'too-large',
      class: 'too_large',
      permanent: true,
      pattern: /(?:邮件|附件|大小).{0,10}(?:过大|太大|超(?:过|出).{0,8}(?:限|大小))/,
      evidence: '退信原因: 邮件大小超过对方限制',
      counter: '退信原因: 邮箱容量超过限制',
    },
  ]),
  ...rulesOf('jp', 'words of Japanese mail hosts and clients', [
    {
      id: 'full',
      class: 'full',
      permanent: false,
      pattern:
        /容量.{0,20}(?:超え|超過|いっぱい|オーバー)|メールボックス.{0,12}(?:いっぱい|一杯|満杯)/,
      evidence: '受信者のメールボックスの容量を超えているため配信できませんでした。',
      counter: 'メールのサイズが制限を超えています',
    },
    {
      id: 'no-such-user',
      class: 'bad_mailbox',
      permanent: true,
      pattern:
        /(?:宛先|あて先|アドレス|ユーザー?|受信者).{0,40}(?:見つかり?ません|見つからない|存在しま?せ?ん?|存在しない)|宛先不明|(?:ディレクトリ|リスト).{0,20}(?:見つかりません|ありません)/,
      evidence: 'ユーザー user (user@example.jp) は Domino ディレクトリには見つかりません。',
      counter: 'サーバーが見つかりません',
    },
  ]),
  ...rulesOf('kr', 'words of Korean mail hosts', [
    {
      id: 'ip-blocked',
      class: 'reputation',
      permanent: false,
      pattern: /\bip.{0,24}차단|차단된 ?ip/,
      evidence: '554 5.7.1 발신 IP가 차단되었습니다.',
      counter: '554 5.7.1 수신자가 차단한 발신자입니다.',
    },
    {
      id: 'spam',
      class: 'content',
      permanent: true,
      pattern: /스팸(?:으로|메일| 메일)/,
      evidence: '554 5.7.1 스팸으로 분류되어 거부되었습니다.',
      counter: '550 5.7.1 수신이 거부되었습니다.',
    },
    {
      id: 'rejected-by-recipient',
      class: 'blocked_by_recipient',
      permanent: true,
      pattern: /수신(?:자|인)?(?:이|가|에)? ?(?:의해 )?(?:거부|차단)/,
      evidence: '550 수신거부된 메일입니다.',
      counter: '550 발신 서버에서 거부되었습니다.',
    },
    {
      id: 'inactive',
      class: 'inactive',
      permanent: true,
      pattern: /휴면|(?:계정|메일함|편지함|사용자|아이디).{0,12}(?:정지|중지|비활성|잠[긴겨])/,
      evidence: '550 5.2.1 휴면 계정입니다.',
      counter: '550 5.1.1 없는 계정입니다.',
    },
    {
      id: 'no-such-user',
      class: 'bad_mailbox',
      permanent: true,
      pattern:
        /(?:수신자|사용자|계정|메일 ?주소|편지함|메일박스|메일함).{0,20}(?:존재하지|없는|없습니다|찾을 수)|(?:존재하지 않는|없는) (?:수신|사용자|계정|메일|아이디)/,
      evidence: '550 5.1.1 수신자 계정이 존재하지 않습니다.',
      counter: '수신자의 편지함 용량이 초과되었습니다.',
    },
    {
      id: 'full',
      class: 'full',
      permanent: false,
      pattern: /용량.{0,12}(?:초과|부족)|(?:메일함|편지함|메일박스).{0,12}(?:가득|꽉)/,
      evidence: '수신자의 편지함 용량이 초과되었습니다.',
      counter: '수신자 계정이 존재하지 않습니다.',
    },
  ]),
];
