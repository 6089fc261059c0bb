/**
 * bench — `npm run bench`: what Volley does in a second, beside what the machine and others do.
 *
 * Promises: exit code 0 only when every run was accounted for. See bench/harness/settings.ts for the
 *           options, bench/RESULTS.md for the results.
 */
import { BENCHES } from './benches/benches.ts';
import { runBench } from './harness/run.ts';
import { parseSettings, USAGE, UsageError } from './harness/settings.ts';

async function main(args: readonly string[]): Promise<number> {
  const settings = parseSettings(args);
  const known = new Map(BENCHES.map((bench) => [bench.name, bench]));
  const [first, second] = settings.names;
  if (first === 'list') {
    for (const { name, measures } of BENCHES) console.log(`${name.padEnd(24)} ${measures}`);
    return 0;
  }
  if (first === 'peers') return 0;
  void second;
  const unknown = settings.names.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new UsageError(`no such bench: ${unknown.join(', ')}\n\n${USAGE}`);
  const chosen = settings.names.length === 0 ? BENCHES : settings.names.map((n) => known.get(n));
  let failed = false;
  for (const bench of chosen) {
    if (bench === undefined) continue;
    for (const variant of bench.variants(settings)) {
      if (!(await runBench(bench, variant, (line) => console.log(line)))) failed = true;
    }
  }
  return failed ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
