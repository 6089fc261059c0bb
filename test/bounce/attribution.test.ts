import { describe, expect, test } from 'vitest';
import { recipientKey } from '../../src/bounce/arrival.ts';
import type { Arrival, Knowledge, KnownDelivery } from '../../src/bounce/arrival.ts';
import { attribute, cluesOf } from '../../src/bounce/attribution.ts';
import { readDestination } from '../../src/bounce/destination.ts';
import { findingsOf } from '../../src/bounce/findings.ts';
import type { InspectedRecipient, Inspection } from '../../src/bounce/inspection.ts';
import { formatId } from '../../src/kernel/ids.ts';
import { bounceAddress, feedbackAddress, unsubscribeAddress } from '../../src/verp/address.ts';
import { signToken } from '../../src/verp/token.ts';
import { BOUNCE_DOMAIN, ring } from './returns.ts';

const now = new Date('2026-03-01T10:00:00Z');
const BATCH = 70n;

function delivery(id: bigint, local: string, over: Partial<KnownDelivery> = {}): KnownDelivery {
  return {
    deliveryId: id,
    campaignId: 5n,
    state: 'accepted',
    addressKey: `${local}@x.example`,
    domain: 'x.example',
    stream: 'marketing',
    senderDomain: 'shop.example',
    ...over,
  };
}

const ann = delivery(1n, 'ann');
const bob = delivery(2n, 'bob');
/** In the tables, not in the batch. */
const stranger = delivery(9n, 'stranger', { campaignId: 6n });
/** Of the same campaign, in another batch. */
const carl = delivery(3n, 'carl');
const known: Knowledge = {
  deliveries: new Map([ann, bob, carl, stranger].map((each) => [each.deliveryId, each])),
  batches: new Map([
    [BATCH, { batchId: BATCH, campaignId: 5n, firstDeliveryId: 1n, lastDeliveryId: 2n }],
  ]),
  recipients: new Map([ann, bob].map((each) => [recipientKey(BATCH, each.addressKey), each])),
};

function report(recipient: string, over: Partial<InspectedRecipient> = {}): InspectedRecipient {
  return {
    recipient,
    originalRecipient: null,
    status: '5.1.1',
    action: 'failed',
    diagnostic: '550 5.1.1 User unknown',
    verdict: { class: 'bad_mailbox', permanent: true, rule: 'test' },
    ...over,
  };
}

function arrival(address: string, over: Partial<Inspection> = {}, envelopeSender = ''): Arrival {
  const destination = readDestination(ring, address);
  if (destination === null) throw new Error(`no destination: ${address}`);
  const inspection: Inspection = {
    kind: 'bounce',
    recipients: [],
    envelopeId: null,
    traceToken: null,
    messageId: null,
    feedbackType: null,
    family: 'rfc3464',
    ...over,
  };
  const bytes = new Uint8Array();
  return {
    destination,
    envelopeSender,
    inspection,
    fingerprint: bytes,
    raw: bytes,
    receivedAt: now,
  };
}

const toAnn = bounceAddress(signToken(ring, 'delivery', 1n), BOUNCE_DOMAIN);
const toBatch = bounceAddress(signToken(ring, 'batch', BATCH), BOUNCE_DOMAIN);
const who = (each: Arrival) =>
  attribute(ring, each, known).map(({ delivery: { addressKey }, mismatch }) =>
    mismatch ? `${addressKey} (mismatch)` : addressKey,
  );
const what = (each: Arrival) => findingsOf(each, attribute(ring, each, known));

