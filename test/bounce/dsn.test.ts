import { describe, expect, it } from 'vitest';
import { decodeXtext, readDeliveryStatus, recipientAddress } from '../../src/bounce/dsn.ts';

function lines(...text: string[]): string {
  return text.join('\n');
}

describe('readDeliveryStatus', () => {
  it('reads the message group and every recipient', () => {
    const report = readDeliveryStatus(
      lines(
        'Original-Envelope-Id: cmp7+2Bd42',
        'Reporting-MTA: dns; mx.relay.example',
        '',
        'Original-Recipient: rfc822;a@one.example',
        'Final-Recipient: rfc822; b@two.example',
        'Action: failed',
        'Status: 5.1.1',
        'Remote-MTA: dns; mx.two.example',
        'Diagnostic-Code: smtp; 550 5.1.1 no',
        ' such user',
        '',
        'Final-Recipient: RFC822; <c@two.example>',
        'Action: delayed (will retry)',
        'Status: 4.4.1',
      ),
    );
    expect(report).toEqual({
      reportingMta: 'mx.relay.example',
      envelopeId: 'cmp7+d42',
      recipients: [
        {
          finalRecipient: 'b@two.example',
          originalRecipient: 'a@one.example',
          action: 'failed',
          status: '5.1.1',
          diagnostic: '550 5.1.1 no such user',
          remoteMta: 'mx.two.example',
        },
        {
          finalRecipient: 'c@two.example',
          originalRecipient: null,
          action: 'delayed',
          status: '4.4.1',
          diagnostic: '',
          remoteMta: null,
        },
      ],
    });
  });

  it('separates recipients that no blank line separates', () => {
    const report = readDeliveryStatus(
      lines(
        'Reporting-MTA: dns; mx.relay.example',
        'Final-Recipient: rfc822; a@one.example',
        'Action: failed',
        'Final-Recipient: rfc822; b@one.example',
        'Action: delivered',
      ),
    );
    expect(report?.recipients.map((each) => [each.finalRecipient, each.action])).toEqual([
      ['a@one.example', 'failed'],
      ['b@one.example', 'delivered'],
    ]);
  });

  it('takes the reason from the comment of Status when there is no Diagnostic-Code', () => {
    const report = readDeliveryStatus(
      lines('Final-Recipient: rfc822;a@one.example', 'Status: 5.4.4 (illegal domain name)'),
    );
    expect(report?.recipients[0]).toMatchObject({
      status: '5.4.4',
      diagnostic: 'illegal domain name',
    });
  });

  it('prefers the SMTP reply among several Diagnostic-Codes', () => {
    const report = readDeliveryStatus(
      lines(
        'Final-Recipient: rfc822;a@one.example',
        'Diagnostic-Code: X-Notes; could not be routed',
        'Diagnostic-Code: smtp; 550 unknown',
      ),
    );
    expect(report?.recipients[0]?.diagnostic).toBe('550 unknown');
  });

  it.each([
    ['failed', 'failed'],
    ['Failure', 'failed'],
    ['DELAYED', 'delayed'],
    ['transient-failure', 'delayed'],
    ['delivered', 'delivered'],
    ['deliverable', 'delivered'],
    ['relayed (no DSN)', 'relayed'],
    ['expanded', 'expanded'],
    ['expired', null],
  ])('reads the action %s as %s', (written, action) => {
    const report = readDeliveryStatus(`Final-Recipient: rfc822;a@one.example\nAction: ${written}`);
    expect(report?.recipients[0]?.action).toBe(action);
  });

  it('is null for a text without such fields', () => {
    expect(readDeliveryStatus('Dear Anna,\n\nthe report is attached.')).toBeNull();
    expect(readDeliveryStatus('')).toBeNull();
  });

  it('keeps at most 1,000 recipients', () => {
    const many = Array.from(
      { length: 3_000 },
      (_each, at) => `Final-Recipient: rfc822;u${at}@one.example\nAction: failed\n`,
    );
    expect(readDeliveryStatus(many.join('\n'))?.recipients).toHaveLength(1_000);
  });
});

describe('recipientAddress', () => {
  it.each([
    ['rfc822; anna@one.example', 'anna@one.example'],
    ['RFC822;<Anna@One.Example>', 'Anna@One.Example'],
    ['anna@one.example', 'anna@one.example'],
    ['utf-8; \\x{738B}@one.example', '王@one.example'],
    ['utf-8; 王@例子.中国', '王@例子.中国'],
    ['rfc822;@relay.example:anna@store', 'anna@store'],
    ['LOCAL; "anna b"@one.example', '"anna b"@one.example'],
    ['rfc822; anna@#one.example', 'anna@#one.example'],
    ['rfc822; anna', null],
    ['X400; /G=Anna/S=B/', null],
    ['', null],
  ])('%s -> %s', (value, address) => {
    expect(recipientAddress(value)).toBe(address);
  });
});

describe('decodeXtext', () => {
  it('decodes what RFC 3461 encodes and leaves the rest', () => {
    expect(decodeXtext('a+2Bb+3Dc')).toBe('a+b=c');
    expect(decodeXtext('a+zz')).toBe('a+zz');
  });
});
