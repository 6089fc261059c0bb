import { describe, expect, test } from 'vitest';
import { BOUNCE_CLASSES, BOUNCE_CLASS_NAMES } from '../../src/bounce/classes.ts';
import type { BounceClass } from '../../src/bounce/classes.ts';
import {
  feedbackMeaning,
  HARD_RULES,
  RECIPIENT_CLASSES,
  SOFT_LIMITS,
  softKindOf,
  suppressionFor,
} from '../../src/bounce/policy.ts';

const now = new Date('2026-03-01T10:00:00Z');
const verdict = (name: BounceClass, permanent: boolean) => ({
  class: name,
  permanent,
  rule: 'test',
});

describe('a permanent failure', () => {
  test.each([
    ['bad_mailbox', null],
    ['inactive', new Date('2026-05-30T10:00:00Z')],
    ['bad_domain', new Date('2026-03-08T10:00:00Z')],
  ] as const)('%s suppresses at once, until %s', (name, expiresAt) => {
    expect(suppressionFor(verdict(name, true), now)).toEqual({ reason: 'hard_bounce', expiresAt });
  });

  test('of every other class suppresses nobody, permanent or not', () => {
    for (const name of BOUNCE_CLASS_NAMES) {
      if (['bad_mailbox', 'inactive', 'bad_domain'].includes(name)) continue;
      expect(suppressionFor(verdict(name, true), now)).toBeNull();
      expect(suppressionFor(verdict(name, false), now)).toBeNull();
    }
  });

  test('every rule is about a class that is the recipient\u2019s own fault', () => {
    for (const name of Object.keys(HARD_RULES) as BounceClass[]) {
      expect(BOUNCE_CLASSES[name].fault).toBe('recipient');
    }
  });
});

test('a temporary failure suppresses nobody', () => {
  for (const name of BOUNCE_CLASS_NAMES) {
    expect(suppressionFor(verdict(name, false), now)).toBeNull();
  }
});

describe('a soft bounce', () => {
  test('is only what is the recipient\u2019s own: never rate, reputation, content, auth, network', () => {
    const counted = BOUNCE_CLASS_NAMES.filter((name) => softKindOf(name) !== null);
    expect(counted).toEqual([
      'bad_mailbox',
      'bad_domain',
      'inactive',
      'full',
      'blocked_by_recipient',
    ]);
    expect(RECIPIENT_CLASSES).toEqual(counted);
  });

  test('a full mailbox takes more failures, over a longer time, than the others', () => {
    expect(softKindOf('full')).toBe('full');
    expect(softKindOf('blocked_by_recipient')).toBe('soft');
    expect(SOFT_LIMITS.soft).toEqual({ failures: 3, windowDays: 30, days: 2 });
    for (const key of ['failures', 'windowDays', 'days'] as const) {
      expect(SOFT_LIMITS.full[key]).toBeGreaterThan(SOFT_LIMITS.soft[key]);
    }
  });
});

test.each([
  ['abuse', 'complaint'],
  ['Fraud', 'complaint'],
  ['other', 'complaint'],
  [null, 'complaint'],
  ['x-unheard-of', 'complaint'],
  ['opt-out', 'unsubscribe'],
  ['not-spam', 'notice'],
  ['auth-failure', 'notice'],
  ['virus', 'notice'],
  ['constructor', 'complaint'],
] as const)('feedback type %s means %s', (type, meaning) => {
  expect(feedbackMeaning(type)).toBe(meaning);
});
