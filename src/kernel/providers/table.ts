/**
 * kernel/providers/table — who runs a mailbox domain: data, tested when it is loaded by the tests.
 *
 * `domains` are the provider's own; a domain of a customer is known by where its MX records point:
 * `mxSuffixes`, with the MX host that it was written for as evidence. A suffix is a whole host name or
 * begins with a dot. Names are stored in rollups and shown in reports: never renamed.
 *
 * Left out on purpose: host names under which a provider also relays for others without receiving
 * for them (smtp.gmail.com, smtp.qq.com), and hosting companies of every kind.
 * See: provider.ts (the look-up), store.ts (what the engine learned by itself).
 */
export interface ProviderEntry {
  name: string;
  domains: readonly string[];
  mxSuffixes: readonly string[];
  /** An MX host for each suffix, as it is published. */
  evidence: readonly string[];
}

const hotmail = ['co.uk', 'fr', 'de', 'it', 'es', 'nl', 'be', 'se', 'co.jp', 'co.kr', 'com.br'];
const outlook = ['fr', 'de', 'it', 'es', 'jp', 'kr', 'in', 'co.th', 'com.br', 'com.au'];
const live = ['cn', 'co.uk', 'fr', 'de', 'it', 'nl', 'be', 'se', 'jp', 'co.kr', 'com.au', 'ca'];
const yahoo = ['co.uk', 'fr', 'de', 'it', 'es', 'ca', 'in', 'co.in', 'com.br', 'com.mx', 'com.ar'];
const yahooAsia = ['com.au', 'co.id', 'com.ph', 'com.sg', 'com.vn', 'com.hk', 'com.tw', 'co.th'];

const under = (name: string, endings: readonly string[]): string[] =>
  endings.map((ending) => `${name}.${ending}`);

