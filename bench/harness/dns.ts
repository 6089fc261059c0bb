/** bench/dns — starts the DNS server of the harness (own-dns.ts). */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { answerOf, dismiss } from './child.ts';
import { heldByRun, killed } from './run-scope.ts';

export interface BenchDns {
  port: number;
  stop(): Promise<void>;
}

export async function startDns(): Promise<BenchDns> {
  const child = fork(join(import.meta.dirname, 'own-dns.ts'));
  heldByRun('DNS server', () => killed(child));
  const { port } = await answerOf<{ port: number }>('DNS server', child);
  return { port, stop: () => dismiss(child) };
}
