import { describe, expect, it } from 'vitest';
import { inspect } from '../../src/bounce/inspect.ts';
import type { Inspection } from '../../src/bounce/inspection.ts';

interface Letter {
  from?: string;
  subject: string;
  body: string;
  more?: string[];
}

/** With the null sender, as RFC 3834 and RFC 8098 ask for. */
function read({
  from = 'Anna <anna@customer.example>',
  subject,
  body,
  more = [],
}: Letter): Inspection {
  const head = ['Return-Path: <>', `From: ${from}`, 'To: b+x@bounce.shop.example'];
  head.push(`Subject: ${subject}`, 'MIME-Version: 1.0', ...more);
  if (!more.some((line) => line.startsWith('Content-Type'))) {
    head.push('Content-Type: text/plain; charset=utf-8');
  }
  return inspect(Buffer.from([...head, '', body, ''].join('\r\n')));
}

const LAST_WORDS =
  'The mailbox is not available, user unknown.\r\n\r\n<anna@customer.example>: 550 5.1.1 User unknown';

describe('an automatic answer of a person', () => {
  it.each<[string, Letter]>([
    ['English', { subject: 'Automatic reply: Hello', body: LAST_WORDS }],
    ['English', { subject: 'Out of Office: Hello', body: LAST_WORDS }],
    ['German', { subject: 'Abwesenheitsnotiz: Hello', body: `Zimmer 550. ${LAST_WORDS}` }],
    ['French', { subject: 'Réponse automatique : Hello', body: `Boîte pleine. ${LAST_WORDS}` }],
    ['Chinese', { subject: '自动回复: Hello', body: `邮箱不存在 ${LAST_WORDS}` }],
    ['Japanese', { subject: '自動返信: 不在', body: `宛先不明 ${LAST_WORDS}` }],
    [
      'Korean',
      { subject: '부재중 자동응답: Hello', body: `사용자를 찾을 수 없습니다 ${LAST_WORDS}` },
    ],
    ['X-Autoreply', { subject: 'Re: Hello', body: LAST_WORDS, more: ['X-Autoreply: yes'] }],
    ['Precedence', { subject: 'Re: Hello', body: LAST_WORDS, more: ['Precedence: auto_reply'] }],
    [
      'Auto-Submitted',
      { subject: 'Re: Hello', body: LAST_WORDS, more: ['Auto-Submitted: auto-replied'] },
    ],
    [
      'a bounce quoted in it',
      {
        subject: 'Automatische Antwort: Hello',
        body: 'Ich bin im Urlaub.\r\n<bob@customer.example>: host said: 550 5.1.1 User unknown',
      },
    ],
  ])('is no bounce, whatever it says (%s)', (_name, letter) => {
    expect(read(letter)).toMatchObject({ kind: 'autoreply', recipients: [] });
  });

  it('reports about nobody when he names himself', () => {
    expect(read({ subject: 'Re: Hello', body: LAST_WORDS })).toMatchObject({ recipients: [] });
  });

  it('is told from a bounce that says auto-replied, as Postfix and Exim do', () => {
    const found = read({
      from: 'Mail Delivery System <MAILER-DAEMON@mx.customer.example>',
      subject: 'Undelivered Mail Returned to Sender',
      body: LAST_WORDS,
      more: ['Auto-Submitted: auto-replied'],
    });
    expect(found.kind).toBe('bounce');
    expect(found.recipients.map(({ recipient }) => recipient)).toEqual(['anna@customer.example']);
  });

  it('is a receipt when it has that form, the null sender notwithstanding', () => {
    const more = [
      'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"',
    ];
    const body = [
      '--b',
      'Content-Type: text/plain',
      '',
      'Your message was deleted.',
      '--b',
      'Content-Type: message/disposition-notification',
      '',
      'Final-Recipient: rfc822; anna@customer.example',
      'Disposition: automatic-action/MDN-sent-automatically; deleted',
      '--b--',
    ].join('\r\n');
    expect(read({ subject: 'Read: Hello', body, more })).toMatchObject({
      kind: 'delivered',
      recipients: [],
    });
  });
});

describe('a report with reports inside', () => {
  function report(boundary: string, fields: string, returned: string): string {
    return [
      `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
      'From: MAILER-DAEMON@mx.customer.example',
      'Subject: Delivery report',
      '',
      `--${boundary}`,
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.customer.example',
      '',
      fields,
      `--${boundary}`,
      'Content-Type: message/rfc822',
      '',
      returned,
      `--${boundary}--`,
      '',
    ].join('\r\n');
  }
  const inner = report(
    'inner',
    'Final-Recipient: rfc822; bob@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\n',
    'Subject: x\r\n\r\nx',
  );

  it.each([
    ['delayed', '4.4.1', 'bounce'],
    ['delivered', '2.0.0', 'delivered'],
    ['failed', '5.2.2', 'bounce'],
  ])('is about whom the outer one names (%s)', (action, status, kind) => {
    const fields = `Final-Recipient: rfc822; anna@customer.example\r\nAction: ${action}\r\nStatus: ${status}\r\n`;
    const found = inspect(Buffer.from(report('outer', fields, inner)));
    expect(found.kind).toBe(kind);
    expect(found.recipients.map((each) => [each.recipient, each.action])).toEqual([
      ['anna@customer.example', action],
    ]);
  });

  it('says delayed of what will be tried again, the field Action missing', () => {
    const fields =
      'Final-Recipient: rfc822; anna@customer.example\r\nStatus: 4.4.1\r\nWill-Retry-Until: Fri, 27 Nov 2026 10:00:00 +0000\r\n';
    const found = inspect(Buffer.from(report('outer', fields, 'Subject: x\r\n\r\nx')));
    expect(found.recipients[0]?.action).toBe('delayed');
  });
});
