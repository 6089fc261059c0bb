import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOUNCE_CLASS_NAMES } from '../../src/bounce/classes.ts';
import { classify } from '../../src/bounce/classify.ts';
import { replyText, TEXT_LIMIT } from '../../src/bounce/reply-text.ts';
import { compileRules, isLinear, requiredLiterals } from '../../src/bounce/rules/compile.ts';
import { BUILTIN_RULES } from '../../src/bounce/rules/index.ts';
import type { Rule } from '../../src/bounce/rules/rule.ts';

const RULE: Rule = {
  id: 'test.rule',
  provider: 'test',
  pattern: /no way/,
  class: 'policy',
  permanent: true,
  evidence: '550 No way',
  counter: '550 One way',
  source: 'RFC 5321',
};

function faultsOf(change: Partial<Rule>): string[] {
  const compiled = compileRules([{ ...RULE, ...change }]);
  return compiled.ok ? [] : compiled.faults;
}

describe('the rules that are shipped', () => {
  it('are all proved by their evidence and counter', () => {
    const compiled = compileRules(BUILTIN_RULES);
    expect(compiled.ok ? [] : compiled.faults).toEqual([]);
  });

  it.each(BUILTIN_RULES.map((rule) => [rule.id, rule] as const))(
    '%s decides its own evidence, so no rule hides it',
    (id, rule) => {
      const verdict = classify({ code: null, enhanced: null, text: rule.evidence, stage: null });
      expect(verdict).toMatchObject({ rule: id, class: rule.class });
    },
  );

  it('name a source, and a class that exists', () => {
    for (const rule of BUILTIN_RULES) {
      expect(rule.source.length, rule.id).toBeGreaterThan(4);
      expect(BOUNCE_CLASS_NAMES, rule.id).toContain(rule.class);
      expect(rule.id.startsWith(`${rule.provider}.`), rule.id).toBe(true);
    }
  });

  it('cost little: all of them on the worst of 300 hostile texts take less than 200 ms of CPU', () => {
    const words = BUILTIN_RULES.flatMap((rule) => requiredLiterals(rule.pattern.source));
    let worstMs = 0;
    for (const word of [...new Set(words)].slice(0, 2_000)) {
      const text = replyText(word.repeat(Math.ceil(TEXT_LIMIT / word.length)));
      const before = process.cpuUsage();
      for (const rule of BUILTIN_RULES) rule.pattern.test(text);
      worstMs = Math.max(worstMs, process.cpuUsage(before).user / 1_000);
    }
    expect(worstMs).toBeLessThan(200);
  });
});

describe('compileRules', () => {
  it('accepts a good rule and gives the first that fits', () => {
    const compiled = compileRules([RULE, { ...RULE, id: 'test.second' }]);
    expect(compiled.ok && compiled.matcher.match(replyText('550 no WAY'))?.id).toBe('test.rule');
    expect(compiled.ok && compiled.matcher.match('550 yes')).toBeNull();
  });

  it('names every fault', () => {
    expect(faultsOf({ evidence: '550 other' })).toEqual(['test.rule: the evidence does not match']);
    expect(faultsOf({ counter: '550 no way' })).toEqual(['test.rule: the counter matches']);
    expect(faultsOf({ pattern: /no way/i })[0]).toContain('flags');
    expect(faultsOf({ id: 'Bad Id' })[0]).toContain('the id');
    expect(faultsOf({ pattern: /(?:no )+way/ })).toEqual([]);
    expect(faultsOf({ pattern: /(?:n+o )+way/ })[0]).toContain('repeats');
    const twice = compileRules([RULE, RULE]);
    expect(twice.ok ? [] : twice.faults).toEqual(['test.rule: the id is used twice']);
  });
});

describe('isLinear', () => {
  it.each([
    'a+b+',
    '.{0,80}x',
    '(?:abc)?d',
    '(?:a|b){2}',
    '[^ ]{1,40}',
    'a(?:b.{0,20})?c',
    '\\(a\\)+',
  ])('allows %s', (source) => {
    expect(isLinear(source)).toBe(true);
  });

  it.each([
    '(?:a+)+',
    '(a*)*b',
    '(?:a|b+){2,}',
    '(?=x)',
    '(?<!y)',
    '(a)\\1',
    '.*x',
    '.{0,80}.{0,80}x',
    '(?:x(?:y+)z)*',
  ])('refuses %s', (source) => {
    expect(isLinear(source)).toBe(false);
  });
});

describe('requiredLiterals', () => {
  it('finds what every match contains', () => {
    expect(requiredLiterals('foo bar')).toEqual(['foo bar']);
    expect(requiredLiterals('foo.{0,9}longer|other')).toEqual(['longer', 'other']);
    expect(requiredLiterals('ab|cdef')).toEqual([]);
    expect(requiredLiterals('colou?r here')).toEqual(['r here']);
    expect(requiredLiterals('x(?:aaa|bbb)yyy')).toEqual(['yyy']);
    expect(requiredLiterals('\\bmi:sfq\\b')).toEqual(['mi:sfq']);
  });

  it('never hides a match: with and without the shortcut the answer is the same', () => {
    const evidence = BUILTIN_RULES.map((rule) => rule.evidence);
    const compiled = compileRules(BUILTIN_RULES);
    fc.assert(
      fc.property(fc.constantFrom(...evidence), fc.string({ maxLength: 30 }), (text, noise) => {
        const seen = replyText(`${text} ${noise}`);
        const plain = BUILTIN_RULES.find((rule) => rule.pattern.test(seen)) ?? null;
        expect(compiled.ok && compiled.matcher.match(seen)).toBe(plain);
      }),
      { numRuns: 500 },
    );
  });
});
