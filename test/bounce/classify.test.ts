import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BOUNCE_CLASSES, type BounceClass, type ReplyText } from '../../src/bounce/classes.ts';
import { classify, createClassifier } from '../../src/bounce/classify.ts';
import { verdictLine, effectiveStatus, isHard } from '../../src/bounce/report-lines.ts';
import type { InspectedRecipient } from '../../src/bounce/inspection.ts';

function reply(text: string, more: Partial<ReplyText> = {}): ReplyText {
  return { code: null, enhanced: null, text, stage: null, ...more };
}

describe('classify', () => {
  it('takes text before the enhanced status, and that before the three digits', () => {
    const throttled = classify(
      reply('550 Ip frequency limited [x Blocked IP 192.0.2.10].', { enhanced: '5.1.1' }),
    );
    expect(throttled).toMatchObject({ class: 'rate_limited', permanent: false });
    expect(classify(reply('no', { code: 550, enhanced: '5.2.2' }))).toEqual({
      class: 'full',
      permanent: false,
      rule: 'enhanced:5.2.2',
    });
    expect(classify(reply('no', { code: 535 }))).toMatchObject({ class: 'auth', rule: 'code:535' });
    expect(classify(reply('no'))).toEqual({ class: 'unknown', permanent: false, rule: 'none' });
  });

  it('does not believe a status that says nothing: QQ sends 5.0.0 for everything', () => {
    const verdict = classify(reply('550 5.1.1 gone', { code: 550, enhanced: '5.0.0' }));
    expect(verdict).toMatchObject({ class: 'bad_mailbox', rule: 'enhanced:5.1.1' });
  });

  it.each<[string, BounceClass, boolean]>([
    [
      '554 DT:SPM 163 smtp12,EMCowADXTVqS--.29699S2 1535264926,please see http://mail.163.com/help/',
      'content',
      true,
    ],
    ['451DT:SPM 163 mx14,x.3S2 1535264926,please try again', 'content', false],
    ['421 4.4.5 HL:ICC 163 smtp3', 'rate_limited', false],
    ['554 5.7.3 HL:ITC 163 smtp3', 'rate_limited', false],
    ['550 MI:STC 163 smtp3', 'rate_limited', false],
    ['550 RP:TRC 163 smtp3', 'rate_limited', false],
    ['554 HL:IPB 163 smtp3', 'blocklisted', false],
    ['550 MI:DMA 163 smtp3', 'auth', true],
    ['550 User suspended', 'inactive', true],
    [
      '550 Mailbox unavailable or access denied. http://service.mail.qq.com/',
      'rate_limited',
      false,
    ],
    ['550 Mailbox not found. http://service.mail.qq.com/', 'bad_mailbox', true],
    ['550 Connection frequency limited', 'rate_limited', false],
    ['550 Mail content denied. http://service.mail.qq.com/', 'content', true],
    ['550 SPF check failed', 'auth', true],
    ['550 Mail is rejected by recipients', 'blocked_by_recipient', true],
    [
      '421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred due to unexpected volume or user complaints',
      'rate_limited',
      false,
    ],
    [
      '550; 5.7.515 Access denied, sending domain [X] does not meet the required authentication level.',
      'auth',
      true,
    ],
    ['553 5.7.0 IP REJECT:192.0.2.10:1596954778:http://mail.sohu.com/', 'reputation', false],
    ['550 退信原因: 收件人邮箱不存在', 'bad_mailbox', true],
  ])('%s -> %s', (text, name, permanent) => {
    expect(classify(reply(text))).toMatchObject({ class: name, permanent });
  });

  it('calls nothing the recipient’s fault that providers say of the sender', () => {
    const ours = [
      '550 Ip frequency limited',
      '554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org',
      '550 5.1.1 <a@b.example> - 192.0.2.10 has sent to too many recipients this hour. IB607',
      '550 5.2.1 Mailbox unavailable. Your IP address 192.0.2.10 is blacklisted',
      '550 5.7.26 Unauthenticated email is not accepted due to domain policy',
      '550 5.7.1 <a@b.example>: Sender address rejected: Domain not found',
      '554 5.7.1 <a@b.example>: Recipient address rejected: Greylisted',
      '550 5.7.1 user unknown or your host is on a block list',
    ];
    for (const text of ours) {
      const verdict = classify(reply(text));
      expect(BOUNCE_CLASSES[verdict.class].fault, text).not.toBe('recipient');
    }
  });

  it.each<[string, BounceClass]>([
    ['550 5.7.1 Your account has been temporarily suspended due to spam', 'policy'],
    ['550 Your account is disabled', 'policy'],
    ['554 Message rejected: Sending suspended for this account.', 'policy'],
    ['550 Sender account is locked', 'policy'],
    ['550 Invalid user credentials', 'policy'],
    ['550 From address is invalid', 'auth'],
    ['550 5.6.0 Invalid address in From header', 'auth'],
    ['550-The address in the From: header does not exist', 'auth'],
    ['550 5.7.1 Return-Path address does not exist', 'auth'],
    ['550 5.1.1 Rejected: no valid Reply-To mailbox', 'auth'],
    ['550 5.1.7 Invalid address', 'auth'],
    ['550 5.6.0 Invalid recipient', 'content'],
    ['550 5.1.1 Verification failed for <news@shop.example>', 'auth'],
    [
      '550-Verification failed for <news@shop.example> 550-The mail server could not deliver mail to news@shop.example. The account or domain may not exist, they may be blacklisted. 550 Sender verify failed',
      'auth',
    ],
    [
      '550-Requested action not taken: mailbox unavailable 550 invalid DNS MX or A/AAAA resource record',
      'auth',
    ],
    ['550 your domain does not exist', 'auth'],
    ['550 5.1.1 Your domain is not found in DNS', 'auth'],
    ['550 5.7.1 HELO domain does not exist', 'auth'],
    ['550 5.1.2 Sender domain does not exist', 'auth'],
    ['550 IP lookup failed for 192.0.2.1', 'auth'],
    ['451 4.3.0 LDAP lookup failed', 'system'],
    ['550 5.1.1 we do not accept mail from dynamic IPs', 'policy'],
    ['550 5.2.1 Mail from your domain is not accepted', 'policy'],
    ['550 Your message to user a@b.example has been blocked', 'policy'],
    ['450 4.1.1 unverified address: Address verification in progress', 'greylisted'],
    ['550 拒绝接收 发件人在黑名单中', 'blocklisted'],
    ['550 귀하의 IP는 스팸 발송으로 차단됨', 'reputation'],
    ['554 5.7.1 스팸으로 차단되었습니다', 'content'],
    ['550 5.1.1 发件人域名不存在', 'auth'],
    ['550 5.1.1 送信者が存在しません', 'auth'],
    ['550 5.1.1 존재하지 않는 발신자', 'auth'],
    ['550 5.1.1 Der Absender ist unbekannt', 'auth'],
  ])('hears that we are meant: %s -> %s', (text, name) => {
    expect(classify(reply(text, { stage: 'rcpt' })).class).toBe(name);
    expect(BOUNCE_CLASSES[name].fault).not.toBe('recipient');
  });

  it.each<[string, BounceClass]>([
    ["550 5.2.1 The recipient's account has been suspended", 'inactive'],
    ['550 5.1.1 The address in RCPT does not exist', 'bad_mailbox'],
    ['550 5.1.2 The recipient domain does not exist', 'bad_domain'],
    ['550 5.1.1 收件人不存在', 'bad_mailbox'],
    ['550 존재하지 않는 사용자입니다', 'bad_mailbox'],
    ['550 휴면계정입니다', 'inactive'],
    ['550 수신거부된 메일입니다', 'blocked_by_recipient'],
    ['550 Empfaenger unbekannt', 'bad_mailbox'],
    ["550 L'utilisateur n'existe pas", 'bad_mailbox'],
    ['550 El usuario no existe', 'bad_mailbox'],
    ['550 пользователь не найден', 'bad_mailbox'],
    ['550 Sorry, your address was not found in our whitelist', 'blocked_by_recipient'],
  ])('hears that the recipient is meant: %s -> %s', (text, name) => {
    expect(classify(reply(text, { stage: 'rcpt' }))).toMatchObject({
      class: name,
      permanent: true,
    });
  });

  it('takes a 5xx that asks to come back at its word', () => {
    for (const text of [
      '550 temporary failure, user unknown',
      '550 5.1.1 Recipient lookup failed, try again later',
      '550 5.2.1 Mailbox is locked temporarily for maintenance',
    ]) {
      const verdict = classify(reply(text, { stage: 'rcpt' }));
      expect(verdict.permanent, text).toBe(false);
    }
  });

  it('believes `user unknown` in reply to RCPT, and calls it a refusal after DATA', () => {
    const text = '550 User unknown';
    expect(classify(reply(text, { stage: 'rcpt' }))).toMatchObject({ class: 'bad_mailbox' });
    expect(classify(reply(text, { stage: 'dot' }))).toMatchObject({
      class: 'blocked_by_recipient',
      rule: 'any.user-unknown/after-data',
    });
    expect(classify(reply('550 5.1.1 User unknown', { stage: 'dot' })).class).toBe('bad_mailbox');
    expect(classify(reply('550 5.2.1 User unknown')).rule).toBe('any.user-unknown/mailbox-exists');
  });

  it('holds nothing against the recipient that was said before he was named', () => {
    const texts = ['550 5.1.1 User unknown', '550 No such user here', '550 5.1.1 zzz', '551 zzz'];
    texts.push('550 5.2.1 account disabled', '552 5.2.2 mailbox is full', '450 4.1.1 User unknown');
    for (const text of texts) {
      for (const stage of ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'mail']) {
        const verdict = classify(reply(text, { stage }));
        expect(BOUNCE_CLASSES[verdict.class].fault, `${stage}: ${text}`).not.toBe('recipient');
        expect(verdict.rule).toMatch(/before-rcpt$/);
      }
      expect(BOUNCE_CLASSES[classify(reply(text, { stage: 'rcpt' })).class].fault).toBe(
        'recipient',
      );
    }
    // RFC 7504: a host that takes no mail at all says so in its greeting.
    expect(classify(reply('521 no mail here', { stage: 'greeting' })).class).toBe('bad_domain');
    expect(classify(reply('521 no mail here', { stage: 'mail' })).class).toBe('policy');
  });

  it('is final only when it is: a 4xx is not, a full mailbox is not', () => {
    expect(classify(reply('450 4.1.1 User unknown')).permanent).toBe(false);
    expect(classify(reply('450 4.1.2 <a@b.example>: Host or domain name not found'))).toMatchObject(
      {
        class: 'bad_domain',
        permanent: false,
      },
    );
    expect(classify(reply('550 5.1.1 User unknown')).permanent).toBe(true);
    expect(classify(reply('552 5.2.2 mailbox is full')).permanent).toBe(false);
    expect(classify(reply('User unknown')).permanent).toBe(true);
  });

  it('reads multi-line replies as one', () => {
    const text = '550-5.1.1 The address you tried\r\n550-5.1.1 does not\r\n550 5.1.1 exist here';
    expect(classify(reply(text))).toMatchObject({
      class: 'bad_mailbox',
      rule: 'any.does-not-exist',
    });
  });
});

