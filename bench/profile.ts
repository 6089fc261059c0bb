/**
 * bench/profile — `npm run profile -- NAME`: a CPU profile of Volley in a bench, as a table.
 *
 *     npm run profile -- end-to-end --dkim none --n 40000
 *
 * Runs Volley alone (no limits, no peers) once, with V8's sampling profiler in the process that does
 * the work: the engine or the sending child, or, where a bench has none, this one. The .cpuprofile files
 * stay in bench/profiles/ and open in any Chromium's DevTools.
 *
 * Fails: exit code 1 when the run had a fault or no profile came out.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { formatTable } from '../src/cli/table.ts';
import { BENCHES } from './benches/benches.ts';
import { refuseUnheeded } from './benches/facts.ts';
import type { Bench, Sample } from './harness/bench.ts';
import { summariseProfile } from './harness/cpu-profile.ts';
import type { CpuProfile } from './harness/cpu-profile.ts';
import { runEntry } from './harness/entry.ts';
import { profiledHere } from './harness/own-profile.ts';
import { parseSettings, UsageError } from './harness/settings.ts';
import type { Settings } from './harness/settings.ts';

const TOP = 20;
/** A regular expression has its whole source for a name. */
const NAME_CHARS = 60;
/** Of the harness itself; told apart by its name from those of its children. */
const OWN = 'harness.cpuprofile';
const USAGE = `npm run profile -- NAME [options of npm run bench]

  NAME   ${BENCHES.map(({ name }) => name).join(', ')}`;

const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-');
const profileFolder = join(import.meta.dirname, 'profiles', stamp);

async function main(args: readonly string[]): Promise<number> {
  const settings = { ...parseSettings(args), compare: false };
  if (settings.help) {
    console.log(USAGE);
    return 0;
  }
  const [name = '', ...others] = settings.names;
  const bench = BENCHES.find((one) => one.name === name);
  if (bench === undefined || others.length > 0) throw new UsageError(USAGE);
  refuseUnheeded([name], settings);
  const [variant = settings] = bench.variants(settings);
  mkdirSync(profileFolder, { recursive: true });
  const taken = await profileVolley(bench, variant);
  if (taken.faults.length > 0) {
    for (const fault of taken.faults) console.log(`FAILED: ${fault}`);
    return 1;
  }
  console.log(`${name}: ${Math.round(bench.headline.of(taken))} ${bench.headline.unit} (profiled)`);
  const children = readdirSync(profileFolder).filter((file) => file !== OWN);
  // Where a child does the work, this process only waits for it.
  if (children.length > 0) rmSync(join(profileFolder, OWN));
  const printed = readdirSync(profileFolder).filter((file) => printProfile(file));
  if (printed.length > 0) return 0;
  console.error(`FAILED: no profile of ${name} came out`);
  return 1;
}

async function profileVolley(bench: Bench, variant: Settings): Promise<Sample> {
  const prepared = await bench.prepare(variant);
  try {
    const ours = prepared.contenders.find(({ role }) => role === 'volley');
    if (ours === undefined) throw new Error(`${bench.name} has no contender of ours`);
    return await profiledHere(join(profileFolder, OWN), () => ours.run(1));
  } finally {
    // An engine writes its profile when it ends.
    await prepared.close();
  }
}

/** Answers whether there was anything in it. */
function printProfile(file: string): boolean {
  const path = join(profileFolder, file);
  const profile = JSON.parse(readFileSync(path, 'utf8')) as CpuProfile;
  const { functions, busyMs, idleMs } = summariseProfile(profile);
  if (busyMs === 0) return false;
  console.log(`\n${relative(process.cwd(), path)}`);
  console.log(`main thread busy ${Math.round(busyMs)} ms, idle ${Math.round(idleMs)} ms\n`);
  const share = (ms: number): string => `${((100 * ms) / busyMs).toFixed(1)} %`;
  const rows = functions
    .slice(0, TOP)
    .map(({ name, where, selfMs, totalMs }) => [
      share(selfMs),
      share(totalMs),
      name.slice(0, NAME_CHARS),
      where,
    ]);
  console.log(formatTable(['self', 'total', 'function', 'where'], rows));
  const own = functions
    .filter(({ where }) => where.startsWith('src/') || where.startsWith('postgres/'))
    .sort((a, b) => b.totalMs - a.totalMs)
    .slice(0, TOP)
    .map(({ name, where, selfMs, totalMs }) => [
      share(totalMs),
      share(selfMs),
      name.slice(0, NAME_CHARS),
      where,
    ]);
  console.log(`\n${formatTable(['total', 'self', 'function of ours', 'where'], own)}`);
  return true;
}

process.exitCode = await runEntry({
  exitNow: (code) => process.exit(code),
  profileFolder,
  main: () => main(process.argv.slice(2)),
});
