import { describe, expect, it } from 'vitest';
import { classify } from '../../src/bounce/classify.ts';
import { inspectMessage } from '../../src/bounce/inspect.ts';

const DSN = [
  'From: MAILER-DAEMON@mx.example.net',
  'To: b+token@bounce.example.org',
  'Subject: Undelivered Mail Returned to Sender',
  'MIME-Version: 1.0',
  'Content-Type: multipart/report; report-type=delivery-status; boundary="=_1"',
  '',
  '--=_1',
  'Content-Type: text/plain',
  '',
  'Your message was not delivered.',
  '',
  '--=_1',
  'Content-Type: message/delivery-status',
  '',
  'Reporting-MTA: dns; mx.example.net',
  'Original-Envelope-Id: cmp+2B1',
  '',
  'Original-Recipient: rfc822;alias@example.com',
  'Final-Recipient: rfc822; user@example.com',
  'Action: failed',
  'Status: 5.1.1',
  'Diagnostic-Code: smtp; 550 5.1.1 <user@example.com>: User unknown',
  '',
  '--=_1',
  'Content-Type: text/rfc822-headers',
  '',
  'Message-ID: <m1@example.org>',
  'X-Volley-Trace: trace1',
  '',
  '--=_1--',
  '',
].join('\r\n');

describe('inspectMessage', () => {
  it('reads an RFC 3464 report', async () => {
    const inspection = await inspectMessage(Buffer.from(DSN));
    expect(inspection).toEqual({
      kind: 'bounce',
      recipients: [
        {
          recipient: 'user@example.com',
          originalRecipient: 'alias@example.com',
          status: '5.1.1',
          action: 'failed',
          diagnostic: '550 5.1.1 <user@example.com>: User unknown',
          verdict: { class: 'bad_mailbox', permanent: true, rule: 'any.user-unknown' },
        },
      ],
      envelopeId: 'cmp+1',
      traceToken: 'trace1',
      messageId: 'm1@example.org',
      feedbackType: null,
      family: 'rfc3464',
    });
  });
});

describe('classify', () => {
  it('takes text before enhanced status before three digits', () => {
    const throttled = classify({
      code: 550,
      enhanced: null,
      text: '550 Ip frequency limited [x Blocked IP 192.0.2.10].',
      stage: 'rcpt',
    });
    expect(throttled).toMatchObject({ class: 'rate_limited', permanent: false });
    const enhanced = classify({ code: 550, enhanced: '5.2.2', text: 'no', stage: 'rcpt' });
    expect(enhanced).toMatchObject({ class: 'full', rule: 'enhanced:5.2.2' });
    const digits = classify({ code: 535, enhanced: null, text: 'no', stage: 'auth' });
    expect(digits).toMatchObject({ class: 'auth', rule: 'code:535' });
  });
});
