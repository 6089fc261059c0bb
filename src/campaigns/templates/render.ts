/**
 * campaigns/templates/render — stored Handlebars and one recipient's variables into text.
 *
 * Promises: HTML is escaped, always. A variable that is absent renders as nothing (the preview names
 *           it). Only own properties are read, so data never reaches a prototype. Work is bounded: at
 *           most 10,000 turns of {{#each}} and 4 MiB a part, whatever list a row brings (nested
 *           loops over 64 KB of data would otherwise run for years).
 * Fails:    throws RenderError; the sentence may be shown, it holds no data of the recipient.
 * Measured: `npm run bench -- render`: 2.8 us for the subject, text and HTML of 10 KB.
 */
import Handlebars from 'handlebars';
import { HELPERS } from './syntax.ts';

export type Variables = Record<string, unknown>;
export type Render = (variables: Variables) => string;
export type Escaping = 'html' | 'none';

export class RenderError extends Error {}

const MAX_TURNS = 10_000;
const MAX_PART_CHARS = 4 * 1024 * 1024;

/** Said outright, Handlebars also does not complain on the console. */
const OWN_PROPERTIES_ONLY = {
  allowProtoPropertiesByDefault: false,
  allowProtoMethodsByDefault: false,
};

/** No path of a template can be written so: `=` is not part of a name. */
const TEXT_HELPER = '=text';

interface Budget {
  turnsLeft: number;
  charsLeft: number;
}

/** The source must have passed `checkSyntax`. */
export function compileTemplate(source: string, escaping: Escaping): Render {
  const { fixed, varying } = compilePieces(source, escaping);
  return (variables) => {
    const texts = varying(variables);
    const text = fixed.map((piece, i) => piece + (texts[i] ?? '')).join('');
    if (text.length > MAX_PART_CHARS) throw tooLong();
    return text;
  };
}

/** A template cut where it begins and ends to vary: fixed[0], varying[0], fixed[1], varying[1] ... */
export interface Pieces {
  /** One more than what varies. */
  fixed: readonly string[];
  /** What varies, for one recipient. */
  varying(variables: Variables): string[];
}

/**
 * In pieces, so that what is fixed can be encoded once. The source must have passed `checkSyntax`;
 * what varies is compiled at the first call.
 */
export function compilePieces(source: string, escaping: Escaping): Pieces {
  const environment = createEnvironment(escaping);
  const program = Handlebars.parse(source);
  countText(program);
  const fixed: string[] = [];
  let text = '';
  const runs: hbs.AST.Statement[][] = [];
  let open = false;
  for (const statement of program.body) {
    if (statement.type === 'ContentStatement') {
      text += (statement as hbs.AST.ContentStatement).value;
      open = false;
    } else if (open) {
      runs.at(-1)?.push(statement);
    } else {
      runs.push([statement]);
      fixed.push(text);
      text = '';
      open = true;
    }
  }
  fixed.push(text);
  const slots = runs.map((body): Slot => {
    const name = plainVariable(body);
    if (name !== null) {
      return (variables, { budget }) =>
        countedText(Object.hasOwn(variables, name) ? variables[name] : null, budget, escaping);
    }
    const template = environment.compile<Variables>({ ...program, body }, compileOptions());
    return (variables, data) => template(variables, { data, ...OWN_PROPERTIES_ONLY });
  });
  return {
    fixed,
    varying(variables) {
      const data = newBudget();
      let room = MAX_PART_CHARS;
      return slots.map((slot) => {
        const text = slot(variables, data);
        room -= text.length;
        if (room < 0) throw tooLong();
        return text;
      });
    },
  };
}

type Slot = (variables: Variables, data: { budget: Budget }) => string;

/**
 * The name, where a slot is nothing but `{{name}}`, as most are: read here, it need not go through
 * Handlebars' runtime (a body of three slots: 10 us of CPU before, 2.8 after; `npm run bench -- render`).
 */
function plainVariable(body: readonly hbs.AST.Statement[]): string | null {
  const [statement] = body;
  if (body.length !== 1 || statement?.type !== 'MustacheStatement') return null;
  const [path] = (statement as hbs.AST.MustacheStatement).params;
  if (path?.type !== 'PathExpression') return null;
  const { data, depth, parts } = path as hbs.AST.PathExpression;
  const [name] = parts;
  return !data && depth === 0 && parts.length === 1 && name !== undefined ? name : null;
}

