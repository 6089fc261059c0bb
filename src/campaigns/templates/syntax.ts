/**
 * campaigns/templates/syntax — which Handlebars a template may use, and which variables it names. Pure.
 *
 * Promises: allowed are `{{path}}`, `{{#if}}`, `{{#unless}}`, `{{#each}}`, `{{#with}}` with one path as
 *           argument, `{{else}}`, `../`, `this`, comments, `@index @key @first @last @root`. All else
 *           is refused with its line: partials and includes, decorators, other helpers (`lookup` and
 *           `log` too), sub-expressions, hash and block parameters, names that reach for a prototype.
 * Why no triple-stash: `{{{x}}}` and `{{&x}}` put a recipient's data unescaped into HTML. A list is
 *           data from outside; what should be markup belongs into the template.
 * Why a list of our own and not Handlebars' own switches: those fail at the first render, one mistake
 *           at a time and without the line; here all are known when the template is stored.
 */
import Handlebars from 'handlebars';
import { messageOf } from '../../kernel/errors.ts';

export interface TemplateFault {
  /** 1-based line of what was given; null when no line can be named. */
  line: number | null;
  reason: string;
}

export type SyntaxResult =
  { ok: true; variables: string[] } | { ok: false; faults: TemplateFault[] };

/** The whole of the language besides paths. */
export const HELPERS = ['if', 'unless', 'each', 'with'] as const;
/** Set by us for every recipient, so no row may bring them and content is not "varying" by them. */
export const RESERVED_VARIABLES = ['unsubscribe_url'] as const;

const DATA_VARIABLES = ['index', 'key', 'first', 'last'];
const FORBIDDEN_NAME = /^(?:__.*|constructor|prototype)$/;
const MAX_DEPTH = 10;
const MAX_PATH_PARTS = 8;
const MAX_FAULTS = 20;
/**
 * Looked for before parsing, because the parser's time grows with the cube of nesting: 4,000 nested
 * blocks took 3.2 s, 4,000 nested parentheses 11 s. Within these limits no source of 1 MB takes 0.3 s.
 */