export const PROVIDER_TABLE: readonly ProviderEntry[] = [
  // China. Their business mail stands on the same hosts, so it is the same provider.
  {
    name: 'qq',
    domains: ['qq.com', 'vip.qq.com', 'foxmail.com'],
    mxSuffixes: ['.qq.com'],
    evidence: ['mx3.qq.com'],
  },
  {
    name: 'netease',
    domains: ['163.com', '126.com', 'yeah.net', '188.com', 'vip.163.com', 'vip.126.com'],
    mxSuffixes: ['.netease.com'],
    evidence: ['163mx01.mxmail.netease.com'],
  },
  {
    name: 'sina',
    domains: ['sina.com', 'sina.cn', 'vip.sina.com', 'sina.com.cn', 'vip.sina.cn'],
    mxSuffixes: ['.sinamail.sina.com.cn', '.sina.net'],
    evidence: ['freemx1.sinamail.sina.com.cn', 'mx.sina.net'],
  },
  {
    name: 'sohu',
    domains: ['sohu.com', 'vip.sohu.com', 'chinaren.com', 'sogou.com'],
    mxSuffixes: ['.sohu.com'],
    evidence: ['sohumx1.sohu.com'],
  },
  {
    name: 'aliyun',
    domains: ['aliyun.com'],
    mxSuffixes: ['.mail.aliyun.com', '.qiye.aliyun.com', '.mxhichina.com'],
    evidence: ['mx2.mail.aliyun.com', 'mx1.qiye.aliyun.com', 'mxn.mxhichina.com'],
  },
  {
    name: '139',
    domains: ['139.com', 'chinamobile.com'],
    mxSuffixes: ['.mail.139.com', '.139.com'],
    evidence: ['mx1.mail.139.com', 'mx1.139.com'],
  },
  {
    name: '189',
    domains: ['189.cn', '21cn.com'],
    mxSuffixes: ['.189.cn'],
    evidence: ['mx1.189.cn'],
  },
  { name: 'wo', domains: ['wo.cn'], mxSuffixes: ['.wo.cn'], evidence: ['mx1.wo.cn'] },
  {
    name: 'tom',
    domains: ['tom.com', '163.net'],
    mxSuffixes: ['.tom.com'],
    evidence: ['mx.tom.com'],
  },
  {
    name: '263',
    domains: ['263.net'],
    mxSuffixes: ['.263.net', '.263xmail.com'],
    evidence: ['mx01.263.net', 'mxw.263xmail.com'],
  },
  {
    name: 'icoremail',
    domains: [],
    mxSuffixes: ['.icoremail.net'],
    evidence: ['mx.icoremail.net'],
  },

  // Korea and Japan.
  {
    name: 'naver',
    domains: ['naver.com'],
    mxSuffixes: ['.naver.com'],
    evidence: ['mx1.naver.com'],
  },
  {
    name: 'daum',
    domains: ['daum.net', 'hanmail.net', 'kakao.com'],
    mxSuffixes: ['.daum.net', '.hanmail.net', '.kakao.com'],
    evidence: ['mx1.daum.net', 'mx1.hanmail.net', 'mx1.kakao.com'],
  },
  {
    name: 'nate',
    domains: ['nate.com', 'empal.com', 'lycos.co.kr'],
    mxSuffixes: ['.nate.com'],
    evidence: ['mx1.nate.com'],
  },
  {
    name: 'yahoo_japan',
    domains: ['yahoo.co.jp', 'ymail.ne.jp'],
    mxSuffixes: ['.yahoo.co.jp'],
    evidence: ['mx1.mail.yahoo.co.jp'],
  },
  {
    name: 'docomo',
    domains: ['docomo.ne.jp'],
    mxSuffixes: ['.docomo.ne.jp'],
    evidence: ['mfsmax.docomo.ne.jp'],
  },
  {
    name: 'au',
    domains: ['ezweb.ne.jp', 'au.com'],
    mxSuffixes: ['.au.com', '.ezweb.ne.jp'],
    evidence: ['lsean.au.com', 'lsean.ezweb.ne.jp'],
  },
  {
    name: 'softbank',
    domains: ['softbank.ne.jp', 'i.softbank.jp'],
    mxSuffixes: ['.softbank.jp', '.softbank.ne.jp'],
    evidence: ['mx.i.softbank.jp', 'mx.softbank.ne.jp'],
  },

  // Everywhere.
  {
    name: 'gmail',
    domains: ['gmail.com', 'googlemail.com'],
    mxSuffixes: ['.l.google.com', '.googlemail.com', 'smtp.google.com'],
    evidence: ['aspmx.l.google.com', 'aspmx2.googlemail.com', 'smtp.google.com'],
  },
  {
    name: 'outlook',
    domains: [
      'outlook.com',
      'hotmail.com',
      'live.com',
      'msn.com',
      'passport.com',
      ...under('hotmail', hotmail),
      ...under('outlook', outlook),
      ...under('live', live),
    ],
    mxSuffixes: ['.protection.outlook.com', '.mx.microsoft'],
    evidence: ['outlook-com.olc.protection.outlook.com', 'shop-example.n-v1.mx.microsoft'],
  },
  {
    name: 'yahoo',
    domains: [
      'yahoo.com',
      'ymail.com',
      'rocketmail.com',
      'myyahoo.com',
      'aol.com',
      'aim.com',
      'verizon.net',
      ...under('yahoo', yahoo),
      ...under('yahoo', yahooAsia),
    ],
    mxSuffixes: ['.yahoodns.net'],
    evidence: ['mta5.am0.yahoodns.net'],
  },
  {
    name: 'apple',
    domains: ['icloud.com', 'me.com', 'mac.com', 'privaterelay.appleid.com'],
    mxSuffixes: ['.mail.icloud.com', '.apple.com'],
    evidence: ['mx01.mail.icloud.com', 'rn-mailsvcp-ppex-lapp15.apple.com'],
  },
  {
    name: 'proton',
    domains: ['proton.me', 'protonmail.com', 'pm.me', 'protonmail.ch'],
    mxSuffixes: ['.protonmail.ch'],
    evidence: ['mail.protonmail.ch'],
  },
  {
    name: 'gmx',
    domains: [
      'gmx.de',
      'gmx.net',
      'gmx.at',
      'gmx.ch',
      'gmx.com',
      'web.de',
      'mail.com',
      'email.com',
    ],
    mxSuffixes: ['.gmx.net', '.web.de', '.mail.com'],
    evidence: ['mx00.gmx.net', 'mx-ha02.web.de', 'mx00.mail.com'],
  },
  {
    name: 'mailru',
    domains: ['mail.ru', 'bk.ru', 'inbox.ru', 'list.ru', 'internet.ru'],
    mxSuffixes: ['.mail.ru'],
    evidence: ['mxs.mail.ru'],
  },
  {
    name: 'yandex',
    domains: ['yandex.ru', 'yandex.com', 'yandex.kz', 'ya.ru', 'narod.ru'],
    mxSuffixes: ['.yandex.ru', '.yandex.net'],
    evidence: ['mx.yandex.ru', 'mx.yandex.net'],
  },
  {
    name: 'zoho',
    domains: ['zoho.com', 'zohomail.com'],
    mxSuffixes: ['.zoho.com', '.zoho.eu'],
    evidence: ['mx.zoho.com', 'mx.zoho.eu'],
  },
  {
    name: 'fastmail',
    domains: ['fastmail.com', 'fastmail.fm'],
    mxSuffixes: ['.messagingengine.com'],
    evidence: ['in1-smtp.messagingengine.com'],
  },
  {
    name: 'orange',
    domains: ['orange.fr', 'wanadoo.fr'],
    mxSuffixes: ['.orange.fr'],
    evidence: ['smtp-in.orange.fr'],
  },
  {
    name: 'comcast',
    domains: ['comcast.net', 'xfinity.com'],
    mxSuffixes: ['.comcast.net'],
    evidence: ['mx1.comcast.net'],
  },

  // Filters in front of companies: one reputation for all of them.
  {
    name: 'proofpoint',
    domains: [],
    mxSuffixes: ['.pphosted.com', '.ppe-hosted.com'],
    evidence: ['mxa-00000001.gslb.pphosted.com', 'mx1-us1.ppe-hosted.com'],
  },
  {
    name: 'mimecast',
    domains: [],
    mxSuffixes: ['.mimecast.com'],
    evidence: ['eu-smtp-inbound-1.mimecast.com'],
  },
  {
    name: 'barracuda',
    domains: [],
    mxSuffixes: ['.barracudanetworks.com'],
    evidence: ['d1.a.ess.barracudanetworks.com'],
  },
];
