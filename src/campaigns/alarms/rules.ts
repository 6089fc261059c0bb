/**
 * campaigns/alarms/rules — alarm rules, as operators set them.
 *
 * Promises: three rules are there from the first start, with the action `none`; they can be changed and
 *           removed like any other. A changed rule counts from the next evaluation on.
 * Fails:    `invalid_request` with a pointer per wrong field; `conflict` for a name that is taken, and
 *           over 100 rules; `not_found`.
 */
import { AppError } from '../../kernel/errors.ts';
import type { CampaignDeps } from '../deps.ts';
import { selectSender } from '../senders/store.ts';
import { ruleProblems } from './rule.ts';
import type { RuleInput } from './rule.ts';
import { deleteRuleById, insertRule, selectRules, updateRule } from './rules/store.ts';
import type { RuleRow } from './rules/store.ts';

export type AlarmRule = RuleRow;

type Deps = Pick<CampaignDeps, 'sql'>;
const MAX_RULES = 100;
const UNIQUE_VIOLATION = '23505';

export async function createRule(deps: Deps, input: RuleInput): Promise<AlarmRule> {
  await check(deps, input);
  if ((await selectRules(deps.sql)).length >= MAX_RULES) {
    throw new AppError('conflict', `there are ${MAX_RULES} alarm rules already: remove some`);
  }
  const row = await insertRule(deps.sql, input);
  if (row === undefined) throw nameTaken(input);
  return row;
}

export async function changeRule(deps: Deps, id: bigint, input: RuleInput): Promise<AlarmRule> {
  await check(deps, input);
  try {
    const row = await updateRule(deps.sql, id, input);
    if (row === undefined) throw new AppError('not_found', 'no such alarm rule');
    return row;
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION;
    throw taken ? nameTaken(input) : error;
  }
}

/** Answers what it was. Its alarms are cleared by the next evaluation. */
export async function deleteRule({ sql }: Deps, id: bigint): Promise<AlarmRule> {
  const row = await deleteRuleById(sql, id);
  if (row === undefined) throw new AppError('not_found', 'no such alarm rule');
  return row;
}

export async function listRules({ sql }: Deps): Promise<AlarmRule[]> {
  return selectRules(sql);
}

async function check({ sql }: Deps, input: RuleInput): Promise<void> {
  const problems = ruleProblems(input);
  const { senderId } = input;
  if (senderId !== null && (await selectSender(sql, senderId)) === undefined) {
    problems.push(['/sender_id', 'there is no such sender']);
  }
  if (problems.length === 0) return;
  const [first] = problems;
  throw new AppError('invalid_request', `the rule cannot be used like this: ${first?.[1] ?? ''}`, {
    errors: problems.map(([pointer, detail]) => ({ pointer, code: 'invalid_value', detail })),
  });
}

function nameTaken({ name }: RuleInput): AppError {
  return new AppError('conflict', `there is an alarm rule ${name} already`);
}
