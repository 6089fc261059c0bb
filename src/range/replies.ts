/**
 * range/replies — what hosts say, in the manner of the provider they are modelled on.
 *
 * The sentences are ours; tokens, codes and the order of the parts are those that senders have to
 * understand: QQ refuses a rate with 550, NetEase names its rule (`DT:SPM`), Gmail uses several
 * lines, Yahoo brackets (`[TSS04]`), Outlook says "Server busy".
 *
 * Promises: the same facts give the same text, so refusals of one address add up in the ledger.
 * See:      shared reading in docs/bounces.md; `{name}` is filled from ReplyFacts.
 */
import type { Family } from './profile.ts';

export type ReplyName =
  | 'accepted'
  | 'unknown'
  | 'inactive'
  | 'full'
  | 'fullhard'
  | 'greylist'
  | 'busy'
  | 'busy_greeting'
  | 'ratelimit'
  | 'reject'
  | 'too_many'
  | 'separately'
  | 'relay_denied';

export interface ReplyFacts {
  recipient: string;
  client: string;
  host: string;
  token: string;
}

/** Lines are separated by `\n`, without the reply code: `reply` adds it. */
type Template = readonly [code: number, text: string];

const POSTFIX: Record<ReplyName, Template> = {
  accepted: [250, '2.0.0 Ok: queued as {token}'],
  unknown: [550, '5.1.1 <{recipient}>: Recipient address rejected: User unknown in mailbox table'],
  inactive: [550, '5.2.1 <{recipient}>: Recipient address rejected: account is disabled'],
  full: [452, '4.2.2 <{recipient}>: Recipient address rejected: mailbox is over quota'],
  fullhard: [552, '5.2.2 <{recipient}>: Recipient address rejected: mailbox is full'],
  greylist: [451, '4.7.1 <{recipient}>: Recipient address rejected: Greylisted, come back later'],
  busy: [421, '4.3.2 {host} too busy now, closing connection; try again later'],
  busy_greeting: [421, '4.3.2 {host} all server ports are busy, try again later'],
  ratelimit: [450, '4.7.1 <{recipient}>: rate limit of [{client}] exceeded, slow down'],
  reject: [554, '5.7.1 {token}: Message content rejected, it looks like spam'],
  too_many: [452, '4.5.3 Too many recipients in one transaction'],
  separately: [451, '4.3.0 <{recipient}>: other filter rules than the first recipient, send apart'],
  relay_denied: [554, '5.7.1 <{recipient}>: Relay access denied'],
};

const GMAIL: Partial<Record<ReplyName, Template>> = {
  accepted: [250, '2.0.0 OK {token} - gsmtp'],
  unknown: [
    550,
    '5.1.1 There is no account of this name here. Look for typing errors\n5.1.1 or spaces in the address, then send again. See\n5.1.1 https://support.gmail.example/?p=NoSuchUser {token} - gsmtp',
  ],
  inactive: [550, '5.2.1 The account you wrote to has been disabled. {token} - gsmtp'],
  full: [
    452,
    "4.2.2 The recipient's inbox is out of storage space. See\n4.2.2 https://support.gmail.example/?p=OverQuotaTemp {token} - gsmtp",
  ],
  fullhard: [
    552,
    "5.2.2 The recipient's inbox is out of storage space and inactive. See\n5.2.2 https://support.gmail.example/?p=OverQuotaPerm {token} - gsmtp",
  ],
  ratelimit: [
    421,
    '4.7.28 Mail from the address [{client}] comes at an unusual rate of\n4.7.28 unsolicited mail. To protect our users it is rate limited for now. See\n4.7.28 https://support.gmail.example/?p=UnsolicitedRateLimitError {token} - gsmtp',
  ],
  reject: [
    550,
    '5.7.1 [{client}] This message is likely unsolicited mail and was blocked. See\n5.7.1 https://support.gmail.example/?p=UnsolicitedMessageError {token} - gsmtp',
  ],
  busy: [421, '4.3.0 Temporary system problem, try again later. {token} - gsmtp'],
};

const OUTLOOK: Partial<Record<ReplyName, Template>> = {
  accepted: [250, '2.6.0 {token} [Hostname={host}] Queued mail for delivery'],
  unknown: [550, '5.1.1 Recipient address rejected: no mailbox <{recipient}> [{host} {token}]'],
  inactive: [550, '5.2.1 Mailbox of <{recipient}> cannot be used: disabled [{host} {token}]'],
  fullhard: [552, '5.2.2 <{recipient}> mailbox full; STOREDRV.Deliver [{host} {token}]'],
  ratelimit: [
    451,
    '4.7.500 Server busy. Please try again later from [{client}]. ({token}) [{host}]',
  ],
  busy: [421, '4.3.2 The server is not available, try again later [{host} {token}]'],
  busy_greeting: [421, '4.3.2 The maximum number of concurrent connections is exceeded. [{host}]'],
  reject: [550, '5.7.1 Message refused by content policy of the organisation [{host} {token}]'],
};

