/** bench/peers/accounts — ids of the machine's accounts, from /etc/passwd. */
import { readFileSync } from 'node:fs';

export function accountIds(name: string): { uid: number; gid: number } {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [account, , uid, gid] = line.split(':');
    if (account === name) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`no account ${name}`);
}