describe('who: a delivery token', () => {
  test.each([
    ['names its delivery', [report('Ann@X.example')], ['ann@x.example']],
    [
      'leads when the text names another, and says so',
      [report('bob@x.example')],
      ['ann@x.example (mismatch)'],
    ],
    ['names its delivery when the text names nobody', [], ['ann@x.example']],
    [
      'finds its own line among several',
      [
        report('bob@x.example'),
        report('ann@forward.example', { originalRecipient: 'ann@x.example' }),
      ],
      ['ann@x.example'],
    ],
  ])('%s', (_, recipients, expected) => {
    expect(who(arrival(toAnn, { recipients }))).toEqual(expected);
  });

  test('of a delivery that is not there names nobody', () => {
    const address = bounceAddress(signToken(ring, 'delivery', 404n), BOUNCE_DOMAIN);
    expect(who(arrival(address, { recipients: [report('ann@x.example')] }))).toEqual([]);
  });

  test('takes the worst that is said of it', () => {
    const recipients = [
      report('ann@x.example', { action: 'delayed' }),
      report('ann@x.example', { verdict: { class: 'full', permanent: false, rule: 'test' } }),
      report('ann@x.example'),
      report('ann@x.example', { action: 'delivered' }),
    ];
    expect(what(arrival(toAnn, { recipients }))).toMatchObject([
      { kind: 'bounce.late', class: 'bad_mailbox' },
    ]);
  });
});

describe('who: a batch token with a recipient behind it (XVERP)', () => {
  const behind = (name: string) => toBatch.replace('@', `+${name}@`);
  test.each([
    ['names him when the text names nobody', 'bob=x.example', [], ['bob@x.example']],
    ['names him in any case', 'BOB=X.example', [], ['bob@x.example']],
    [
      'when the text names a stranger',
      'bob=x.example',
      ['c@y.example'],
      ['bob@x.example (mismatch)'],
    ],
    ['after what the report says', 'bob=x.example', ['ann@x.example'], ['ann@x.example']],
    ['nobody outside of the batch', 'stranger=x.example', [], []],
  ])('%s', (_, name, reports, expected) => {
    const recipients = reports.map((address) => report(address));
    expect(who(arrival(behind(name), { recipients }))).toEqual(expected);
  });

  test('is looked up in the batch, and is a destination of its own', () => {
    const one = arrival(behind('bob=x.example'));
    expect(cluesOf(ring, one).addressKeys).toEqual(['bob@x.example']);
    expect(one.destination.address).not.toBe(arrival(toBatch).destination.address);
  });

  test('does not go with the token of one delivery', () => {
    expect(readDestination(ring, toAnn.replace('@', '+bob=x.example@'))).toBeNull();
  });
});

describe('who: a batch token', () => {
  test.each([
    ['by the final recipient', { recipients: [report('BOB@x.example')] }, ['bob@x.example']],
    [
      'by the original recipient first',
      { recipients: [report('ann@x.example', { originalRecipient: 'bob@x.example' })] },
      ['bob@x.example'],
    ],
    [
      'each of several, once',
      { recipients: [report('ann@x.example'), report('bob@x.example'), report('ann@x.example')] },
      ['ann@x.example', 'bob@x.example'],
    ],
    ['nobody outside of it', { recipients: [report('stranger@x.example')] }, []],
    [
      'by an envelope id that names a delivery',
      { envelopeId: formatId('dlv', 2n) },
      ['bob@x.example'],
    ],
    [
      'by an envelope id that is a token',
      { envelopeId: signToken(ring, 'delivery', 2n) },
      ['bob@x.example'],
    ],
    ['by the trace header', { traceToken: signToken(ring, 'feedback', 1n) }, ['ann@x.example']],
    ['not by a trace of another campaign', { traceToken: signToken(ring, 'feedback', 9n) }, []],
    ['not by a trace of another batch', { traceToken: signToken(ring, 'feedback', 3n) }, []],
    ['not by an envelope id of another batch', { envelopeId: formatId('dlv', 3n) }, []],
    ['not by a trace that was made up', { traceToken: 'ccaacucmznujsh6c27m3zupf' }, []],
    ['not by its own token in the trace', { traceToken: signToken(ring, 'batch', BATCH) }, []],
    [
      'the address before the trace',
      { recipients: [report('ann@x.example')], traceToken: signToken(ring, 'feedback', 2n) },
      ['ann@x.example'],
    ],
  ])('%s', (_, inspection, expected) => {
    expect(who(arrival(toBatch, inspection))).toEqual(expected);
  });

  test('asks only for addresses of its own batch', () => {
    const recipients = [report('a b@x.example'), report('Ann@x.example'), report('ann@x.example')];
    expect(cluesOf(ring, arrival(toBatch, { recipients }))).toEqual({
      deliveryIds: [],
      batchIds: [BATCH],
      addressKeys: ['ann@x.example'],
    });
  });

  test('unsubscribes only the envelope sender, and only a recipient of the batch', () => {
    const address = unsubscribeAddress(signToken(ring, 'unsubscribe_batch', BATCH), BOUNCE_DOMAIN);
    expect(who(arrival(address, { kind: 'none' }, 'Ann@x.example'))).toEqual(['ann@x.example']);
    expect(who(arrival(address, { kind: 'none' }, 'stranger@x.example'))).toEqual([]);
    expect(who(arrival(address, { kind: 'none' }, ''))).toEqual([]);
  });
});

