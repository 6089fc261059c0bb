import { describe, expect, test } from 'vitest';
import { BOUNCE_CLASSES, BOUNCE_CLASS_NAMES } from '../../src/bounce/classes.ts';
import type { BounceClass } from '../../src/bounce/classes.ts';
import { feedbackMeaning, HARD_RULES, suppressionFor } from '../../src/bounce/policy.ts';

const now = new Date('2026-03-01T10:00:00Z');
const verdict = (name: BounceClass, permanent: boolean) => ({
  class: name,
  permanent,
  rule: 'test',
});

describe('a permanent failure', () => {
  test.each([
    ['bad_mailbox', null],
    ['inactive', null],
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
