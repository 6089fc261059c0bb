/**
 * bounce/own-rules — rules of an operator: what is given, checked, and the order of all.
 *
 * Pure. Promises: a rule is a pattern, a class and the reply it was written for; all rules together are
 *           proved as the built-in ones are (rules/compile.ts): the evidence matches, the counter does
 *           not, the pattern cannot run away. One fault refuses them, all faults are named.
 *           Ids get the prefix `own.`, so that no later version of Volley can clash with them.
 */
import { z } from 'zod';
import { messageOf } from '../kernel/errors.ts';
import { createClassifier } from './classify.ts';
import { BOUNCE_CLASS_NAMES } from './classes.ts';
import type { Rule } from './rules/rule.ts';

export const OWN_PREFIX = 'own.';
const MAX_RULES = 1_000;
const PREFIXED = /^(?:own\.)?([a-z0-9][a-z0-9.-]{0,50})$/;

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\u0000'), 'may not have NUL characters');

export const OwnRule = z.strictObject({
  id: z.string().regex(PREFIXED, 'must be of a-z 0-9 . - (up to 51 characters)'),
  pattern: text(1_000).min(1),
  class: z.enum(BOUNCE_CLASS_NAMES as [string, ...string[]]),
  permanent: z.boolean().nullable().default(null),
  evidence: text(4_096).min(1),
  counter: text(4_096).default(''),
  source: text(500).default(''),
});
export type OwnRule = z.infer<typeof OwnRule>;

export type RulesResult = { ok: true; rules: Rule[] } | { ok: false; faults: string[] };

/** All of them together, proved. */
export function compileOwnRules(given: readonly OwnRule[]): RulesResult {
  if (given.length > MAX_RULES) return { ok: false, faults: [`more than ${MAX_RULES} rules`] };
  const rules: Rule[] = [];
  const faults: string[] = [];
  for (const each of given) {
    const rule = toRule(each);
    if (typeof rule === 'string') faults.push(rule);
    else rules.push(rule);
  }
  if (faults.length > 0) return { ok: false, faults };
  const proved = createClassifier(rules);
  return proved.ok ? { ok: true, rules } : { ok: false, faults: proved.faults };
}

/** What a file holds: a list of rules. */
export function readOwnRules(value: unknown): RulesResult {
  const parsed = z.array(OwnRule).safeParse(value ?? []);
  if (parsed.success) return compileOwnRules(parsed.data);
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  return { ok: false, faults };
}

function toRule(given: OwnRule): Rule | string {
  const id = `${OWN_PREFIX}${PREFIXED.exec(given.id)?.[1] ?? given.id}`;
  let pattern: RegExp;
  try {
    pattern = new RegExp(given.pattern, 'u');
  } catch (error) {
    return `${id}: ${messageOf(error)}`;
  }
  const { evidence, counter, source, permanent } = given;
  const name = given.class as Rule['class'];
  return { id, provider: 'own', pattern, class: name, permanent, evidence, counter, source };
}
