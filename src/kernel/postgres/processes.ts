/**
 * kernel/postgres/processes — is a server of before really gone?
 *
 * After kill -9 of everything, PostgreSQL's main process may stand in the process table as a zombie
 * for ever (in a container whose process 1 reaps nobody). PostgreSQL takes that for a live server and
 * refuses to start. A zombie holds no file and no memory; its backends might for a moment.
 *
 * Promises: `isAlive` is false for a zombie. `awaitDeparture` resolves when no process works in the
 *           folder any more; it never signals anybody.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !isZombie(pid);
}

/** Linux tells; elsewhere nobody is taken for one. */
export function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // `pid (name) state …`; the name may hold anything, also a closing bracket.
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

/** PostgreSQL's processes work in the cluster's folder. Gives up after `timeoutMs`; answers whether they left. */
export async function awaitDeparture(folder: string, timeoutMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs <= timeoutMs; waitedMs += 50) {
    if (!readdirSync('/proc').some((name) => worksIn(name, folder))) return true;
    await sleep(50);
  }
  return false;
}

function worksIn(name: string, folder: string): boolean {
  if (!/^\d+$/.test(name)) return false;
  try {
    return readlinkSync(`/proc/${name}/cwd`) === folder;
  } catch {
    return false;
  }
}