describe('createClassifier', () => {
  const own = {
    id: 'own.gibberish',
    provider: 'own',
    pattern: /zzqq/,
    class: 'policy' as const,
    permanent: true,
    evidence: '599 zzqq',
    counter: '599 zz',
    source: 'our ticket 7',
  };

  it('asks own rules first', () => {
    const made = createClassifier([own]);
    expect(made.ok && made.classify(reply('550 zzqq User unknown')).rule).toBe('own.gibberish');
  });

  it('refuses the whole list when one rule has a fault', () => {
    const made = createClassifier([{ ...own, evidence: 'something else' }]);
    expect(made).toEqual({ ok: false, faults: ['own.gibberish: the evidence does not match'] });
  });
});

describe('the lines that are printed', () => {
  function recipient(change: Partial<InspectedRecipient>): InspectedRecipient {
    return {
      recipient: 'a@b.example',
      originalRecipient: null,
      status: null,
      action: 'failed',
      diagnostic: '',
      verdict: { class: 'bad_mailbox', permanent: true, rule: 'x.y' },
      ...change,
    };
  }

  it('give every failed recipient a status', () => {
    expect(effectiveStatus(recipient({ status: '5.0.0', diagnostic: '550 5.1.1 no' }))).toBe(
      '5.1.1',
    );
    expect(effectiveStatus(recipient({ status: '5.0.0', diagnostic: '550 no' }))).toBe('5.0.0');
    expect(effectiveStatus(recipient({ diagnostic: '450 no' }))).toBe('4.1.1');
    expect(effectiveStatus(recipient({ action: 'delayed' }))).toBe('4.1.1');
    expect(effectiveStatus(recipient({}))).toBe('5.1.1');
  });

  it('call hard only what can never work', () => {
    expect(isHard(recipient({}))).toBe(true);
    expect(isHard(recipient({ action: 'delayed' }))).toBe(false);
    expect(isHard(recipient({ status: '4.1.1' }))).toBe(false);
    expect(isHard(recipient({ verdict: { class: 'full', permanent: true, rule: 'x.y' } }))).toBe(
      false,
    );
    expect(
      isHard(recipient({ verdict: { class: 'bad_domain', permanent: true, rule: 'x.y' } })),
    ).toBe(true);
  });

  it('say action and scope of a class', () => {
    expect(verdictLine('552 full', classify(reply('552 5.2.2 mailbox full')))).toEqual({
      reply: '552 full',
      class: 'full',
      action: 'retry',
      scope: 'recipient',
      rule: 'any.mailbox-full',
    });
  });

  it('suppress nobody for a 4xx, and do not retry what is final', () => {
    const of = (text: string) => verdictLine(text, classify(reply(text))).action;
    expect(of('550 5.1.1 User unknown')).toBe('suppress');
    expect(of('450 4.1.1 User unknown')).toBe('retry');
    expect(of('550 no thanks')).toBe('give_up');
    expect(of('450 no thanks')).toBe('retry');
  });
});

describe('docs/bounces.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/bounces.md'), 'utf8');

  it.each(Object.entries(BOUNCE_CLASSES))('says of %s what the code does', (name, facts) => {
    const row = text.split('\n').find((line) => line.startsWith(`| \`${name}\` `)) ?? '';
    const cells = row.split('|').map((cell) => cell.trim());
    expect(cells.slice(3, 6)).toEqual([facts.fault, facts.scope, facts.action]);
  });
});