const LIMITS: readonly { pattern: RegExp; most: number; reason: string }[] = [
  { pattern: /\{\{/g, most: 10_000, reason: 'has more than 10,000 expressions' },
  { pattern: /\{\{~?\s*(?:[#^]|else\b)/g, most: 1_000, reason: 'has more than 1,000 blocks' },
  { pattern: /\{\{~?(?!~?!)[^{}]{1000}/g, most: 0, reason: 'an expression is too long' },
  { pattern: /\{\{~?(?!~?!)[^{}]*\(/g, most: 0, reason: 'sub-expressions are not available' },
];

/** What a block is about: `''` the root, `'a.b'` a known place below it, null the items of a list. */
type Scope = string | null;

interface Walk {
  faults: TemplateFault[];
  variables: Set<string>;
}

export function checkSyntax(source: string): SyntaxResult {
  const excess = firstExcess(source);
  if (excess !== null) return { ok: false, faults: [excess] };
  let program: hbs.AST.Program;
  try {
    program = Handlebars.parse(source);
  } catch (error) {
    return { ok: false, faults: [parseFault(error)] };
  }
  const walk: Walk = { faults: [], variables: new Set() };
  visitProgram(walk, program, [''], 0);
  if (walk.faults.length > 0) return { ok: false, faults: walk.faults.slice(0, MAX_FAULTS) };
  return { ok: true, variables: [...walk.variables].sort() };
}

function firstExcess(source: string): TemplateFault | null {
  for (const { pattern, most, reason } of LIMITS) {
    let seen = 0;
    for (const match of source.matchAll(pattern)) {
      seen += 1;
      if (seen > most) return { line: source.slice(0, match.index).split('\n').length, reason };
    }
  }
  return null;
}

/** `Parse error on line 3:\n...\n---^\nExpecting 'ID', got 'EOF'`, or `if doesn't match each - 2:3`. */
function parseFault(error: unknown): TemplateFault {
  if (error instanceof RangeError) return { line: null, reason: 'is nested too deeply' };
  const text = messageOf(error);
  const line = /\bline (\d+)/.exec(text)?.[1] ?? / - (\d+):\d+$/.exec(text)?.[1];
  const [first = '', ...rest] = text.split('\n');
  const expecting = rest.at(-1) ?? '';
  const reason = expecting === '' ? first.replace(/ - \d+:\d+$/, '') : shortened(expecting);
  return { line: line === undefined ? null : Number(line), reason };
}

/** The parser's tokens are internal; what a person needs is where to look. */
function shortened(expecting: string): string {
  const got = /got '([A-Z_]+)'/.exec(expecting)?.[1];
  if (got === 'EOF') return 'ends inside a {{...}} or before its block is closed';
  if (got === 'INVALID') return 'an expression is not closed or has a character it may not have';
  return 'an expression is not complete, or an end or else has no beginning';
}

function fault(walk: Walk, node: hbs.AST.Node, reason: string): void {
  walk.faults.push({ line: node.loc.start.line, reason });
}

function visitProgram(walk: Walk, program: hbs.AST.Program, scopes: Scope[], depth: number): void {
  for (const statement of program.body) {
    if (walk.faults.length >= MAX_FAULTS) return;
    visitStatement(walk, statement, scopes, depth);
  }
}

function visitStatement(walk: Walk, node: hbs.AST.Statement, scopes: Scope[], depth: number): void {
  switch (node.type) {
    case 'ContentStatement':
    case 'CommentStatement':
      return;
    case 'MustacheStatement':
      visitMustache(walk, node as hbs.AST.MustacheStatement, scopes);
      return;
    case 'BlockStatement':
      visitBlock(walk, node as hbs.AST.BlockStatement, scopes, depth);
      return;
    case 'PartialStatement':
    case 'PartialBlockStatement':
      fault(walk, node, 'partials and includes are not available');
      return;
    default:
      fault(walk, node, 'decorators are not available');
  }
}

function visitMustache(walk: Walk, node: hbs.AST.MustacheStatement, scopes: Scope[]): void {
  const path = asPath(node.path);
  if (path === null) {
    fault(walk, node, 'only a variable may stand in {{...}}');
  } else if (!node.escaped) {
    fault(walk, node, `{{{${path.original}}}} would be unescaped; write {{${path.original}}}`);
  } else if (node.params.length > 0 || hasPairs(node.hash)) {
    fault(walk, node, `there is no helper "${path.original}"`);
  } else {
    const name = visitPath(walk, path, scopes);
    if (name === '') fault(walk, node, '{{this}} needs a block around it');
  }
}

function visitBlock(
  walk: Walk,
  node: hbs.AST.BlockStatement,
  scopes: Scope[],
  depth: number,
): void {
  const helper = HELPERS.find((name) => name === node.path.original);
  const argument = asPath(node.params[0]);
  if (helper === undefined) {
    fault(walk, node, `there is no block helper "${node.path.original}"`);
    return;
  }
  if (node.params.length !== 1 || argument === null || hasPairs(node.hash)) {
    fault(walk, node, `{{#${helper}}} takes exactly one variable`);
    return;
  }
  if (hasBlockParams(node.program) || hasBlockParams(node.inverse)) {
    fault(walk, node, `{{#${helper} ... as |...|}} is not available`);
    return;
  }
  if (depth >= MAX_DEPTH) {
    fault(walk, node, `blocks are nested more than ${MAX_DEPTH} deep`);
    return;
  }
  const name = visitPath(walk, argument, scopes);
  const inner: Scope[] =
    helper === 'each' ? [...scopes, null] : helper === 'with' ? [...scopes, name] : scopes;
  // `{{^if x}}` has an inverse only; `{{else if}}` is a block inside the inverse, on the same level.
  const program = node.program as hbs.AST.Program | undefined;
  const inverse = node.inverse as (hbs.AST.Program & { chained?: boolean }) | undefined;
  if (program !== undefined) visitProgram(walk, program, inner, depth + 1);
  if (inverse !== undefined) {
    visitProgram(walk, inverse, scopes, inverse.chained === true ? depth : depth + 1);
  }
}

/** Notes the variable a path names. Answers where it points, as a scope. */
function visitPath(walk: Walk, path: hbs.AST.PathExpression, scopes: Scope[]): Scope {
  const parts = path.parts.map(String);
  if (parts.some((part) => FORBIDDEN_NAME.test(part))) {
    fault(walk, path, `"${path.original}" is not a name a variable may have`);
    return null;
  }
  if (parts.length > MAX_PATH_PARTS) {
    fault(walk, path, `"${path.original}" has more than ${MAX_PATH_PARTS} parts`);
    return null;
  }
  if (!path.data) {
    const scope = scopes[scopes.length - 1 - path.depth];
    return note(walk, scope === undefined ? '' : scope, parts);
  }
  if (parts[0] === 'root' && parts.length > 1) return note(walk, '', parts.slice(1));
  if (parts.length !== 1 || !DATA_VARIABLES.includes(parts[0] ?? '')) {
    fault(walk, path, `there is no "${path.original}"`);
  }
  return null;
}

function note(walk: Walk, scope: Scope, parts: string[]): Scope {
  if (scope === null) return null;
  const name = [...(scope === '' ? [] : [scope]), ...parts].join('.');
  if (name !== '' && !RESERVED_VARIABLES.some((reserved) => reserved === name)) {
    walk.variables.add(name);
  }
  return name;
}

function asPath(node: hbs.AST.Node | undefined): hbs.AST.PathExpression | null {
  return node?.type === 'PathExpression' ? (node as hbs.AST.PathExpression) : null;
}

function hasPairs(hash: hbs.AST.Hash | undefined): boolean {
  return hash !== undefined && hash.pairs.length > 0;
}

/** The types promise `blockParams`; the parser leaves it out. */
function hasBlockParams(program: { blockParams?: string[] } | undefined): boolean {
  return (program?.blockParams ?? []).length > 0;
}
