import { describe, expect, it } from 'vitest';
import type { BounceClass } from '../../src/bounce/classes.ts';
import { splitReport } from '../../src/bounce/families/report-text.ts';
import { inspectFixture } from './fixtures.ts';

type Row = [name: string, family: string, recipients: [string, string, BounceClass][]];

const ANNA = 'anna@customer.example';

const ROWS: Row[] = [
  ['aol-names', 'text', [['annabee@aol.com', 'failed', 'blocked_by_recipient']]],
  ['au-japanese', 'text', [['anna@ezweb.ne.jp', 'failed', 'bad_mailbox']]],
  ['coremail-undeclared', 'text', [['anna@univ.example', 'failed', 'inactive']]],
  ['courier', 'courier', [[ANNA, 'failed', 'bad_mailbox']]],
  ['docomo', 'rfc3464', [['anna@docomo.ne.jp', 'failed', 'blocked_by_recipient']]],
  ['domino-japanese', 'domino', [[ANNA, 'failed', 'bad_mailbox']]],
  ['dovecot-rejected', 'text', [[ANNA, 'failed', 'full']]],
  ['dragonfly', 'text', [[ANNA, 'failed', 'inactive']]],
  ['exchange-2003', 'exchange', [[ANNA, 'failed', 'bad_mailbox']]],
  ['exchange-online', 'exchange', [[ANNA, 'failed', 'bad_mailbox']]],
  ['exim', 'exim', [[ANNA, 'failed', 'bad_mailbox']]],
  ['exim-warning', 'exim', [[ANNA, 'delayed', 'network']]],
  ['gmail', 'gmail', [[ANNA, 'failed', 'bad_mailbox']]],
  ['gmail-html', 'rfc3464', [[ANNA, 'failed', 'bad_mailbox']]],
  ['imail', 'imail', [[ANNA, 'failed', 'bad_mailbox']]],
  ['interscan', 'text', [[ANNA, 'failed', 'content']]],
  ['list-refuses', 'text', [['list@lists.example', 'failed', 'blocked_by_recipient']]],
  ['lsmtp', 'text', [[ANNA, 'failed', 'routing']]],
  ['mailenable', 'text', [[ANNA, 'failed', 'full']]],
  [
    'mailru',
    'text',
    [
      [ANNA, 'failed', 'bad_mailbox'],
      ['bert@customer.example', 'failed', 'full'],
    ],
  ],
  ['netease', 'netease', [[ANNA, 'failed', 'bad_mailbox']]],
  ['notes', 'domino', [[ANNA, 'failed', 'bad_mailbox']]],
  ['opensmtpd', 'opensmtpd', [[ANNA, 'failed', 'bad_domain']]],
  ['orange-french', 'text', [['anna@orange.example', 'failed', 'bad_mailbox']]],
  ['postfix-old', 'postfix', [[ANNA, 'failed', 'auth']]],
  [
    'qmail',
    'qmail',
    [
      [ANNA, 'failed', 'bad_mailbox'],
      ['bert@customer.example', 'failed', 'full'],
    ],
  ],
  ['qq', 'qq', [[ANNA, 'failed', 'full']]],
  ['qq-throttle', 'rfc3464', [['anna@qq.com', 'failed', 'rate_limited']]],
  ['sendmail-old', 'sendmail', [[ANNA, 'failed', 'bad_mailbox']]],
  ['sendmail-transcript', 'sendmail', [[ANNA, 'failed', 'full']]],
  ['sentence', 'text', [[ANNA, 'failed', 'bad_mailbox']]],
  ['ses-notification', 'ses', [[ANNA, 'failed', 'bad_mailbox']]],
  [
    'sina',
    'sina',
    [
      ['anna@sina.com', 'failed', 'bad_mailbox'],
      ['bert@sina.com', 'failed', 'bad_mailbox'],
    ],
  ],
  ['yahoo', 'yahoo', [['anna@yahoo.com', 'failed', 'bad_mailbox']]],
];

describe('reports in words', () => {
  it.each(ROWS)('%s: who, what and why', (name, family, recipients) => {
    const inspection = inspectFixture(name);
    expect(inspection.kind).toBe('bounce');
    expect(inspection.family).toBe(family);
    expect(
      inspection.recipients.map((each) => [each.recipient, each.action, each.verdict.class]),
    ).toEqual(recipients);
  });

  it('decode what the host declared, and what it did not declare', () => {
    expect(inspectFixture('domino-japanese').recipients[0]?.diagnostic).toContain('見つかりません');
    expect(inspectFixture('netease').recipients[0]?.diagnostic).toContain('收件人');
    expect(inspectFixture('qq').recipients[0]?.diagnostic).toContain('空间不足');
  });

  it('name nobody who stands in the returned message, and nobody to ask for help', () => {
    for (const [name] of ROWS) {
      const named = inspectFixture(name).recipients.map(({ recipient }) => recipient);
      expect(named.filter((each) => /shop\.example|helpdesk|kefu|postmaster/.test(each))).toEqual(
        [],
      );
    }
  });

  it('carry our trace when the message came back with them', () => {
    for (const name of ['qmail', 'exim', 'postfix-old', 'yahoo', 'coremail-undeclared', 'notes']) {
      expect(inspectFixture(name).traceToken, name).toBe('v1.q7k2m4x8');
    }
  });

  it('read statuses from the words', () => {
    expect(inspectFixture('qmail').recipients.map(({ status }) => status)).toEqual([
      '5.1.1',
      '5.2.2',
    ]);
    expect(inspectFixture('exchange-online').recipients[0]?.status).toBe('5.1.10');
    expect(inspectFixture('exchange-2003').recipients[0]?.status).toBeNull();
  });
});

describe('splitReport', () => {
  it.each([
    '--- Below this line is a copy of the message.',
    '------ This is a copy of the message, including all the headers. ------',
    '   ----- Original message -----',
    'Original message follows.',
    'Message headers follow:',
    '    Below is a copy of the original message:',
    '------- Returned Message --------',
    'The first 50 lines of your original message follow:',
    '--- Mensaje original adjunto.',
    '-------- 原始邮件 --------',
    'Received: from mx.example by mx2.example',
    '> Return-Path: <a@b.example>',
  ])('ends at "%s"', (border) => {
    const { lines } = splitReport(`<a@b.example>:\nno such user\n\n${border}\nTo: c@d.example\n`);
    expect(lines.join('\n')).not.toContain('c@d.example');
    expect(lines[0]).toBe('<a@b.example>:');
  });

  it.each([
    'The original message was received at Tue, 4 Mar 2025',
    'delete your own text from the attached returned message.',
    'I am sorry that the message returned below could not be delivered',
    'A list of the affected recipients follows.',
    '|------- Failed addresses follow: -------|',
    '-------server message',
    '原邮件信息：',
  ])('does not end at "%s"', (line) => {
    const { lines } = splitReport(`Hello\n${line}\n<a@b.example>: no such user\n`);
    expect(lines).toContain('<a@b.example>: no such user');
  });
});
