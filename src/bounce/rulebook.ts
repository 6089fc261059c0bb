/**
 * bounce/rulebook — the rules in force: an operator's (table, then file), then the built-in ones.
 *
 * Promises: `classify` is one function for the life of the process and follows every change: of the
 *           table at once (NOTIFY, all nodes), of the file within five seconds. A change that does not
 *           hold (a fault in the file, a rule that a new version of Volley refuses) is logged and
 *           leaves in force what was.
 * Fails:    `open` with `config_invalid` when the file is wrong at the start; `add` with
 *           `invalid_request` naming every fault, `conflict` for an id that is taken.
 * See:      own-rules.ts (what a rule must prove), docs/bounces.md.
 */
import { readFileSync, statSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { AppError, messageOf } from '../kernel/errors.ts';
import { CHANNELS } from '../kernel/events.ts';
import { startLoop } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { classify as classifyBuiltin, createClassifier } from './classify.ts';
import type { Classifier } from './classify.ts';
import { compileOwnRules, readOwnRules } from './own-rules.ts';
import type { OwnRule } from './own-rules.ts';
import { deleteRule, insertRule, selectRules } from './own-rules/store.ts';
import { BUILTIN_RULES } from './rules/index.ts';
import type { Rule } from './rules/rule.ts';

export interface RulebookDeps {
  sql: Sql;
  /** null: no file. */
  file: string | null;
  log: Logger;
}

export interface RuleInForce extends Rule {
  origin: 'operator' | 'file' | 'builtin';
}

export interface Rulebook {
  classify: Classifier;
  /** In the order in which they are tried. */
  rules(): RuleInForce[];
  add(rule: OwnRule): Promise<Rule>;
  /** False when the table has no such rule. */
  remove(id: string): Promise<boolean>;
  close(): Promise<void>;
}

interface InForce {
  operator: readonly Rule[];
  file: readonly Rule[];
  classify: Classifier;
}

const FILE_CHECK_MS = 5_000;
const MAX_FILE_BYTES = 1_048_576;

export async function openRulebook(deps: RulebookDeps): Promise<Rulebook> {
  const { sql, file, log } = deps;
  let force: InForce = { operator: [], file: [], classify: classifyBuiltin };
  const put = (change: Partial<Pick<InForce, 'operator' | 'file'>>): void => {
    const next = { ...force, ...change };
    const made = createClassifier([...next.operator, ...next.file]);
    if (made.ok) force = { ...next, classify: made.classify };
    else log.error({ faults: made.faults }, 'bounce rules are not taken');
  };
  const readTable = async (): Promise<void> => put({ operator: await soundRules(sql, log) });

  if (file !== null) put({ file: readFile(file) });
  await readTable();
  const readAgain = (): void => {
    readTable().catch((error: unknown) => log.error({ err: error }, 'cannot read bounce rules'));
  };
  // The second: what was said while the connection was away has not been heard.
  const listening = await sql.listen(CHANNELS.rules, readAgain, readAgain);
  const watch = file === null ? null : watchFile(file, log, (rules) => put({ file: rules }));

  return {
    classify: (reply) => force.classify(reply),
    rules: () => [
      ...force.operator.map((rule) => ({ ...rule, origin: 'operator' as const })),
      ...force.file.map((rule) => ({ ...rule, origin: 'file' as const })),
      ...BUILTIN_RULES.map((rule) => ({ ...rule, origin: 'builtin' as const })),
    ],
    async add(given) {
      const rule = proved(given, force);
      if (!(await insertRule(sql, rule))) throw taken(rule.id);
      await readTable();
      return rule;
    },
    async remove(id) {
      const removed = await deleteRule(sql, id);
      if (removed) await readTable();
      return removed;
    },
    async close() {
      await watch?.stop();
      await listening.unlisten();
    },
  };
}

function proved(given: OwnRule, { operator, file }: InForce): Rule {
  const result = compileOwnRules([given]);
  if (!result.ok) throw refused(result.faults);
  const [rule] = result.rules;
  if (rule === undefined) throw refused(['no rule']);
  if ([...operator, ...file].some(({ id }) => id === rule.id)) throw taken(rule.id);
  return rule;
}

function refused(faults: readonly string[]): AppError {
  return new AppError('invalid_request', `the rule cannot be used: ${faults.join('; ')}`, {
    errors: faults.map((detail) => ({ pointer: '/pattern', code: 'invalid_rule', detail })),
  });
}

function taken(id: string): AppError {
  return new AppError('conflict', `there is a rule ${id} already: take it away first`);
}

/** Rules of the table, without those that this version refuses. */
async function soundRules(sql: Sql, log: Logger): Promise<Rule[]> {
  const stored = await selectRules(sql);
  const all = readOwnRules(stored);
  if (all.ok) return all.rules;
  return stored.flatMap((each) => {
    const one = readOwnRules([each]);
    if (one.ok) return one.rules;
    log.error({ rule: each.id, faults: one.faults }, 'a bounce rule is not used any more');
    return [];
  });
}

function readFile(file: string): Rule[] {
  let value: unknown;
  try {
    if (statSync(file).size > MAX_FILE_BYTES) throw new Error('is larger than 1 MiB');
    value = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new AppError('config_invalid', `VOLLEY_BOUNCE_RULES ${file}: ${messageOf(error)}`);
  }
  const result = readOwnRules(value);
  if (result.ok) return result.rules;
  throw new AppError(
    'config_invalid',
    `VOLLEY_BOUNCE_RULES ${file}:\n  ${result.faults.join('\n  ')}`,
  );
}

function watchFile(file: string, log: Logger, onChange: (rules: Rule[]) => void) {
  const changedAt = (): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  let known = changedAt();
  return startLoop({
    intervalMs: FILE_CHECK_MS,
    async step() {
      const latest = changedAt();
      if (latest === known) return;
      known = latest;
      onChange(readFile(file));
      log.info({ file }, 'bounce rules read again');
    },
    onError: (error) => log.error({ err: error }, 'bounce rules stay as they were'),
  });
}
