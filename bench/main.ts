/**
 * bench — `npm run bench`: what Volley does in a second, beside what the machine and others do.
 *
 * Promises: exit code 0 only when no bench found a message lost or doubled, and every one could be
 *           measured; one that fails does not keep the others from running. See
 *           bench/harness/settings.ts for the options, bench/RESULTS.md for the results.
 */
import { BENCHES } from './benches/benches.ts';
import { asOneOfAll, refuseUnheeded } from './benches/facts.ts';
import type { Bench } from './harness/bench.ts';
import { runEntry } from './harness/entry.ts';
import { writeResultsPage } from './harness/results-page.ts';
import { runBench } from './harness/run.ts';
import { parseSettings, USAGE, UsageError } from './harness/settings.ts';
import type { Settings } from './harness/settings.ts';
import { installPeers, listPeers } from './peers/install.ts';

const say = (line: string): void => console.log(line);

async function main(args: readonly string[]): Promise<number> {
  const settings = parseSettings(args);
  if (settings.help) {
    say(USAGE);
    return 0;
  }
  const [first = '', ...rest] = settings.names;
  switch (first) {
    case 'list':
      only(first, rest, []);
      for (const { name, measures } of BENCHES) say(`${name.padEnd(24)} ${measures}`);
      return 0;
    case 'peers':
      only(first, rest, ['install']);
      if (rest[0] === 'install') installPeers(say);
      for (const line of listPeers()) say(line);
      return 0;
    case 'page':
      only(first, rest, []);
      return await writePage();
    default:
      return await measure(settings);
  }
}

/** `peers instal` is no wish to list them. */
function only(command: string, words: readonly string[], known: readonly string[]): void {
  const unknown = words.find((word, i) => i > 0 || !known.includes(word));
  if (unknown === undefined) return;
  const wanted = [command, ...known.map((word) => `${command} ${word}`)].join(' or ');
  throw new UsageError(`${command} ${words.join(' ')}: only ${wanted}`);
}

async function measure(settings: Settings): Promise<number> {
  const chosen = choose(settings);
  const beganMs = performance.now();
  const failed = new Set<string>();
  for (const bench of chosen) {
    const own = settings.names.length === 0 ? asOneOfAll(bench.name, settings) : settings;
    for (const variant of bench.variants(own)) {
      if (!(await runBench(bench, variant, say))) failed.add(bench.name);
    }
  }
  if (settings.keep && settings.jsonFile === null) await writePage();
  say(`\n${Math.round((performance.now() - beganMs) / 1_000)} s in all`);
  for (const name of failed) say(`FAILED: ${name}`);
  return failed.size === 0 ? 0 : 1;
}

/** --mode chooses between the two benches that are one measure in two modes. */
function choose(settings: Settings): Bench[] {
  const known = BENCHES.map(({ name }) => name);
  const unknown = settings.names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new UsageError(`no such bench: ${unknown.join(', ')}\n\n${USAGE}`);
  const names = settings.names.length === 0 ? known : settings.names;
  refuseUnheeded(names, settings);
  const { mode } = settings;
  const inMode = (name: string): string =>
    mode !== null && name.startsWith('end-to-end') ? END_TO_END[mode] : name;
  const wanted = new Set(names.map(inMode));
  return BENCHES.filter(({ name }) => wanted.has(name));
}

const END_TO_END = { parallel: 'end-to-end', single_copy: 'end-to-end-single-copy' } as const;

async function writePage(): Promise<number> {
  await writeResultsPage(BENCHES.map(({ name }) => name));
  return 0;
}

process.exitCode = await runEntry({
  exitNow: (code) => process.exit(code),
  main: () => main(process.argv.slice(2)),
});
