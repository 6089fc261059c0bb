import { expect, test } from 'vitest';
import { roomOf, sourceFiles } from './source-files.ts';

const files = sourceFiles('src');

/** Lower is deeper. A file may import its own room and deeper ones; rooms of one depth are strangers. */
const DEPTH: Record<string, number> = {
  main: 7,
  cli: 6,
  api: 5,
  campaigns: 4,
  scheduler: 3,
  mta: 2,
  bounce: 2,
  range: 2,
  verp: 1,
  kernel: 0,
};

test('imports go down only', () => {
  const wrong = files.flatMap((file) => {
    const from = roomOf(file.path);
    return file.imports
      .filter((path) => path.startsWith('src/') && roomOf(path) !== from)
      .filter((path) => (DEPTH[roomOf(path)] ?? 9) >= (DEPTH[from] ?? -1))
      .map((path) => `${file.path} imports ${path}`);
  });
  expect(wrong).toEqual([]);
});

test('every room is known', () => {
  expect(
    [...new Set(files.map((file) => roomOf(file.path)))].filter((room) => !(room in DEPTH)),
  ).toEqual([]);
});

/** Modules without I/O: time and randomness are arguments, nothing is read or written. */
const PURE = [
  /^src\/verp\//,
  /^src\/kernel\/(address|ids|events|errors)\.ts$/,
  /^src\/mta\/(auth|leg|name-guard|netstring|proxy-header|public-address|qmtp|rotation|routes|socks5|source|transport)\.ts$/,
  /^src\/mta\/(reply|command|capabilities|session|session-state|outcome|transaction|failure|dot-stuffing)\.ts$/,
  /^src\/scheduler\/(retry|fairness|roster)\.ts$/,
  /^src\/scheduler\/record\/decide\.ts$/,
  /^src\/bounce\/(classes|classify|policy|dsn|arf|inspect|inspection|message|autoreply|report-lines)\.ts$/,
  /^src\/bounce\/(families|rules)\//,
  /^src\/bounce\/watch\/watch\.ts$/,
  /^src\/mta\/tls\/rpt-record\.ts$/,
  /^src\/scheduler\/tls-results\/tally\.ts$/,
  /^src\/campaigns\/tls-reports\/document\.ts$/,
  /^src\/range\/(fate|behaviour|profile|recipients|random|names|default-world)\.ts$/,
];
const IO =
  /^(node:(?!crypto$|url$|buffer$|util$)|postgres$|pg-boss$|pino$|nodemailer|smtp-server$)/;
const AMBIENT = /\b(Date\.now\(|new Date\(\)|Math\.random\(|setTimeout\(|setInterval\(|process\.)/;

test('pure modules do no I/O and read no clock', () => {
  const pure = files.filter((file) => PURE.some((pattern) => pattern.test(file.path)));
  expect(pure.length).toBeGreaterThan(20);
  const wrong = pure.flatMap((file) => [
    ...file.valueImports
      .filter((name) => IO.test(name) || name.endsWith('store.ts'))
      .map((name) => `${file.path} imports ${name}`),
    ...(AMBIENT.test(withoutComments(file.text))
      ? [`${file.path} uses the clock or randomness`]
      : []),
  ]);
  expect(wrong).toEqual([]);
});

test('only kernel/config.ts reads the environment', () => {
  const readers = files.filter((file) => withoutComments(file.text).includes('process.env'));
  expect(readers.map((file) => file.path)).toEqual(['src/kernel/config.ts']);
});

test('only main.ts exits', () => {
  const exits = files.filter((file) => withoutComments(file.text).includes('process.exit('));
  expect(exits.map((file) => file.path)).toEqual(['src/main.ts']);
});

test('SQL stands in store.ts files, in campaigns/reports.ts and in kernel/postgres', () => {
  const allowed = /(^|\/)store\.ts$|^src\/campaigns\/reports\.ts$|^src\/kernel\/postgres\//;
  const statement =
    /\b(sql|tx|db|lock)(<[^`]*>)?`\s*(select|insert|update|delete|with|copy|create|lock)\b/i;
  const wrong = files.filter((file) => !allowed.test(file.path) && statement.test(file.text));
  expect(wrong.map((file) => file.path)).toEqual([]);
});

/** Data, not policy: tables that only grow by rows. */
const DATA_FILES = /^src\/bounce\/rules\/|^src\/range\/(names|default-world)\.ts$/;

test('files are small: median <= 120 lines, none over 400', () => {
  const sizes = files.filter((file) => !DATA_FILES.test(file.path)).map((file) => file.lines);
  sizes.sort((a, b) => a - b);
  expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(120);
  expect(
    files.filter((file) => file.lines > 400 && !DATA_FILES.test(file.path)).map((f) => f.path),
  ).toEqual([]);
});

test('no drawers: utils, helpers, common, shared, misc, lib', () => {
  const drawers = /(^|\/)(utils?|helpers?|common|shared|misc|lib)(\/|\.ts$)/;
  expect(files.filter((file) => drawers.test(file.path)).map((file) => file.path)).toEqual([]);
});

test('modules open with a header comment that names them', () => {
  const wrong = files.filter((file) => !file.text.startsWith('/**'));
  expect(wrong.map((file) => file.path)).toEqual([]);
});

test('named exports only, no `any`, no type-checker switches', () => {
  const wrong = files.filter((file) =>
    /\bexport default\b|@ts-(ignore|expect-error|nocheck)|\bas any\b|: any\b/.test(
      withoutComments(file.text),
    ),
  );
  expect(wrong.map((file) => file.path)).toEqual([]);
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}
