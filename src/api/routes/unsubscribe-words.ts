/** api/routes/unsubscribe-words — what the unsubscribe pages say, in the languages they speak. */
import type { Choice, Why } from '../../bounce/findings.ts';
import type { ConfirmationWords } from '../../bounce/unsubscribe.ts';

export interface Words {
  title: string;
  question: string;
  choices: Record<Choice, string>;
  why: string;
  whys: Record<Why | '', string>;
  button: string;
  /** The link of a single copy. */
  address: string;
  addressHint: string;
  addressMissing: string;
  ask: string;
  doneTitle: string;
  done: Record<Choice, string>;
  askedTitle: string;
  asked: string;
  unknownTitle: string;
  unknown: string;
  mail: ConfirmationWords;
}

const EN: Words = {
  title: 'Unsubscribe',
  question: 'What do you want to receive no more?',
  choices: {
    list: 'Mails of this kind',
    pause: 'Nothing of this kind for 30 days',
    sender: 'All mails of this sender',
    all: 'All mails that come by this service',
  },
  why: 'Why? (you need not say)',
  whys: {
    '': '–',
    never_asked: 'I never asked for them',
    too_many: 'There are too many',
    not_relevant: 'They are not for me',
    other: 'Another reason',
  },
  button: 'Unsubscribe',
  address: 'Your mail address',
  addressHint: 'We send you a mail with a link. Only that link unsubscribes you.',
  addressMissing: 'Please enter a mail address.',
  ask: 'Send me the link',
  doneTitle: 'Done',
  done: {
    list: 'You will receive no more mails of this kind.',
    pause: 'You will receive no mails of this kind for 30 days.',
    sender: 'You will receive no more mails of this sender.',
    all: 'You will receive no more mails.',
  },
  askedTitle: 'Look into your mailbox',
  asked: 'If these mails go to this address, a link to unsubscribe is on its way to it.',
  unknownTitle: 'This link does not work',
  unknown: 'It is incomplete. Please use the link in the latest mail.',
  mail: {
    subject: 'Your link to unsubscribe',
    text: (sender, link) =>
      `Somebody, probably you, asked to receive no more mails of ${sender}.\n\nOpen this link to unsubscribe:\n${link}\n\nIf it was not you, do nothing: nothing has changed.`,
  },
};

const ZH: Words = {
  title: '退订',
  question: '您不想再收到哪些邮件？',
  choices: {
    list: '此类邮件',
    pause: '暂停此类邮件 30 天',
    sender: '该发件人的所有邮件',
    all: '通过本服务发送的所有邮件',
  },
  why: '原因（可不填）',
  whys: {
    '': '–',
    never_asked: '我从未订阅',
    too_many: '邮件太多',
    not_relevant: '内容与我无关',
    other: '其他原因',
  },
  button: '退订',
  address: '您的邮箱地址',
  addressHint: '我们会向您发送一封含有链接的邮件，点击该链接后才会退订。',
  addressMissing: '请输入邮箱地址。',
  ask: '发送链接',
  doneTitle: '已完成',
  done: {
    list: '您将不会再收到此类邮件。',
    pause: '30 天内您不会收到此类邮件。',
    sender: '您将不会再收到该发件人的邮件。',
    all: '您将不会再收到邮件。',
  },
  askedTitle: '请查看您的邮箱',
  asked: '如果该地址在名单中，退订链接已发送至该邮箱。',
  unknownTitle: '链接无效',
  unknown: '链接不完整，请使用最近一封邮件中的链接。',
  mail: {
    subject: '您的退订链接',
    text: (sender, link) =>
      `有人（可能是您）请求不再接收 ${sender} 的邮件。\n\n请打开以下链接退订：\n${link}\n\n如果不是您本人操作，请忽略此邮件，设置不会改变。`,
  },
};

const KO: Words = {
  title: '수신 거부',
  question: '어떤 메일을 더 이상 받지 않으시겠습니까?',
  choices: {
    list: '이런 종류의 메일',
    pause: '이런 종류의 메일을 30일 동안 중지',
    sender: '이 발신자의 모든 메일',
    all: '이 서비스로 발송되는 모든 메일',
  },
  why: '이유 (선택 사항)',
  whys: {
    '': '–',
    never_asked: '신청한 적이 없습니다',
    too_many: '메일이 너무 많습니다',
    not_relevant: '관심 없는 내용입니다',
    other: '기타',
  },
  button: '수신 거부',
  address: '메일 주소',
  addressHint: '링크가 담긴 메일을 보내 드립니다. 그 링크를 열어야 수신이 거부됩니다.',
  addressMissing: '메일 주소를 입력해 주세요.',
  ask: '링크 받기',
  doneTitle: '완료되었습니다',
  done: {
    list: '이런 종류의 메일을 더 이상 받지 않습니다.',
    pause: '30일 동안 이런 종류의 메일을 받지 않습니다.',
    sender: '이 발신자의 메일을 더 이상 받지 않습니다.',
    all: '더 이상 메일을 받지 않습니다.',
  },
  askedTitle: '메일함을 확인해 주세요',
  asked: '이 주소가 명단에 있으면 수신 거부 링크가 발송됩니다.',
  unknownTitle: '유효하지 않은 링크',
  unknown: '링크가 완전하지 않습니다. 최근에 받은 메일의 링크를 사용해 주세요.',
  mail: {
    subject: '수신 거부 링크',
    text: (sender, link) =>
      `누군가(아마도 본인)가 ${sender}의 메일 수신 거부를 요청했습니다.\n\n수신을 거부하려면 다음 링크를 여세요.\n${link}\n\n본인이 아니라면 이 메일을 무시하세요. 아무것도 바뀌지 않았습니다.`,
  },
};

export const WORDS = { en: EN, zh: ZH, ko: KO } as const;
export type Language = keyof typeof WORDS;
export const LANGUAGES = Object.keys(WORDS) as Language[];
