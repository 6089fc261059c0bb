/** bench/machine — where and what was measured: cores, memory, versions, commit, load. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGib: number;
  system: string;
  node: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}

export function machineLine(machine: Machine): string {
  const { cores, cpu, memoryGib, system, node } = machine;
  return `${cores} cores (${cpu}), ${memoryGib} GiB, ${system}, Node ${node}`;
}

export interface Commit {
  hash: string;
  /** Uncommitted changes in src/ or bench/. */
  changed: boolean;
}

export function describeCommit(): Commit {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
    const changes = git(
      'status',
      '--porcelain',
      '--',
      ':/src',
      ':/bench',
      ':(exclude,top)bench/results',
      ':(exclude,top)bench/RESULTS.md',
    );
    return { hash: git('rev-parse', '--short=10', 'HEAD'), changed: changes !== '' };
  } catch {
    return { hash: 'unknown', changed: false };
  }
}

/** Of the last minute: above the number of cores somebody else was working here too. */
export function loadNow(): number {
  return Math.round((loadavg()[0] ?? 0) * 10) / 10;
}
