/** bounce/own-rules/store — SQL of an operator's rules, and of how often each rule decided. */
import { CHANNELS } from '../../kernel/events.ts';
import type { Db } from '../../kernel/postgres/connect.ts';
import type { Rule } from '../rules/rule.ts';

export interface StoredRule {
  id: string;
  pattern: string;
  class: string;
  permanent: boolean | null;
  evidence: string;
  counter: string;
  source: string;
}

export async function selectRules(db: Db): Promise<StoredRule[]> {
  return await db<StoredRule[]>`
    select id, pattern, class, permanent, evidence, counter, source
    from bounce_rules order by created_at, id`;
}

/** False when the id is taken. Told by NOTIFY. */
export async function insertRule(db: Db, rule: Rule): Promise<boolean> {
  const rows = await db`
    with added as (
      insert into bounce_rules (id, pattern, class, permanent, evidence, counter, source)
      values (${rule.id}, ${rule.pattern.source}, ${rule.class}, ${rule.permanent}, ${rule.evidence},
        ${rule.counter}, ${rule.source})
      on conflict (id) do nothing returning id
    )
    select pg_notify(${CHANNELS.rules}, id) from added`;
  return rows.length === 1;
}

export async function deleteRule(db: Db, id: string): Promise<boolean> {
  const rows = await db`
    with gone as (delete from bounce_rules where id = ${id} returning id)
    select pg_notify(${CHANNELS.rules}, id) from gone`;
  return rows.length === 1;
}

export interface RuleCount {
  /** As verdicts name it: `any.user-unknown/after-data`, `code:550`. */
  rule: string;
  total: bigint;
  last30Days: bigint;
}

export async function countRules(db: Db): Promise<RuleCount[]> {
  return await db<RuleCount[]>`
    select rule, sum(count)::bigint as total,
      coalesce(sum(count) filter (where day > current_date - 30), 0)::bigint as "last30_days"
    from rule_rollups group by rule`;
}
