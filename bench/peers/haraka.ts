/**
 * bench/peers/haraka — Haraka as an outbound relay, from its npm package in a folder of its own.
 *
 * One process, no bounces mailed, no TLS, our own two-hook plugin: everybody may relay, and everything
 * goes to the sink. Fed over SMTP; the time runs until the sink has every message.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';
import { endOf, failureOf } from '../harness/child.ts';
import { freePort } from '../harness/free-port.ts';
import { untilListening } from '../harness/sink.ts';
import { cpuSecondsOf } from '../harness/usage.ts';
import { harakaFolder } from './installed.ts';
import type { MailServer } from './mail-server.ts';

export function harakaAbsence(): string | null {
  return harakaFolder() === null ? 'Haraka is not here (npm run bench -- peers install)' : null;
}

function plugin(sinkPort: number): string {
  return `exports.hook_connect = (next, connection) => {
  connection.relaying = true;
  next();
};
exports.hook_rcpt = (next) => next(OK);
exports.hook_get_mx = (next) =>
  next(OK, { priority: 0, exchange: '127.0.0.1', port: ${sinkPort} });
`;
}

export async function startHaraka(stack: ResourceStack, sinkPort: number): Promise<MailServer> {
  const installed = join(harakaFolder() ?? '', 'node_modules/Haraka');
  const work = mkdtempSync(join(tmpdir(), 'volley-bench-haraka-'));
  stack.onRelease('Haraka folder', () => rmSync(work, { recursive: true, force: true }));
  const port = await freePort();
  for (const folder of ['config', 'plugins', 'queue']) mkdirSync(join(work, folder));
  const config: Record<string, string> = {
    'smtp.ini': `listen=127.0.0.1:${port}\nnodes=0\n`,
    'outbound.ini':
      'concurrency_max=100\nenable_tls=false\nlocal_mx_ok=true\nreceived_header=x\npool_concurrency_max=100\n',
    'log.ini': '[main]\nlevel=CRIT\n',
    loglevel: 'CRIT\n',
    plugins: 'bench_relay\n',
    me: 'relay.example\n',
    host_list: 'relay.example\n',
    databytes: '50000000\n',
  };
  // A file that is there replaces all of its defaults: the package's own, whole.
  copyFileSync(join(installed, 'config/connection.ini'), join(work, 'config/connection.ini'));
  for (const [name, text] of Object.entries(config))
    writeFileSync(join(work, 'config', name), text);
  writeFileSync(join(work, 'plugins/bench_relay.js'), plugin(sinkPort));
  const child = spawn(process.execPath, [join(installed, 'bin/haraka'), '-c', work], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '' },
  });
  stack.onRelease('Haraka', () => endOf(child, () => void child.kill('SIGKILL')));
  await Promise.race([untilListening(port), failureOf('Haraka', child)]);
  return { port, cpuSeconds: () => cpuSecondsOf(child.pid ?? 0) };
}
