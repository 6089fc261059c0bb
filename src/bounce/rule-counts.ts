/**
 * bounce/rule-counts — rules with how often each decided, and the replies that still have none.
 *
 * Promises: counts come from a rollup written with the events (kernel/rollups); a rule's variants
 *           (`any.user-unknown/after-data`) count for it. A reply that a rule of today recognises is
 *           no longer shown as unmatched.
 */
import type { Sql } from '../kernel/postgres/connect.ts';
import { countRules } from './own-rules/store.ts';
import type { RuleInForce, Rulebook } from './rulebook.ts';
import { isUnmatched } from './unmatched.ts';
import { listUnmatched } from './unmatched/store.ts';
import type { UnmatchedRow } from './unmatched/store.ts';

export interface CountedRule extends RuleInForce {
  fired: number;
  /** In the last 30 days. */
  firedLately: number;
}

const MAX_LISTED = 2_000;

export async function rulesWithCounts(
  sql: Sql,
  rulebook: Pick<Rulebook, 'rules'>,
): Promise<CountedRule[]> {
  const counts = new Map<string, { fired: number; firedLately: number }>();
  for (const { rule, total, last30Days } of await countRules(sql)) {
    const id = rule.split('/')[0] ?? rule;
    const known = counts.get(id) ?? { fired: 0, firedLately: 0 };
    counts.set(id, {
      fired: known.fired + Number(total),
      firedLately: known.firedLately + Number(last30Days),
    });
  }
  return rulebook
    .rules()
    .map((rule) => ({ ...rule, ...(counts.get(rule.id) ?? { fired: 0, firedLately: 0 }) }));
}

/** Most frequent first. */
export async function stillUnmatched(
  sql: Sql,
  rulebook: Pick<Rulebook, 'classify'>,
  limit: number,
): Promise<UnmatchedRow[]> {
  const rows = await listUnmatched(sql, MAX_LISTED);
  const still = rows.filter(({ code, enhanced, stage, sample: text }) =>
    isUnmatched(rulebook.classify({ code, enhanced, stage, text }).rule),
  );
  return still.slice(0, limit);
}
