/**
 * bounce/rules/rule — what a rule is.
 *
 * A rule is data: what it looks for, what it means, and the evidence it was written for. The first
 * rule that matches wins, so specific (provider) rules stand before general ones.
 *
 * See: compile.ts (proves and compiles rules), ../reply-text.ts (the text they are tried on),
 *      docs/bounces.md (how to add one).
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
  /** False: not final although it is a 5xx. Null: as the class says. A 4xx is never final. */
  permanent: boolean | null;
  /** A whole reply this rule was written for. */
  evidence: string;
  /** A reply that looks alike and must not match. */
  counter: string;
  /** URL, RFC section, or the software it comes from. */
  source: string;
}

/** A rule as the tables write it: the provider's name is put before the id. */
export interface RuleRow {
  id: string;
  class: BounceClass;
  permanent?: boolean;
  pattern: RegExp;
  evidence: string;
  counter: string;
  source?: string;
}

export function rulesOf(provider: string, source: string, rows: readonly RuleRow[]): Rule[] {
  return rows.map((row) => ({
    id: `${provider}.${row.id}`,
    provider,
    pattern: row.pattern,
    class: row.class,
    permanent: row.permanent ?? null,
    evidence: row.evidence,
    counter: row.counter,
    source: row.source ?? source,
  }));
}
