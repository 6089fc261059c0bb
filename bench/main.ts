/**
 * bench — `npm run bench`: what Volley does in a second, beside what the machine and others do.
 *
 * Promises: exit code 0 only when every message of every run was accounted for. See
 *           bench/harness/settings.ts for the options, bench/RESULTS.md for the results.
 */
import { BENCHES } from './benches/benches.ts';
import { writeResultsPage } from './harness/results-page.ts';
import { runBench } from './harness/run.ts';
import { parseSettings, USAGE, UsageError } from './harness/settings.ts';
import type { Settings } from './harness/settings.ts';
import { installPeers, listPeers } from './peers/install.ts';

const say = (line: string): void => console.log(line);

async function main(args: readonly string[]): Promise<number> {
  const settings = parseSettings(args);
  const [first, second] = settings.names;
  if (first === 'list') {
    for (const { name, measures } of BENCHES) say(`${name.padEnd(24)} ${measures}`);
    return 0;
  }
  if (first === 'peers') {
    if (second === 'install') installPeers(say);
    for (const line of listPeers()) say(line);
    return 0;
  }
  if (first === 'page') return await writePage();
  return await measure(settings);
}

async function measure(settings: Settings): Promise<number> {
  const known = BENCHES.map(({ name }) => name);
  const unknown = settings.names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new UsageError(`no such bench: ${unknown.join(', ')}\n\n${USAGE}`);
  const beganMs = performance.now();
  const failed: string[] = [];
  for (const bench of BENCHES) {
    if (settings.names.length > 0 && !settings.names.includes(bench.name)) continue;
    for (const variant of bench.variants(settings)) {
      if (!(await runBench(bench, variant, say))) failed.push(bench.name);
    }
  }
  if (settings.keep && settings.jsonFile === null) await writePage();
  say(`\n${Math.round((performance.now() - beganMs) / 1_000)} s in all`);
  for (const name of failed) say(`FAILED: ${name}: not every message was accounted for`);
  return failed.length === 0 ? 0 : 1;
}

async function writePage(): Promise<number> {
  await writeResultsPage(BENCHES.map(({ name }) => name));
  return 0;
}

/** A flag that is not known is the caller's mistake too; parseArgs has its own errors for it. */
function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('ERR_PARSE_ARGS');
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!isUsage(error)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
