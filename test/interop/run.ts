/**
 * interop/run — `npm run test:interop`: the engine against mail servers that other people wrote.
 *
 *     npm run test:interop                          # all that can be had here
 *     npm run test:interop -- --only postfix,exim
 *     npm run test:interop -- --require postfix     # fails when Postfix cannot be had
 *
 * Prints a table of features and receivers. What cannot be had here (no root, no apt, no network) is
 * named with the reason, and fails only when it is required.
 */
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
const vitest = await startVitest(files, { project: ['interop'], watch: false, run: true });
const modules = wanted.flatMap((name) =>
  vitest.state.getTestModules().filter(({ moduleId }) => moduleId.endsWith(`/${name}.test.ts`)),
);
const missing = missingOf(modules);
if (missing.size < wanted.length) print(`\n${tableOf(modules)}\n`);
for (const line of RECEIVERS.filter(isShown).flatMap(lacksOf)) print(line);
for (const [name, reason] of missing) print(`${name} is ${reason}`);
await vitest.close();
const lacking = required.filter((name) => missing.has(name));
if (lacking.length > 0) {
  print(`Required, and not here: ${lacking.join(', ')}.`);
  process.exitCode = 1;
}

function isShown({ name }: ReceiverKind): boolean {
  return wanted.includes(name) && !missing.has(name);
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

function tableOf(modules: readonly TestModule[]): string {
  const results = new Map<string, Map<string, string>>();
  for (const { receiver, test } of testsOf(modules)) {
    if (missing.has(receiver)) continue;
    const row = results.get(test.name) ?? new Map<string, string>();
    row.set(receiver, resultOf(test));
    results.set(test.name, row);
  }
  const columns = wanted.filter((name) => !missing.has(name));
  return formatTable(
    ['feature', ...columns],
    [...results].map(([feature, row]) => [feature, ...columns.map((name) => row.get(name) ?? '-')]),
  );
}

function resultOf(test: TestCase): string {
  const { state } = test.result();
  if (state === 'skipped') return test.options.mode === 'skip' ? 'not here' : 'NOT RUN';
  const seconds = ((test.diagnostic()?.duration ?? 0) / 1_000).toFixed(1);
  return state === 'passed' ? `ok ${seconds} s` : state.toUpperCase();
}
