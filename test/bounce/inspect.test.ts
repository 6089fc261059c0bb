import { describe, expect, it } from 'vitest';
import { inspect, inspectMessage } from '../../src/bounce/inspect.ts';
import { inspectionLine } from '../../src/bounce/report-lines.ts';
import { fixture, inspectFixture } from './fixtures.ts';

describe('inspectMessage', () => {
  it('reads an RFC 3464 report', async () => {
    expect(await inspectMessage(fixture('rfc3464-failed'))).toEqual({
      kind: 'bounce',
      recipients: [
        {
          recipient: 'anna@customer.example',
          originalRecipient: null,
          status: '5.1.1',
          action: 'failed',
          diagnostic:
            '550 5.1.1 <anna@customer.example>: Recipient address rejected: User unknown in local recipient table',
          verdict: { class: 'bad_mailbox', permanent: true, rule: 'any.user-unknown' },
        },
      ],
      envelopeId: 'cmp7+d42',
      traceToken: 'v1.q7k2m4x8',
      messageId: 'c1.d42@shop.example',
      feedbackType: null,
      family: 'rfc3464',
    });
  });

  it('keeps the recipients of one report apart', () => {
    const found = inspectFixture('rfc3464-several').recipients;
    expect(found.map((each) => [each.recipient, each.action, each.verdict.class])).toEqual([
      ['anna@customer.example', 'failed', 'full'],
      ['bert@customer.example', 'failed', 'auth'],
      ['carl@nowhere.example', 'delayed', 'network'],
    ]);
  });

  it.each([
    ['rfc3464-delayed', 'bounce', ['delayed']],
    ['rfc3464-delivered', 'delivered', ['delivered']],
    ['rfc3464-relayed', 'delivered', ['relayed', 'expanded']],
    ['read-receipt', 'delivered', []],
  ])('%s is %s', (name, kind, actions) => {
    const inspection = inspectFixture(name);
    expect(inspection.kind).toBe(kind);
    expect(inspection.recipients.map(({ action }) => action)).toEqual(actions);
  });

  it('reads international addresses (RFC 6533)', () => {
    expect(inspectFixture('rfc6533-international').recipients[0]?.recipient).toBe(
      '王@customer.example',
    );
  });

  it('names whom we wrote to when the final recipient is only a name inside the host', () => {
    expect(inspectFixture('rfc3464-rewritten').recipients[0]).toMatchObject({
      recipient: 'anna@customer.example',
      originalRecipient: 'u1007@store7',
    });
  });

  it('reads fields that a gateway has flattened into the text', () => {
    const { recipients } = inspectFixture('rfc3464-flattened');
    expect(recipients.map((each) => [each.recipient, each.status])).toEqual([
      ['anna@customer.example', '5.1.2'],
    ]);
  });

  it('takes the one addressee of the returned message when the report has lost its recipients', () => {
    const { kind, recipients } = inspectFixture('rfc3464-lost-recipient');
    expect(kind).toBe('bounce');
    expect(recipients).toHaveLength(1);
    expect(recipients[0]).toMatchObject({ recipient: 'anna@customer.example', status: null });
  });

  it('opens a report that a gateway has wrapped, but not one that a person forwards', () => {
    expect(inspectFixture('rfc3464-wrapped')).toMatchObject({
      kind: 'bounce',
      recipients: [{ recipient: 'anna@customer.example' }],
    });
    expect(inspectFixture('letter-with-bounce-attached')).toMatchObject({
      kind: 'none',
      recipients: [],
    });
  });

  it.each(['autoreply-vacation', 'autoreply-domino', 'autoreply-chinese', 'challenge'])(
    '%s is an automatic answer about nobody',
    (name) => {
      expect(inspectFixture(name)).toMatchObject({ kind: 'autoreply', recipients: [] });
    },
  );

  it.each(['letter', 'newsletter'])('%s is nothing', (name) => {
    expect(inspectFixture(name)).toMatchObject({ kind: 'none', recipients: [] });
  });

  it('is a bounce even when it names nobody: our token says who it was', () => {
    const text = 'From: MAILER-DAEMON@a.example\nSubject: Mail could not be delivered\n\nSorry.\n';
    expect(inspect(Buffer.from(text))).toMatchObject({ kind: 'bounce', recipients: [] });
  });

  it('gives the same for LF, CRLF and CR line ends', () => {
    for (const name of ['rfc3464-failed', 'qmail', 'exim', 'jmrp']) {
      const text = fixture(name).toString('latin1');
      const expected = inspectFixture(name);
      for (const end of ['\r\n', '\r']) {
        expect(inspect(Buffer.from(text.replaceAll('\n', end), 'latin1')), name).toEqual(expected);
      }
    }
  });

  it('prints one object a message', () => {
    expect(inspectionLine('a/b.eml', inspectFixture('qmail'))).toEqual({
      file: 'a/b.eml',
      kind: 'bounce',
      recipients: [
        {
          recipient: 'anna@customer.example',
          status: '5.1.1',
          hard: true,
          class: 'bad_mailbox',
          action: 'failed',
        },
        {
          recipient: 'bert@customer.example',
          status: '5.2.2',
          hard: false,
          class: 'full',
          action: 'failed',
        },
      ],
    });
  });
});
