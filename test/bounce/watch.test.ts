import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BOUNCE_CLASSES, BOUNCE_CLASS_NAMES } from '../../src/bounce/classes.ts';
import { nextStep, outcomeOf } from '../../src/bounce/watch/watch.ts';
import type { NoticeOutcome, Watched, WatchState } from '../../src/bounce/watch/watch.ts';

const now = new Date('2026-03-10T12:00:00Z');
const times = { warnAfterDays: 1, probeAfterDays: 3, graceDays: 5 };
const inHours = (hours: number) => new Date(now.getTime() + hours * 3_600_000);

const watched = (state: WatchState, over: Partial<Watched> = {}): Watched => ({
  state,
  bounced: false,
  noticeAt: inHours(-2),
  outcome: 'under_way',
  suppressed: false,
  ...over,
});

describe('the steps', () => {
  test('a suspect whose time has come is warned', () => {
    expect(nextStep(watched('suspect'), times, now)).toEqual({ do: 'send', kind: 'warning' });
  });

  test('a warning that came back is followed by a probe, some days later', () => {
    const back = watched('warned', { outcome: 'bounced' });
    expect(nextStep(back, times, now)).toEqual({ do: 'wait', until: inHours(72), bounced: true });
    expect(nextStep({ ...back, bounced: true }, times, now)).toEqual({ do: 'send', kind: 'probe' });
  });

  test('a probe that came back is the end', () => {
    const back = watched('probed', { outcome: 'bounced' });
    expect(nextStep(back, times, now)).toEqual({ do: 'suppress' });
  });

  test.each(['warned', 'probed'] as const)(
    '%s, and no bounce: cleared after the grace',
    (state) => {
      const taken = watched(state, { outcome: 'accepted' });
      expect(nextStep(taken, times, now)).toMatchObject({ do: 'wait', bounced: false });
      expect(nextStep({ ...taken, noticeAt: inHours(-120) }, times, now)).toEqual({ do: 'clear' });
    },
  );

  test('while a message is under way nothing is decided, and it is looked at again', () => {
    const step = nextStep(watched('probed', { noticeAt: inHours(-9_999) }), times, now);
    expect(step).toMatchObject({ do: 'wait', bounced: false });
    expect(step.do === 'wait' && step.until > now).toBe(true);
  });

  const state = fc.constantFrom<WatchState>('suspect', 'warned', 'probed');
  const outcome = fc.constantFrom<NoticeOutcome>(
    'under_way',
    'accepted',
    'bounced',
    'inconclusive',
  );
  test('nobody is suppressed but by a probe that bounced; who is suppressed is left alone', () => {
    fc.assert(
      fc.property(state, outcome, fc.boolean(), fc.boolean(), (s, o, bounced, suppressed) => {
        const step = nextStep(watched(s, { outcome: o, bounced, suppressed }), times, now);
        if (suppressed) expect(step).toEqual({ do: 'drop' });
        else if (step.do === 'suppress') expect([s, o]).toEqual(['probed', 'bounced']);
        if (step.do === 'wait') expect(step.until.getTime()).toBeGreaterThan(now.getTime());
      }),
    );
  });
});

describe('what became of the message', () => {
  const facts = { deliveryState: null, deliveryClass: null, lateClass: null };

  test('not queued, pending: under way; accepted: accepted', () => {
    for (const deliveryState of [null, 'pending']) {
      expect(outcomeOf({ ...facts, deliveryState })).toBe('under_way');
    }
    expect(outcomeOf({ ...facts, deliveryState: 'accepted' })).toBe('accepted');
    expect(outcomeOf({ ...facts, deliveryState: 'cancelled' })).toBe('inconclusive');
  });

  test('only a class of the recipient\u2019s own fault is held against him, at once or later', () => {
    for (const name of BOUNCE_CLASS_NAMES) {
      const expected = BOUNCE_CLASSES[name].fault === 'recipient' ? 'bounced' : 'inconclusive';
      for (const deliveryState of ['bounced', 'expired']) {
        expect(outcomeOf({ ...facts, deliveryState, deliveryClass: name })).toBe(expected);
      }
      expect(outcomeOf({ ...facts, deliveryState: 'accepted', lateClass: name })).toBe(expected);
    }
  });
});
