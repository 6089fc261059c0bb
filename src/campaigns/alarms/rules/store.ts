/** campaigns/alarms/rules/store — SQL of `alarm_rules`. */
import type { alarmRules } from '../../../../drizzle/schema.ts';
import type { Db } from '../../../kernel/postgres/connect.ts';
import type { AlarmAction, Metric, RuleInput } from '../rule.ts';

export type RuleRow = typeof alarmRules.$inferSelect & { metric: Metric; action: AlarmAction };

/** undefined: the name is taken. */
export async function insertRule(db: Db, rule: RuleInput): Promise<RuleRow | undefined> {
  const [row] = await db<RuleRow[]>`
    insert into alarm_rules (name, metric, sender_id, provider, window_minutes, min_volume,
      threshold, action)
    values (${rule.name}, ${rule.metric}, ${rule.senderId}, ${rule.provider},
      ${rule.windowMinutes}, ${rule.minVolume}, ${rule.threshold}, ${rule.action})
    on conflict (name) do nothing returning *`;
  return row;
}

/** undefined: there is no such rule. Throws when the name is another's. */
export async function updateRule(
  db: Db,
  id: bigint,
  rule: RuleInput,
): Promise<RuleRow | undefined> {
  const [row] = await db<RuleRow[]>`
    update alarm_rules
    set name = ${rule.name}, metric = ${rule.metric}, sender_id = ${rule.senderId},
      provider = ${rule.provider}, window_minutes = ${rule.windowMinutes},
      min_volume = ${rule.minVolume}, threshold = ${rule.threshold}, action = ${rule.action}
    where id = ${id} returning *`;
  return row;
}

export async function deleteRuleById(db: Db, id: bigint): Promise<RuleRow | undefined> {
  const [row] = await db<RuleRow[]>`delete from alarm_rules where id = ${id} returning *`;
  return row;
}

/** All of them, by name. */
export async function selectRules(db: Db): Promise<RuleRow[]> {
  return db<RuleRow[]>`select * from alarm_rules order by name`;
}
