/**
 * bounce/rules/about-us — replies that name an address, an account or a domain, and mean ours.
 *
 * `Your account is suspended` from a smart host, `From address is invalid`, `your domain does not
 * exist`: by their words alone they look like the recipient's fault, and would suppress a whole list.
 * So these are tried before anything is said of a recipient; the first two tables before the words
 * of providers too, which are the same words for other people.
 */
import { rulesOf } from './rule.ts';

export const OUR_ACCOUNT_RULES = [
  ...rulesOf('any', 'smart hosts and submission services; Exim sender verification', [
    {
      id: 'account',
      class: 'policy',
      pattern:
        /\b(?:your|sender|sending|sender['’]s|authenticated) (?:\w{1,12} )?(?:account|user)\b(?: has| have| was| is| been| currently| temporarily){0,4} (?:suspended|disabled|blocked|locked|deactivated|restricted|terminated|closed|expired|over|limited|inactive)|sending (?:suspended|paused|disabled) for (?:this|your) account|outgoing mail (?:from|for|suspension)\b|(?:invalid|bad|wrong) (?:user )?credentials|not a valid user of this (?:relay|server|system)/,
      evidence: '550 5.7.1 Your account has been suspended for sending spam',
      counter: "550 5.2.1 The recipient's account has been suspended",
    },
    {
      id: 'sender-verify',
      class: 'auth',
      permanent: true,
      pattern: /sender verify failed|\b(?:verification|callout|callback) failed for </,
      evidence:
        '550-Verification failed for <news@example.org> 550-The mail server could not deliver mail to news@example.org. The account or domain may not exist. 550 Sender verify failed',
      counter:
        '550 The mail server could not deliver mail to user@example.com. The account or domain may not exist.',
      source: 'Exim verify.c',
    },
  ]),
  ...rulesOf('any', 'words of hosts in other languages, for the sender', [
    {
      id: 'sender-cjk',
      class: 'auth',
      pattern:
        /(?:发件人|发信人|发送者|发件地址|发信地址|发件域名|寄件者|寄件人).{0,16}(?:不存在|无效|無效|错误|不合法|验证失败|未认证)|(?:送信者|差出人|送信元).{0,20}(?:存在しな|存在しま|見つかりま|見つから|無効|不正|認証)|(?:발신자|보낸 ?사람|보내는 ?사람|발송자|발신 ?(?:도메인|주소)).{0,20}(?:존재하지|없는|없습니다|찾을 수|인증|유효하지|잘못)|존재하지 않는 (?:발신|보낸|발송)/,
      evidence: '550 5.1.1 发件人域名不存在',
      counter: '550 5.1.1 收件人不存在',
    },
    {
      id: 'sender-europe',
      class: 'auth',
      pattern:
        /(?:absender|expéditeur|expediteur|remitente|mittente|remetente|отправитель).{0,30}(?:unbekannt|existiert|ungültig|ungueltig|inconnu|n['’]existe|invalide|desconocido|no existe|sconosciuto|non esiste|desconhecido|não existe|не найден|не существует|неизвестен)/,
      evidence: '550 5.1.1 Der Absender ist unbekannt',
      counter: '550 5.1.1 Der Empfänger ist unbekannt',
    },
  ]),
];

export const ABOUT_US_RULES = rulesOf('any', 'Postfix, Exim, gateways', [
  {
    id: 'our-address',
    class: 'auth',
    pattern:
      /\b(?:from|reply-to|return-path|envelope[- ](?:from|sender)):? (?:address|domain|mailbox|header|field)\b.{0,40}(?:does(?: not|n['’]t)|is not|not found|invalid|unknown|rejected|missing|malformed)|\b(?:invalid|bad|unknown|no valid|non-?existent) (?:envelope[- ])?(?:from|reply-to|return-path)\b(?:$|[:;,.]| address| domain| header| mailbox| field)|\benvelope sender (?:does(?: not|n['’]t) exist|is (?:invalid|unknown)|invalid|unknown)|\bin (?:the )?from:? (?:header|field)/,
    evidence: '550 From address is invalid',
    counter: '550 Message from a@example.org to user@example.com: invalid address',
  },
  {
    id: 'our-domain',
    class: 'auth',
    pattern:
      /\b(?:your|helo|ehlo|sender|sending|sender['’]s) (?:\w{1,12} )?(?:domain|host ?name)(?: name)?(?: \S{3,80})? (?:does(?: not|n['’]t)|(?:is|was) not (?:found|valid|known|resolv)|not found|not resolve|invalid|unknown|cannot be)|(?:can ?not|could not|unable to) (?:find|resolve|verify) your (?:\w{1,12} )?domain|invalid dns mx or a\b|\bip lookup failed/,
    evidence: '550 5.1.1 Your domain is not found in DNS',
    counter: "550 5.1.2 The recipient's domain is not found in DNS",
  },
  {
    id: 'not-from-you',
    class: 'policy',
    pattern:
      /\b(?:mails?|e-?mails?|messages?|anything|connections?) from (?:your|this) (?:\w{1,12} )?(?:domain|address|country|region)\b|\bdynamic (?:ips?|ip addresses|addresses|hosts?|pool)\b|(?:your|the|this) (?:message|mail|e-?mail) (?:to|for) .{1,80}(?:has been|was) (?:blocked|stopped|restricted)\b/,
    evidence: '550 5.2.1 Mail from your domain is not accepted',
    counter: '550 5.2.1 Mail for this address is not accepted',
  },
]);