describe('what: a report', () => {
  test('of a permanent failure: late bounce and suppression everywhere', () => {
    expect(what(arrival(toAnn, { recipients: [report('ann@x.example')] }))).toEqual([
      {
        kind: 'bounce.late',
        delivery: ann,
        class: 'bad_mailbox',
        rule: 'test',
        enhancedCode: '5.1.1',
        text: '550 5.1.1 User unknown',
        data: { action: 'failed', recipient: 'ann@x.example' },
        soft: null,
        suppression: {
          class: 'bad_mailbox',
          addressKey: 'ann@x.example',
          campaignId: 5n,
          deliveryId: 1n,
          reason: 'hard_bounce',
          origin: 'system',
          evidence: '5.1.1 550 5.1.1 User unknown',
          expiresAt: null,
        },
      },
    ]);
  });

  test('of a failure that is not his fault: late bounce, nobody suppressed', () => {
    const verdict = { class: 'full', permanent: false, rule: 'test' } as const;
    expect(
      what(arrival(toAnn, { recipients: [report('ann@x.example', { verdict })] })),
    ).toMatchObject([{ kind: 'bounce.late', class: 'full', suppression: null }]);
  });

  test.each(['delayed', 'delivered', 'relayed', 'expanded'] as const)(
    '%s: a notice, nobody suppressed',
    (action) => {
      expect(
        what(arrival(toAnn, { recipients: [report('ann@x.example', { action })] })),
      ).toMatchObject([
        { kind: 'bounce.notice', class: null, suppression: null, data: { action } },
      ]);
    },
  );

  test('that names nobody: a notice', () => {
    expect(what(arrival(toAnn))).toMatchObject([
      { kind: 'bounce.notice', delivery: ann, suppression: null },
    ]);
    expect(what(arrival(toBatch))).toMatchObject([
      { kind: 'bounce.notice', delivery: null, suppression: null },
    ]);
  });

  test.each([
    ['accepted', 'bounce.late'],
    ['sending', 'bounce.late'],
    ['ambiguous', 'bounce.late'],
    ['pending', 'bounce.notice'],
    ['bounced', 'bounce.notice'],
  ])('of a delivery in state %s: %s, and the policy applies', (state, kind) => {
    const each = arrival(toAnn, { recipients: [report('ann@x.example')] });
    const [finding] = findingsOf(each, [
      { delivery: { ...ann, state }, report: report('ann@x.example'), mismatch: false },
    ]);
    expect(finding).toMatchObject({ kind, suppression: { reason: 'hard_bounce' } });
  });

  test('a mismatch is marked', () => {
    expect(what(arrival(toAnn, { recipients: [report('bob@x.example')] }))).toMatchObject([
      { delivery: ann, data: { mismatch: true, recipient: 'bob@x.example' } },
    ]);
  });

  test.each(['autoreply', 'none'] as const)('%s: nothing', (kind) => {
    expect(what(arrival(toAnn, { kind, recipients: [report('ann@x.example')] }))).toEqual([]);
  });
});

