/**
 * bench/peers/opensmtpd — OpenSMTPD in a mount namespace of its own: its accounts, spool and socket are
 * seen by nobody else, and the system's are not touched. `mta limit` raised and its delays at zero.
 *
 * By itself it holds what goes to one relay back from 50 tasks on, until 30 are left, and lets ten go at
 * a time (task-hiwat, task-lowat, task-release). Raised: 2,000 messages took 6.6 and 7.9 s instead of
 * 13.9 and 11.6, on a busy machine. It still uses less than half of one core, and what it waits for is
 * not known: a second of strace on its queue saw no fsync. A ratio to it says little.
 *
 * Needs root and `unshare`. Fed over SMTP (mail-server.ts); the time runs until the sink has every
 * message. It sends one transaction a recipient unless they come together, so single copies stay one.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';
import { endOf, failureOf } from '../harness/child.ts';
import { freePort } from '../harness/free-port.ts';
import { untilListening } from '../harness/sink.ts';
import { familyCpuSeconds } from '../harness/usage.ts';
import { librariesOf, openSmtpdFolder } from './installed.ts';
import type { MailServer } from './mail-server.ts';

const CONNECTIONS = 100;
const LIMITS = [
  ...['host', 'route', 'source', 'connector', 'relay', 'domain'].map(
    (what) => `max-conn-per-${what} ${CONNECTIONS}`,
  ),
  ...['host', 'route', 'source', 'connector', 'relay', 'domain'].map(
    (what) => `conn-delay-${what} 0`,
  ),
  'reconn-delay-route 0',
  'session-mail-max 1000',
  'session-transaction-delay 0',
  ...['task-hiwat 10000', 'task-lowat 5000', 'task-release 1000'],
];

export function openSmtpdAbsence(): string | null {
  if (openSmtpdFolder() === null) return 'OpenSMTPD is not here (npm run bench -- peers install)';
  if (process.getuid?.() !== 0) return 'OpenSMTPD is not measured: it needs root';
  return null;
}

/** Binds what it expects at fixed places, in a namespace that ends with it. */
const SCRIPT = `set -e
mount --make-rprivate /
mount --bind "$WORK/passwd" /etc/passwd
mount --bind "$WORK/group" /etc/group
mount --bind "$WORK/resolv.conf" /etc/resolv.conf
mount --bind "$WORK/spool" /var/spool
mount --bind "$WORK/run" /run
mkdir -p /var/lib/opensmtpd /usr/libexec
mount -t tmpfs tmpfs /var/lib/opensmtpd
mkdir -m 711 /var/lib/opensmtpd/empty
chmod 711 /var/lib/opensmtpd
mount -t tmpfs tmpfs /usr/libexec
mkdir -p /usr/libexec/opensmtpd
exec "$ROOT/usr/sbin/smtpd" -F -f "$WORK/smtpd.conf"
`;

export async function startOpenSmtpd(stack: ResourceStack, sinkPort: number): Promise<MailServer> {
  const root = openSmtpdFolder() ?? '/';
  const work = mkdtempSync(join(tmpdir(), 'volley-bench-opensmtpd-'));
  stack.onRelease('OpenSMTPD folder', () => rmSync(work, { recursive: true, force: true }));
  chmodSync(work, 0o755);
  const port = await freePort();
  layOut(work, port, sinkPort);
  const child = spawn('unshare', ['-m', 'sh', '-c', SCRIPT], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    env: {
      WORK: work,
      ROOT: root,
      LD_LIBRARY_PATH: librariesOf(root),
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    },
  });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(-500)));
  stack.onRelease('OpenSMTPD', async () => {
    await endOf(child);
    await sleep(200);
  });
  try {
    await Promise.race([untilListening(port), failureOf('OpenSMTPD', child)]);
  } catch (error) {
    throw new Error(`OpenSMTPD did not start: ${words}`, { cause: error });
  }
  return { port, cpuSeconds: () => familyCpuSeconds(child.pid ?? 0) };
}

function layOut(work: string, port: number, sinkPort: number): void {
  for (const folder of ['spool', 'run']) mkdirSync(join(work, folder), { mode: 0o755 });
  const passwd = ['opensmtpd:x:64990:64990::/var/lib/opensmtpd/empty:/usr/sbin/nologin']
    .concat('opensmtpq:x:64991:64991::/var/lib/opensmtpd/empty:/usr/sbin/nologin')
    .join('\n');
  const group = 'opensmtpd:x:64990:\nopensmtpq:x:64991:';
  writeFileSync(join(work, 'passwd'), `${readFileSync('/etc/passwd', 'utf8')}${passwd}\n`);
  writeFileSync(join(work, 'group'), `${readFileSync('/etc/group', 'utf8')}${group}\n`);
  // It looks up the name of every address: an answer that comes at once, instead of a timeout.
  writeFileSync(join(work, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  const conf = `queue ttl 1d
smtp limit max-mails 100000
smtp limit max-rcpt 1000
mta limit ${LIMITS.join(' ')}
listen on 127.0.0.1 port ${port} hostname relay.example
action "out" relay host smtp://127.0.0.1:${sinkPort} helo relay.example
match from any for any action "out"
`;
  writeFileSync(join(work, 'smtpd.conf'), conf, { mode: 0o600 });
}