const YAHOO: Partial<Record<ReplyName, Template>> = {
  accepted: [250, 'ok dirdel {token}'],
  unknown: [552, '5.1.1 mailbox not found: <{recipient}> has no account here'],
  inactive: [554, '5.2.1 delivery error: dd <{recipient}> this account is disabled [-5] - {host}'],
  fullhard: [552, '5.2.2 delivery error: dd <{recipient}> is over quota [-12] - {host}'],
  ratelimit: [
    421,
    '4.7.0 [TSS04] Messages from {client} temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahoo.example/error-codes',
  ],
  busy_greeting: [421, '4.7.0 [TS01] Too many connections from {client}, slow down'],
  reject: [554, '5.7.9 Message not accepted for policy reasons. [PH01]'],
};

const QQ: Partial<Record<ReplyName, Template>> = {
  accepted: [250, 'OK: queued as.'],
  unknown: [550, 'Mailbox not found. http://service.qq.example/help?no=1000728 [{token}]'],
  inactive: [
    550,
    '<{recipient}> is a deactivated mailbox. http://service.qq.example/help?no=1000742',
  ],
  full: [452, 'Mailbox is full, try again later. http://service.qq.example/help [{token}]'],
  fullhard: [552, 'Mailbox is full. http://service.qq.example/help [{token}]'],
  ratelimit: [
    550,
    'Ip frequency limited [{token} Blocked IP {client}]. http://service.qq.example/cgi-bin/help?subtype=1&&id=20022&&no=1000725',
  ],
  reject: [
    550,
    'Mail content denied. http://service.qq.example/cgi-bin/help?subtype=1&&id=20022&&no=1000726 [{token} IP: {client}]',
  ],
  busy: [421, 'Service busy, try again later. [{token}]'],
  busy_greeting: [421, 'Connection frequency limited for now, try again later'],
};

const NETEASE: Partial<Record<ReplyName, Template>> = {
  accepted: [250, 'Mail OK queued as {token}'],
  unknown: [550, 'Invalid User: {recipient}'],
  inactive: [550, 'User suspended: {recipient}'],
  full: [452, '4.2.2 User mailbox is full {token}'],
  fullhard: [552, '5.2.2 Mailbox full {token}'],
  ratelimit: [
    451,
    'MI:SFQ netease {host},{token} 201,please see http://mail.netease.example/help_spam_16.htm?ip={client}',
  ],
  busy: [421, '4.4.5 HL:ICC {host} {token}'],
  busy_greeting: [421, '4.5.0 HL:IFC {host} {client}'],
  reject: [
    554,
    'DT:SPM netease {host},{token},please see http://mail.netease.example/help_spam_16.htm?ip={client}',
  ],
};

const NAVER: Partial<Record<ReplyName, Template>> = {
  accepted: [250, '2.0.0 OK {token} - naver'],
  unknown: [550, '5.1.1 No such user here: <{recipient}> - {token} - naver'],
  inactive: [550, '5.2.1 Dormant account, mail is not taken: <{recipient}> - {token} - naver'],
  fullhard: [552, '5.2.2 Mailbox exceeds its quota: <{recipient}> - {token} - naver'],
  ratelimit: [421, '4.7.0 Too many messages from {client} in a short time - {token} - naver'],
  reject: [554, '5.7.1 Refused by the spam filter - {token} - naver'],
};

const COREMAIL: Partial<Record<ReplyName, Template>> = {
  accepted: [250, 'Mail is queued as {token}'],
  unknown: [550, 'User not found: {recipient}'],
  inactive: [550, 'User suspended: {recipient}'],
  fullhard: [552, '5.2.2 Quota exceeded: {recipient}'],
  ratelimit: [451, 'sender is hangup: too many requests from {client}, {token}'],
  reject: [554, '5.7.1 Spam denied: content rejected by the engine, {token}'],
};

const BY_FAMILY: Record<Family, Partial<Record<ReplyName, Template>>> = {
  postfix: POSTFIX,
  gmail: GMAIL,
  outlook: OUTLOOK,
  yahoo: YAHOO,
  qq: QQ,
  netease: NETEASE,
  naver: NAVER,
  coremail: COREMAIL,
};

/** Joins lines with the code: `250-a`, `250 b`; without the last CRLF. */
export function replyLines(code: number, lines: readonly string[]): string {
  const last = lines.length - 1;
  return lines.map((line, i) => `${code}${i < last ? '-' : ' '}${line}`).join('\r\n');
}

/** The whole reply of a family, lines separated by CRLF, without the last CRLF. */
export function reply(family: Family, name: ReplyName, facts: ReplyFacts): string {
  const [code, template] = BY_FAMILY[family][name] ?? POSTFIX[name];
  const text = template
    .replaceAll('{token}', () => facts.token)
    .replaceAll('{recipient}', () => facts.recipient)
    .replaceAll('{client}', () => facts.client)
    .replaceAll('{host}', () => facts.host);
  return replyLines(code, text.split('\n'));
}

export function closesConnection(text: string): boolean {
  return text.startsWith('421');
}
