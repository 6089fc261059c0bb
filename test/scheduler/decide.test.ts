import { expect, test } from 'vitest';
import type { SiteFailure } from '../../src/mta/transaction.ts';
import { decide } from '../../src/scheduler/record/decide.ts';
import type { DecisionContext } from '../../src/scheduler/record/decide.ts';
import { nextAttemptAt } from '../../src/scheduler/retry.ts';

const NOW = new Date('2026-01-01T00:00:00Z');

const CONTEXT: DecisionContext = {
  attempts: 0,
  expiresAt: new Date('2026-01-02T00:00:00Z'),
  ambiguityPolicy: 'hold',
  retryScheduleSeconds: [60, 600],
  now: NOW,
  random: () => 0.5,
};

const OUTCOME: SiteFailure = {
  result: 'accepted',
  stage: 'dot',
  reply: { code: 250, enhanced: '2.0.0', text: 'ok' },
  failure: null,
  mxHost: 'mx.example.com',
  mxAddress: '192.0.2.1:25',
  sourceAddress: null,
  tls: null,
  startedAt: NOW,
  durationMs: 10,
};

function refused(code: number, enhanced: string | null, text: string): SiteFailure {
  const result = code < 500 ? 'deferred' : 'rejected';
  return { ...OUTCOME, result, stage: 'rcpt', reply: { code, enhanced, text } };
}

test('2xx is accepted', () => {
  expect(decide(OUTCOME, CONTEXT)).toMatchObject({
    state: 'accepted',
    event: 'delivery.accepted',
    class: null,
  });
});

test('a mailbox that does not exist is bounced and suppressed', () => {
  expect(decide(refused(550, '5.1.1', 'User unknown'), CONTEXT)).toMatchObject({
    state: 'bounced',
    class: 'bad_mailbox',
    suppression: { reason: 'hard_bounce' },
  });
});

test("a 5xx that is a rate limit is deferred: the provider's first digit is not the truth", () => {
  const decision = decide(refused(550, null, 'Ip frequency limited'), CONTEXT);
  expect(decision).toMatchObject({ state: 'pending', class: 'rate_limited', suppression: null });
  expect(decision.nextAttemptAt).toEqual(new Date('2026-01-01T00:01:00Z'));
});

test('what was said before RCPT, or to a copy for many, is held against nobody', () => {
  const unknown = refused(550, '5.1.1', 'User unknown');
  const early = (['greeting', 'ehlo', 'mail'] as const).map((stage) => ({ ...unknown, stage }));
  const disabled = refused(550, null, 'Account disabled');
  const shared = { ...disabled, stage: 'dot', shared: true } as const;
  for (const outcome of [...early, shared]) {
    expect(decide(outcome, CONTEXT)).toMatchObject({
      state: 'bounced',
      class: 'policy',
      suppression: null,
      soft: null,
    });
  }
  expect(decide({ ...disabled, stage: 'dot' }, CONTEXT).suppression).not.toBeNull();
});

test('a temporary failure waits longer each time, and expires instead of passing the ttl', () => {
  const full = refused(452, '4.2.2', 'Mailbox full');
  expect(decide(full, { ...CONTEXT, attempts: 1 }).nextAttemptAt).toEqual(
    new Date('2026-01-01T00:10:00Z'),
  );
  const late = { ...CONTEXT, expiresAt: new Date('2026-01-01T00:00:30Z') };
  expect(decide(full, late)).toMatchObject({
    state: 'expired',
    event: 'delivery.expired',
    nextAttemptAt: null,
  });
});

test('a soft bounce is counted when the delivery is over, and not when it is put off', () => {
  const full = refused(452, '4.2.2', 'Mailbox full');
  const late = { ...CONTEXT, expiresAt: new Date('2026-01-01T00:00:30Z') };
  expect(decide(full, CONTEXT)).toMatchObject({ state: 'pending', soft: null });
  expect(decide(full, late)).toMatchObject({ state: 'expired', soft: 'full' });
  expect(decide(refused(451, '4.7.1', 'Greylisted'), late)).toMatchObject({ soft: null });
  expect(decide(refused(550, '5.1.1', 'User unknown'), CONTEXT).soft).toBeNull();
  expect(decide(OUTCOME, CONTEXT).soft).toBeNull();
  const blocked = refused(
    550,
    '5.7.1',
    'Your message was rejected by this user and was not delivered',
  );
  expect(decide(blocked, CONTEXT)).toMatchObject({
    state: 'bounced',
    class: 'blocked_by_recipient',
    suppression: null,
    soft: 'soft',
  });
});

test.each([
  ['hold', 'ambiguous'],
  ['retry', 'pending'],
  ['assume_accepted', 'accepted'],
] as const)(
  'ambiguous with policy %s becomes %s, and is told as ambiguous',
  (ambiguityPolicy, state) => {
    const lost: SiteFailure = {
      ...OUTCOME,
      result: 'ambiguous',
      reply: null,
      failure: 'connection_lost',
    };
    expect(decide(lost, { ...CONTEXT, ambiguityPolicy })).toMatchObject({
      state,
      event: 'delivery.ambiguous',
    });
  },
);

test('an attempt that we broke off ourselves is no attempt', () => {
  const aborted: SiteFailure = { ...OUTCOME, result: 'deferred', reply: null, failure: 'aborted' };
  expect(decide(aborted, CONTEXT)).toMatchObject({ state: 'pending', counted: false, event: null });
});

test.each([
  ['no_such_domain', 'rejected', 'bounced', 'bad_domain', true],
  ['null_mx', 'rejected', 'bounced', 'bad_domain', true],
  ['too_large', 'rejected', 'bounced', 'too_large', false],
  ['dns_temporary', 'deferred', 'pending', 'network', false],
  ['connect_failed', 'deferred', 'pending', 'network', false],
] as const)('%s is %s: %s, class %s', (failure, result, state, name, suppresses) => {
  const decision = decide({ ...OUTCOME, result, reply: null, failure }, CONTEXT);
  expect(decision).toMatchObject({ state, class: name });
  expect(decision.suppression !== null).toBe(suppresses);
});

test('retry times spread by ten percent', () => {
  const at = (random: number): number =>
    (nextAttemptAt([100], 5, NOW, CONTEXT.expiresAt, () => random)?.getTime() ?? 0) - NOW.getTime();
  expect([at(0), at(0.5), at(0.999999)].map((ms) => Math.round(ms / 1000))).toEqual([90, 100, 110]);
});
