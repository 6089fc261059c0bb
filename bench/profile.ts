/**
 * bench/profile — `npm run profile -- NAME`: a CPU profile of the engine in a bench, as a table.
 *
 *     npm run profile -- end-to-end --dkim none --n 40000
 *
 * Runs Volley alone (no limits, no peers) once, with V8's sampling profiler in the process that is
 * measured. The .cpuprofile files stay in bench/profiles/ and open in any Chromium's DevTools.
 */
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatTable } from '../src/cli/table.ts';
import { BENCHES } from './benches/benches.ts';
import { summariseProfile } from './harness/cpu-profile.ts';
import type { CpuProfile } from './harness/cpu-profile.ts';
import { profileInto } from './harness/profiling.ts';
import { parseSettings, UsageError } from './harness/settings.ts';

const TOP = 20;

async function main(args: readonly string[]): Promise<void> {
  const settings = { ...parseSettings(args), compare: false };
  const bench = BENCHES.find(({ name }) => name === settings.names[0]);
  if (bench === undefined) {
    throw new UsageError(
      `npm run profile -- NAME [options]; NAME is one of ${BENCHES.map(({ name }) => name).join(', ')}`,
    );
  }
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const folder = join(import.meta.dirname, 'profiles', `${bench.name}-${stamp}`);
  mkdirSync(folder, { recursive: true });
  const [variant] = bench.variants(settings);
  if (variant === undefined) return;
  profileInto(folder);
  const prepared = await bench.prepare(variant);
  try {
    const ours = prepared.contenders.find(({ role }) => role === 'volley');
    const taken = await ours?.run(1);
    if (taken !== undefined) {
      console.log(
        `${bench.name}: ${Math.round(bench.headline.of(taken))} ${bench.headline.unit} (profiled)`,
      );
      for (const fault of taken.faults) console.log(`FAILED: ${fault}`);
    }
  } finally {
    await prepared.close();
  }
  for (const file of readdirSync(folder)) printProfile(join(folder, file));
}

function printProfile(path: string): void {
  const profile = JSON.parse(readFileSync(path, 'utf8')) as CpuProfile;
  const { functions, busyMs, idleMs } = summariseProfile(profile);
  console.log(`\n${path}`);
  console.log(`main thread busy ${Math.round(busyMs)} ms, idle ${Math.round(idleMs)} ms\n`);
  const share = (ms: number): string => `${((100 * ms) / busyMs).toFixed(1)} %`;
  const rows = functions
    .slice(0, TOP)
    .map(({ name, where, selfMs, totalMs }) => [share(selfMs), share(totalMs), name, where]);
  console.log(formatTable(['self', 'total', 'function', 'where'], rows));
  const own = functions
    .filter(({ where }) => where.startsWith('src/') || where.startsWith('postgres/'))
    .sort((a, b) => b.totalMs - a.totalMs)
    .slice(0, TOP)
    .map(({ name, where, selfMs, totalMs }) => [share(totalMs), share(selfMs), name, where]);
  console.log(`\n${formatTable(['total', 'self', 'function of ours', 'where'], own)}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
