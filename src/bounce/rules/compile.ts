/**
 * bounce/rules/compile — a list of rules becomes a matcher, or the list of its faults.
 *
 * Promises: pure. Every rule is proved: its evidence matches it and its counter does not, its id is
 *           unique, its pattern is linear (no repetition inside a repetition, no back reference).
 *           The matcher gives the first rule that fits. It costs one substring search per rule and
 *           a regular expression only for those whose literals are there.
 * Why:      V8's regular expressions backtrack; a pattern from an operator may not stop the engine.
 * See:      rule.ts, text.ts (what the text looks like when it is matched).
 */
import { replyText } from '../reply-text.ts';
import type { Rule } from './rule.ts';

export interface Matcher {
  rules: readonly Rule[];
  /** `text` as replyText() makes it. */
  match(text: string): Rule | null;
}

export type Compiled = { ok: true; matcher: Matcher } | { ok: false; faults: string[] };

interface Entry {
  rule: Rule;
  /** One of these is in every text that matches; empty when nothing could be derived. */
  literals: readonly string[];
}

export function compileRules(rules: readonly Rule[]): Compiled {
  const faults: string[] = [];
  const ids = new Set<string>();
  for (const rule of rules) {
    if (ids.has(rule.id)) faults.push(`${rule.id}: the id is used twice`);
    ids.add(rule.id);
    for (const fault of faultsOf(rule)) faults.push(`${rule.id}: ${fault}`);
  }
  if (faults.length > 0) return { ok: false, faults };
  const entries = rules.map((rule) => ({ rule, literals: requiredLiterals(rule.pattern.source) }));
  return { ok: true, matcher: { rules, match: (text) => firstMatch(entries, text) } };
}

function firstMatch(entries: readonly Entry[], text: string): Rule | null {
  for (const { rule, literals } of entries) {
    if (literals.length > 0 && !literals.some((literal) => text.includes(literal))) continue;
    if (rule.pattern.test(text)) return rule;
  }
  return null;
}

function faultsOf(rule: Rule): string[] {
  const faults: string[] = [];
  const { source, flags } = rule.pattern;
  if (!/^[a-z0-9][a-z0-9.-]{2,60}$/.test(rule.id)) faults.push('the id has other than a-z 0-9 . -');
  if (/[gyi]/.test(flags)) faults.push('the flags g, y and i are not allowed');
  if (source.length > 1_000) faults.push('the pattern is longer than 1,000 characters');
  if (!isLinear(source)) faults.push('the pattern repeats a repetition or refers back');
  if (faults.length > 0) return faults;
  if (!rule.pattern.test(replyText(rule.evidence))) faults.push('the evidence does not match');
  if (rule.pattern.test(replyText(rule.counter))) faults.push('the counter matches');
  return faults;
}

/** Steps per starting character that one alternative may cost; 4,096 starts x 1,000 = a few ms. */
const MAX_COST = 1_000;
/** An endless repetition of a narrow class (`\\S+`) ends with the word. */
const WORD = 9;

interface Group {
  /** What the dearest alternative so far costs, and the one that is being read. */
  dearest: number;
  cost: number;
  repeats: boolean;
}

/**
 * No group that holds a variable repetition may be repeated, no look-around, no back reference; and
 * what the repetitions of one alternative multiply to stays under MAX_COST, so `.{0,80}` is fine,
 * `.*` is not.
 */
export function isLinear(source: string): boolean {
  const outer: Group = { dearest: 1, cost: 1, repeats: false };
  const groups: Group[] = [outer];
  let closedRepeats = false;
  let wide = false;
  for (const token of regexTokens(source)) {
    const group = groups.at(-1) ?? outer;
    if (/^\\(?:[1-9]|k)|^\(\?(?!:)/.test(token)) return false;
    const most = mostRepeats(token, wide);
    if (most !== null) {
      if (closedRepeats && token !== '?') return false;
      group.cost *= most + 1;
      if (!/^\?$|^\{\d+\}$/.test(token)) group.repeats = true;
    }
    closedRepeats = false;
    wide = token === '.' || token.startsWith('[^');
    if (token === '|') endAlternative(group);
    if (token.startsWith('(')) groups.push({ dearest: 1, cost: 1, repeats: false });
    if (token !== ')') continue;
    const closed = groups.length > 1 ? groups.pop() : undefined;
    const around = groups.at(-1) ?? outer;
    if (closed === undefined) continue;
    endAlternative(closed);
    around.cost *= closed.dearest;
    around.repeats ||= closed.repeats;
    closedRepeats = closed.repeats;
  }
  endAlternative(outer);
  return outer.dearest <= MAX_COST;
}

function endAlternative(group: Group): void {
  group.dearest = Math.max(group.dearest, group.cost);
  group.cost = 1;
}

/** How often a quantifier repeats at most; null when the token is none. */
function mostRepeats(token: string, wide: boolean): number | null {
  if (token === '?') return 0;
  if (token === '*' || token === '+' || /^\{\d+,\}$/.test(token)) return wide ? MAX_COST : WORD;
  const bounds = /^\{(\d+)(?:,(\d+))?\}$/.exec(token);
  if (bounds === null) return null;
  return bounds[2] === undefined ? 0 : Number(bounds[2]) - Number(bounds[1]);
}

/**
 * The longest plain run of each alternative at the top level: a cheap necessary condition.
 * Empty when one alternative has none of three or more characters.
 */
export function requiredLiterals(source: string): string[] {
  const alternatives: string[] = [];
  let best = '';
  let run = '';
  let depth = 0;
  const endRun = (): void => {
    if (run.length > best.length) best = run;
    run = '';
  };
  for (const token of regexTokens(source)) {
    if (token.startsWith('(')) depth += 1;
    if (depth === 0 && token === '|') {
      endRun();
      alternatives.push(best);
      best = '';
    } else if (depth === 0 && /^[?*]$|^\{0/.test(token)) {
      run = run.slice(0, -1);
      endRun();
    } else {
      const plain = depth === 0 ? plainCharacter(token) : null;
      if (plain === null) endRun();
      else run += plain;
    }
    if (token === ')') depth -= 1;
  }
  endRun();
  alternatives.push(best);
  return alternatives.every((literal) => literal.length >= 3) ? alternatives : [];
}

function plainCharacter(token: string): string | null {
  if (/^[^\\^$.|?*+()[\]{}]$/u.test(token)) return token;
  return /^\\[^\w]$/.test(token) ? token.slice(1) : null;
}

/** A pattern cut into characters, escapes, classes, group openings and quantifiers. */
function regexTokens(source: string): string[] {
  const token =
    /\\(?:[pPu]\{[^}]*\}|x[0-9a-f]{2}|u[0-9a-f]{4}|.)|\[(?:[^\]\\]|\\.)*\]|\(\?(?:<?[:=!]|<)?|\{\d+(?:,\d*)?\}|[^]/giu;
  return source.match(token) ?? [];
}
