/**
 * bench/peers/postfix — a Postfix of our own beside whatever the system has: config, queue and data in
 * a temporary folder, no account made, `master` started by us and ended by us.
 *
 * Tuned as its documents advise for relaying: connection cache on demand, raised concurrency and
 * processes, no inflow delay, no content checks. Fed over SMTP (mail-server.ts); the time runs until the
 * sink has every message. The feeder may ask for XVERP: a copy for every recipient of one message.
 *
 * Needs root: Postfix's daemons change their user.
 */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResourceStack } from '../../src/kernel/lifecycle.ts';
import { endOf, failureOf } from '../harness/child.ts';
import { freePort } from '../harness/free-port.ts';
import { untilListening } from '../harness/sink.ts';
import { familyCpuSeconds } from '../harness/usage.ts';
import { postfixFolder, postfixLibraries } from './installed.ts';
import { accountIds } from './accounts.ts';
import type { MailServer } from './mail-server.ts';

const PROCESSES = 100;
/** An account and a group that every Debian has and that own no mail: Postfix refuses root. */
const OWNER = 'daemon';
const GROUP = 'mail';

const MASTER = `
smtp      inet  n - n - ${PROCESSES} smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - ${PROCESSES} smtp
relay     unix  - - n - ${PROCESSES} smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
`;

const QUEUE_FOLDERS = [
  ...['incoming', 'active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold'],
  ...['trace', 'saved', 'private', 'public', 'maildrop'],
];

function mainCf(root: string, work: string, sinkPort: number): string {
  return `compatibility_level = 3.6
queue_directory = ${work}/queue
data_directory = ${work}/data
command_directory = ${root}/usr/sbin
daemon_directory = ${root}/usr/lib/postfix/sbin
shlib_directory = no
mail_owner = ${OWNER}
setgid_group = ${GROUP}
default_privs = nobody
import_environment = MAIL_CONFIG LD_LIBRARY_PATH TZ
myhostname = relay.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_authorized_verp_clients = 127.0.0.1
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtp_dns_support_level = disabled
smtputf8_enable = no
relayhost = [127.0.0.1]:${sinkPort}
relay_transport = smtp
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = 127.0.0.1
smtp_connection_reuse_count_limit = 1000
smtp_tls_security_level =
smtpd_tls_security_level =
initial_destination_concurrency = 20
default_destination_concurrency_limit = 100
default_destination_recipient_limit = 100
default_process_limit = ${PROCESSES}
in_flow_delay = 0
syslog_name = volley-bench-postfix
`;
}

export function postfixAbsence(): string | null {
  if (postfixFolder() === null) return 'Postfix is not here (npm run bench -- peers install)';
  if (process.getuid?.() !== 0) return 'Postfix is not measured: its daemons need root';
  return null;
}

export async function startPostfix(stack: ResourceStack, sinkPort: number): Promise<MailServer> {
  const root = postfixFolder() ?? '/';
  const work = mkdtempSync(join(tmpdir(), 'volley-bench-postfix-'));
  stack.onRelease('Postfix folder', () => rmSync(work, { recursive: true, force: true }));
  const port = await freePort();
  layOut(work);
  writeFileSync(join(work, 'conf/main.cf'), mainCf(root, work, sinkPort));
  writeFileSync(
    join(work, 'conf/master.cf'),
    MASTER.replace('smtp      inet', `127.0.0.1:${port} inet`),
  );
  const child = spawn(join(root, 'usr/lib/postfix/sbin/master'), ['-c', join(work, 'conf'), '-d'], {
    // Its log goes to syslog, where there is none to nobody; what it prints is why it did not start.
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      LD_LIBRARY_PATH: postfixLibraries(),
      MAIL_CONFIG: join(work, 'conf'),
      PATH: '/usr/bin:/bin',
    },
  });
  stack.onRelease('Postfix', () => endOf(child));
  await Promise.race([untilListening(port), failureOf('Postfix', child)]);
  return { port, cpuSeconds: () => familyCpuSeconds(child.pid ?? 0) };
}

function layOut(work: string): void {
  const { uid, gid } = accountIds(OWNER);
  chmodSync(work, 0o755);
  for (const folder of ['conf', 'queue', 'queue/pid', 'data']) mkdirSync(join(work, folder));
  chownSync(join(work, 'data'), uid, gid);
  for (const folder of QUEUE_FOLDERS) {
    mkdirSync(join(work, 'queue', folder), { mode: 0o700 });
    chownSync(join(work, 'queue', folder), uid, gid);
  }
}
