/**
 * bench/usage — CPU time and memory of this process, of children, and of a server's process family.
 *
 * Reads /proc; where there is none (macOS) children answer null, which is printed as "-".
 */
import { readFileSync, readdirSync } from 'node:fs';

/** USER_HZ: what /proc counts in on every Linux we run on. */
const TICKS_PER_SECOND = 100;

interface ProcessStat {
  parent: number;
  ownTicks: number;
  /** Of children that ended and were waited for. */
  childTicks: number;
}

function readStat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [parent, utime, stime, cutime, cstime] = [1, 11, 12, 13, 14].map((i) => fields[i] ?? 0);
    return {
      parent: parent ?? 0,
      ownTicks: (utime ?? 0) + (stime ?? 0),
      childTicks: (cutime ?? 0) + (cstime ?? 0),
    };
  } catch {
    return null;
  }
}

/** CPU seconds a process has used so far. */
export function cpuSecondsOf(pid: number): number | null {
  const stat = readStat(pid);
  return stat === null ? null : stat.ownTicks / TICKS_PER_SECOND;
}

/** CPU seconds of a process and all its descendants, those that ended too. */
export function familyCpuSeconds(root: number): number | null {
  if (readStat(root) === null) return null;
  const family = new Set([root]);
  const stats = new Map<number, ProcessStat>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readStat(pid) : null;
    if (stat !== null) stats.set(pid, stat);
  }
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, { parent }] of stats) {
      if (family.has(pid) || !family.has(parent)) continue;
      family.add(pid);
      grown = true;
    }
  }
  let ticks = 0;
  for (const pid of family) {
    const stat = stats.get(pid);
    if (stat !== undefined) ticks += stat.ownTicks + stat.childTicks;
  }
  return ticks / TICKS_PER_SECOND;
}

/** Highest resident size since the process began. */
export function peakRssBytesOf(pid: number): number | null {
  return statusBytes(pid, 'VmHWM');
}

export function rssBytesOf(pid: number): number | null {
  return statusBytes(pid, 'VmRSS');
}

function statusBytes(pid: number, field: string): number | null {
  try {
    const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(
      readFileSync(`/proc/${pid}/status`, 'latin1'),
    );
    return found === null ? null : Number(found[1]) * 1_024;
  } catch {
    return null;
  }
}

/** CPU seconds from one reading to a later one; null: not known. */
export function usedBetween(before: number | null, after: number | null): number | null {
  return before === null || after === null ? null : after - before;
}

/** As a figure, of one unit of work; none when it is not known. */
export function cpuFigure(
  name: string,
  seconds: number | null,
  count: number,
): Record<string, number> {
  return seconds === null ? {} : { [name]: (seconds * 1e6) / count };
}

export interface Usage {
  count: number;
  seconds: number;
  cpuSeconds: number;
}

/** Time, CPU and memory of work in a process that does nothing else. */
export async function measureHere(
  work: () => Promise<number> | number,
): Promise<Usage & { peakRssBytes: number }> {
  let peakRssBytes = process.memoryUsage.rss();
  const watch = setInterval(() => {
    peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss());
  }, 50);
  const taken = await measureShared(work).finally(() => clearInterval(watch));
  return { ...taken, peakRssBytes: Math.max(peakRssBytes, process.memoryUsage.rss()) };
}

/**
 * Time and CPU of work in the harness itself. Its memory is not told: it would be what the harness and
 * the benches before have left (530 MB in a run of all, 150 alone).
 */
export async function measureShared(work: () => Promise<number> | number): Promise<Usage> {
  const cpu = process.cpuUsage();
  const begunMs = performance.now();
  const count = await work();
  const seconds = (performance.now() - begunMs) / 1_000;
  const used = process.cpuUsage(cpu);
  return { count, seconds, cpuSeconds: (used.user + used.system) / 1e6 };
}
