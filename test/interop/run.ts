/**
 * interop/run — `npm run test:interop`: the engine against mail servers that other people wrote.
 *
 *     npm run test:interop                          # all that can be had here
 *     npm run test:interop -- --only postfix,exim
 *     npm run test:interop -- --require postfix     # fails when Postfix cannot be had
 *     npm run test:interop -- --write docs/interop.md   # puts the table there
 *
 * Prints a table of features and receivers. What cannot be had here (no root, no apt, no network) is
 * named with the reason, and fails only when it is required.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';
import type { TestCase, TestModule } from 'vitest/node';
import { formatTable, print } from '../../src/cli/table.ts';
import { RECEIVERS } from './parties.ts';
import { KEYWORDS } from './receiver.ts';
import type { ReceiverKind } from './receiver.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    require: { type: 'string', default: '' },
    write: { type: 'string' },
  },
});
const split = (text: string): string[] => text.split(',').filter((name) => name !== '');
const known = RECEIVERS.map(({ name }) => name);
const required = split(values.require);
const wanted = split(values.only).length === 0 ? known : split(values.only);
const stranger = [...required, ...wanted].find((name) => !known.includes(name));
if (stranger !== undefined) {
  print(`There is no receiver ${stranger}; there are ${known.join(', ')}.`);
  process.exit(2);
}

// Read by rooms.ts: the others need not be unpacked.
process.env.INTEROP_ONLY = wanted.join(',');
const files = wanted.map((name) => `test/interop/${name}.test.ts`);
// One receiver at a time: they share the rooms of the verifiers.
const vitest = await startVitest(files, {
  project: ['interop'],
  watch: false,
  run: true,
  fileParallelism: false,
});
const modules = wanted.flatMap((name) =>
  vitest.state.getTestModules().filter(({ moduleId }) => moduleId.endsWith(`/${name}.test.ts`)),
);
const missing = missingOf(modules);
const columns = wanted.filter((name) => !missing.has(name));
const [header, ...rows] = tableOf(modules);
const lacks = RECEIVERS.filter(({ name }) => columns.includes(name)).flatMap(lacksOf);
if (columns.length > 0) print(`\n${formatTable(header ?? [], rows)}\n`);
for (const line of lacks) print(line);
for (const [name, reason] of missing) print(`${name} is ${reason}`);
if (values.write !== undefined) {
  const text = readFileSync(values.write, 'utf8');
  writeFileSync(values.write, withTable(text, markdownTable(header ?? [], rows), lacks));
}
await vitest.close();
const lacking = required.filter((name) => missing.has(name));
if (lacking.length > 0) {
  print(`Required, and not here: ${lacking.join(', ')}.`);
  process.exitCode = 1;
}

/** Where a dash stands in the table: what the receiver itself does not have. */
function lacksOf({ name, offers, doors, brokenTls }: ReceiverKind): string[] {
  const lacks = KEYWORDS.filter((keyword) => !offers.includes(keyword));
  return [
    ...(lacks.length > 0 ? [`${name} does not offer ${lacks.join(', ')}.`] : []),
    ...(doors.includes('bare') ? [] : [`${name} has no setting for "no extension at all".`]),
    ...(brokenTls === true ? [`${name} offers STARTTLS and fails every handshake.`] : []),
  ];
}

function testsOf(modules: readonly TestModule[]): { receiver: string; test: TestCase }[] {
  return modules
    .flatMap((module) => [...module.children.allTests()])
    .map((test) => ({
      receiver: test.parent.type === 'suite' ? test.parent.name : '',
      test,
    }));
}

function missingOf(modules: readonly TestModule[]): Map<string, string> {
  const notHere = testsOf(modules).filter(({ test }) => test.name.startsWith('not here: '));
  return new Map(notHere.map(({ receiver, test }) => [receiver, test.name]));
}

/** The first row names the receivers, with Debian's versions. */
function tableOf(modules: readonly TestModule[]): string[][] {
  const results = new Map<string, Map<string, string>>();
  const versions: Record<string, string | undefined> = {};
  for (const { receiver, test } of testsOf(modules)) {
    if (missing.has(receiver)) continue;
    versions[receiver] ??= test.meta().version?.split('-')[0];
    const row = results.get(test.name) ?? new Map<string, string>();
    row.set(receiver, resultOf(test));
    results.set(test.name, row);
  }
  return [
    ['feature', ...columns.map((name) => `${name} ${versions[name] ?? ''}`.trim())],
    ...[...results].map(([name, row]) => [
      name,
      ...columns.map((column) => row.get(column) ?? '-'),
    ]),
  ];
}

function resultOf(test: TestCase): string {
  const { state } = test.result();
  if (state === 'skipped') return test.options.mode === 'skip' ? 'not here' : 'NOT RUN';
  const seconds = ((test.diagnostic()?.duration ?? 0) / 1_000).toFixed(1);
  return state === 'passed' ? `ok ${seconds} s` : state.toUpperCase();
}

/** Without the seconds, which change; padded as prettier wants it. */
function markdownTable(header: readonly string[], rows: readonly string[][]): string {
  const lines = [header, ...rows].map((row) => row.map((cell) => cell.replace(/^ok .*$/, 'ok')));
  const widths = header.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const [first = '', ...rest] = lines.map(
    (line) => `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`,
  );
  return [first, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest].join('\n');
}

function withTable(text: string, table: string, lacks: readonly string[]): string {
  const list = lacks.map((line) => `- ${line}\n`).join('');
  return text.replace(
    /(<!-- table -->\n)[^]*(<!-- end of table -->)/,
    (_, begin: string, end: string) => `${begin}\n${table}\n\n${list}\n${end}`,
  );
}