function createEnvironment(escaping: Escaping): typeof Handlebars {
  const environment = Handlebars.create();
  for (const name of Object.keys(environment.helpers)) {
    if (!HELPERS.some((known) => known === name)) environment.unregisterHelper(name);
  }
  environment.registerHelper('each', boundedEach);
  environment.registerHelper(TEXT_HELPER, (value: unknown, options: Handlebars.HelperOptions) =>
    countedText(value, budgetOf(options), escaping),
  );
  return environment;
}

/** Handlebars has settled the white space when it has parsed; done again it would take too much away. */
function compileOptions(): CompileOptions & { ignoreStandalone: true } {
  const known = [...HELPERS, TEXT_HELPER];
  return {
    // The helper escapes.
    noEscape: true,
    knownHelpers: Object.fromEntries(known.map((name) => [name, true])),
    knownHelpersOnly: true,
    ignoreStandalone: true,
  };
}

function newBudget(): { budget: Budget } {
  return { budget: { turnsLeft: MAX_TURNS, charsLeft: MAX_PART_CHARS } };
}

function budgetOf(options: Handlebars.HelperOptions): Budget {
  return (options.data as { budget: Budget }).budget;
}

/** Every `{{path}}` of the program, in place, becomes `{{=text path}}`. */
function countText(program: hbs.AST.Program): void {
  for (const statement of program.body) {
    if (statement.type === 'MustacheStatement') {
      const mustache = statement as hbs.AST.MustacheStatement;
      const { loc } = mustache;
      mustache.params = [mustache.path];
      mustache.path = textHelperPath(loc);
    } else if (statement.type === 'BlockStatement') {
      const block = statement as hbs.AST.BlockStatement;
      // A block may lack either, whatever its type says.
      for (const part of [block.program, block.inverse] as (hbs.AST.Program | undefined)[]) {
        if (part !== undefined) countText(part);
      }
    }
  }
}

function textHelperPath(loc: hbs.AST.SourceLocation): hbs.AST.PathExpression {
  const parts = [TEXT_HELPER];
  return { type: 'PathExpression', data: false, depth: 0, parts, original: TEXT_HELPER, loc };
}

function countedText(value: unknown, budget: Budget, escaping: Escaping): string {
  if (value === null || value === undefined) return '';
  const text = textOf(value);
  spend(budget, text.length);
  if (escaping === 'none') return text;
  const escaped = Handlebars.escapeExpression(text);
  spend(budget, escaped.length - text.length);
  return escaped;
}

/** Variables come from JSON. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new RenderError(
    'a variable that is printed is a list or an object: name what is in it, or use {{#each}}',
  );
}

function spend(budget: Budget, chars: number): void {
  budget.charsLeft -= chars;
  if (budget.charsLeft < 0) throw tooLong();
}

/** Handlebars' each, over arrays and plain objects, that counts. */
function boundedEach(this: unknown, list: unknown, options: Handlebars.HelperOptions): string {
  const budget = budgetOf(options);
  // Looked at before anything is made of it: a body may bring a list of a million.
  if (Array.isArray(list) && list.length > budget.turnsLeft) throw tooManyTurns();
  const entries = typeof list === 'object' && list !== null ? Object.entries(list) : [];
  if (entries.length === 0) return options.inverse(this);
  if (entries.length > budget.turnsLeft) throw tooManyTurns();
  const frame = Handlebars.createFrame(options.data) as Record<string, unknown>;
  let text = '';
  for (const [index, [key, item]] of entries.entries()) {
    budget.turnsLeft -= 1;
    if (budget.turnsLeft < 0) throw tooManyTurns();
    frame['key'] = Array.isArray(list) ? index : key;
    frame['index'] = index;
    frame['first'] = index === 0;
    frame['last'] = index === entries.length - 1;
    const before = budget.charsLeft;
    const turn = options.fn(item, { data: frame });
    // What was printed inside is counted already; this is the fixed text around it.
    spend(budget, turn.length - (before - budget.charsLeft));
    text += turn;
  }
  return text;
}

function tooManyTurns(): RenderError {
  return new RenderError(`lists have more than ${MAX_TURNS} items`);
}

function tooLong(): RenderError {
  return new RenderError(`a part is longer than ${MAX_PART_CHARS} characters`);
}

/** Names of `variables` that `names` ask for and that are absent or null. */
export function missingVariables(names: readonly string[], variables: Variables): string[] {
  return names.filter((name) => {
    let value: unknown = variables;
    for (const part of name.split('.')) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return true;
      value = (value as Variables)[part];
    }
    return value === null || value === undefined;
  });
}