describe('what: feedback', () => {
  const toFeedback = feedbackAddress(signToken(ring, 'feedback', 1n), BOUNCE_DOMAIN);

  test.each([toAnn, toFeedback])('a complaint to %s suppresses everywhere, for ever', (address) => {
    expect(what(arrival(address, { kind: 'feedback', feedbackType: 'abuse' }))).toMatchObject([
      {
        kind: 'feedback.complaint',
        delivery: ann,
        data: { feedback: 'abuse' },
        suppression: {
          reason: 'complaint',
          origin: 'recipient',
          expiresAt: null,
          addressKey: 'ann@x.example',
        },
      },
    ]);
  });

  test('about a batch, by the address in it', () => {
    const address = feedbackAddress(signToken(ring, 'batch', BATCH), BOUNCE_DOMAIN);
    const recipients = [report('bob@x.example')];
    expect(what(arrival(address, { kind: 'feedback', recipients }))).toMatchObject([
      { kind: 'feedback.complaint', delivery: bob },
    ]);
  });

  test('opt-out unsubscribes, not-spam is a notice', () => {
    expect(what(arrival(toFeedback, { kind: 'feedback', feedbackType: 'opt-out' }))).toMatchObject([
      {
        kind: 'recipient.unsubscribed',
        suppression: { scope: 'stream', scopeValue: 'shop.example/marketing' },
      },
    ]);
    expect(what(arrival(toFeedback, { kind: 'feedback', feedbackType: 'not-spam' }))).toMatchObject(
      [{ kind: 'bounce.notice', suppression: null }],
    );
  });

  test('a bounce at the feedback address means nothing', () => {
    expect(what(arrival(toFeedback, { recipients: [report('ann@x.example')] }))).toEqual([]);
  });
});

describe('what: mail to the unsubscribe address', () => {
  const address = unsubscribeAddress(signToken(ring, 'unsubscribe', 1n), BOUNCE_DOMAIN);

  test('unsubscribes from the stream, whoever the envelope sender is', () => {
    expect(what(arrival(address, { kind: 'none' }, 'other@y.example'))).toMatchObject([
      {
        kind: 'recipient.unsubscribed',
        delivery: ann,
        suppression: {
          reason: 'unsubscribe',
          scope: 'stream',
          scopeValue: 'shop.example/marketing',
          expiresAt: null,
        },
      },
    ]);
  });

  test.each(['bounce', 'autoreply', 'delivered'] as const)(
    'a machine\u2019s answer (%s) does not',
    (kind) => {
      expect(what(arrival(address, { kind }))).toEqual([]);
    },
  );
});

describe('a destination', () => {
  const token = (kind: Parameters<typeof signToken>[1]) => signToken(ring, kind, 1n);
  test.each([
    [`b+${token('delivery')}@${BOUNCE_DOMAIN}`, 'bounce'],
    [`B+${token('batch').toUpperCase()}@${BOUNCE_DOMAIN.toUpperCase()}.`, 'bounce'],
    [`u+${token('unsubscribe')}@${BOUNCE_DOMAIN}`, 'unsubscribe'],
    [`u+${token('unsubscribe_batch')}@${BOUNCE_DOMAIN}`, 'unsubscribe'],
    [`fbl+${token('feedback')}@${BOUNCE_DOMAIN}`, 'feedback'],
    [`fbl+${token('batch')}@${BOUNCE_DOMAIN}`, 'feedback'],
    [`Postmaster@${BOUNCE_DOMAIN}`, 'postmaster'],
    [`abuse@${BOUNCE_DOMAIN}`, 'postmaster'],
    ['postmaster', 'postmaster'],
  ])('%s is for %s', (address, purpose) => {
    expect(readDestination(ring, address)?.purpose).toBe(purpose);
  });

  test.each([
    `b+${token('unsubscribe')}@${BOUNCE_DOMAIN}`,
    `b+${token('feedback')}@${BOUNCE_DOMAIN}`,
    `u+${token('delivery')}@${BOUNCE_DOMAIN}`,
    `u+${token('feedback')}@${BOUNCE_DOMAIN}`,
    `fbl+${token('delivery')}@${BOUNCE_DOMAIN}`,
    `b+${token('delivery').slice(1)}@${BOUNCE_DOMAIN}`,
    `${token('delivery')}@${BOUNCE_DOMAIN}`,
    `info@${BOUNCE_DOMAIN}`,
    'abuse',
    'postmaster@',
    '',
  ])('%s is none', (address) => {
    expect(readDestination(ring, address)).toBeNull();
  });
});
