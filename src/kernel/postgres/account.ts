/**
 * kernel/postgres/account — as whom the embedded PostgreSQL runs.
 *
 * PostgreSQL refuses to run as root. Started as root (containers), it runs as `postgres` where that
 * account exists, else as `nobody`; otherwise as ourselves.
 *
 * Promises: never creates or changes an account. `canEnter` tells whether that account may reach a
 *           folder, by owner, group and mode of every folder above it.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export interface Account {
  uid: number;
  gid: number;
  name: string;
}

/** null: run as ourselves. */
export function serverAccount(): Account | null {
  if (process.getuid?.() !== 0) return null;
  const rows = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const row = rows.find((fields) => fields[0] === name);
    if (row !== undefined) return { name, uid: Number(row[2]), gid: Number(row[3]) };
  }
  return { name: '65534', uid: 65_534, gid: 65_534 };
}

/** Whether `account` may pass through `folder` and all its parents. */
export function canEnter(account: Account, folder: string): boolean {
  for (let path = resolve(folder); ; path = dirname(path)) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat !== undefined) {
      const bit = stat.uid === account.uid ? 0o100 : stat.gid === account.gid ? 0o010 : 0o001;
      if ((stat.mode & bit) === 0) return false;
    }
    if (path === dirname(path)) return true;
  }
}
