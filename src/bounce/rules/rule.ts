/**
 * bounce/rules/rule — what a rule is, and how a list of rules becomes a matcher.
 *
 * A rule is data: what it looks for, what it means, and the evidence it was written for. The first
 * rule that matches wins, so specific (provider) rules stand before general ones.
 *
 * Promises: `compileRules` is pure; it proves every rule: its evidence must match it, its counter
 *           must not, and its pattern must be safe (linear: no repetition inside a repetition).
 *           Matching looks at most at TEXT_LIMIT characters, in lower case, white space folded.
 * Fails:    with the list of all faults; a list with a fault gives no matcher.
 */
import type { BounceClass } from '../classes.ts';

export interface Rule {
  /** `qq.ip-frequency`: unique, stable, shown with every verdict. */
  id: string;
  /** Who says it: `qq`, `netease`, `gmail`...; `any` when many do. */
  provider: string;
  /** Tried on the lower-cased text, codes included. */
  pattern: RegExp;
  class: BounceClass;
  /** Null: as the first digit of the reply says (5 = permanent). */
  permanent: boolean | null;
  /** A whole reply this rule was written for. */
  evidence: string;
  /** A reply that looks alike and must not match. */
  counter: string;
  /** URL, RFC section, or the documentation it comes from. */
  source: string;
}
