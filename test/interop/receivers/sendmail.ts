/**
 * interop/receivers/sendmail — Sendmail in a room: files by a mailer of our own, DSNs by its own relay.
 *
 * Its configuration is made in the room by Debian's m4 macros. Debian 12's (8.17.1.9) has neither
 * CHUNKING nor SMTPUTF8.
 */
import { hostname } from 'node:os';
import { filingScript, MAIL, NOBODY, readFiled, SIZE_LIMIT } from '../receiver.ts';
import type { ReceiverKind, ReceiverSetup } from '../receiver.ts';

const DAEMON = { name: 'smmta', id: 941 };
const SUBMISSION = { name: 'smmsp', id: 942 };

/** EX_NOUSER. */
const GONE = '#!/bin/busybox sh\n/bin/busybox cat >/dev/null\nexit 67\n';

export const sendmail: ReceiverKind = {
  name: 'sendmail',
  packages: ['sendmail-bin', 'sendmail-cf', 'm4', 'busybox-static'],
  accounts: [MAIL, NOBODY, DAEMON, SUBMISSION],
  doors: ['tls', 'clear', 'few'],
  offers: ['PIPELINING', '8BITMIME', 'DSN', 'SIZE'],
  mailFolder: 'mail/new',
  log: 'var/log/mail.log',
  start(setup) {
    const { room, tls } = setup;
    // It looks for a full name of the machine, and sleeps a minute when there is none.
    room.write('etc/hosts', `127.0.0.1 mx.sendmail.example ${hostname()} localhost\n`);
    room.write('etc/mail/service.switch', 'hosts files\npasswd files\naliases files\n');
    room.write('etc/mail/local-host-names', '');
    room.write('etc/mail/tls.crt', tls.cert, { mode: 0o600 });
    room.write('etc/mail/tls.key', tls.key, { mode: 0o600 });
    room.write('bin/keep', filingScript('$1', '$2'), { mode: 0o755 });
    room.write('bin/gone', GONE, { mode: 0o755 });
    room.run(['/bin/busybox', 'ln', '-sf', '/bin/busybox', '/bin/sh']);
    for (const folder of ['mail', 'mail/tmp', 'mail/new']) room.folder(folder, { owner: MAIL.id });
    room.folder('var/spool/mqueue', { mode: 0o700 });
    room.write('etc/mail/ours.mc', configuration(setup));
    // Its complaints (no sed, to say in a comment who made the file) do not belong into the file.
    const make = 'm4 /etc/mail/ours.mc > /etc/mail/sendmail.cf';
    room.run(['/bin/busybox', 'sh', '-c', make]);
    room.start(['/bin/busybox', 'syslogd', '-n', '-O', `/${sendmail.log}`]);
    room.start(['/usr/libexec/sendmail/sendmail', '-bD', '-q1m', '-C/etc/mail/sendmail.cf']);
  },
  read: readFiled,
};

function configuration({ ports, bouncePort }: ReceiverSetup): string {
  const { tls = 0, clear = 0, few = 0 } = ports;
  const set = (name: string, value: string | number): string => `define(\`${name}', \`${value}')\n`;
  const door = (name: string, port: number, more = ''): string =>
    `DAEMON_OPTIONS(\`Name=${name}, Family=inet, Addr=127.0.0.1, Port=${port}${more}')\n`;
  return `divert(0)dnl
include(\`/usr/share/sendmail/cf/m4/cf.m4')
VERSIONID(\`ours')
OSTYPE(\`linux')
${set('confDOMAIN_NAME', 'mx.sendmail.example')}\
${set('confSERVICE_SWITCH_FILE', '/etc/mail/service.switch')}\
${set('confMAX_MESSAGE_SIZE', SIZE_LIMIT)}\
${set('confPID_FILE', '/run/sendmail.pid')}\
${set('confCACERT_PATH', '/etc/mail')}${set('confCACERT', '/etc/mail/tls.crt')}\
${set('confSERVER_CERT', '/etc/mail/tls.crt')}\
${set('confSERVER_KEY', '/etc/mail/tls.key')}\
${set('confREFUSE_LA', 1_000)}${set('confQUEUE_LA', 1_000)}${set('confDELAY_LA', 0)}\
${set('confTO_IDENT', '0s')}\
${set('confLOG_LEVEL', 12)}\
${set('ALIAS_FILE', '')}\
FEATURE(\`no_default_msa')
FEATURE(\`nocanonify')
FEATURE(\`accept_unresolvable_domains')
FEATURE(\`promiscuous_relay')
${door('tls', tls)}${door('clear', clear, ', M=S')}${door('few', few)}\
MAILER(\`local')
MAILER(\`smtp')
MAILER_DEFINITIONS
Mkeep, P=/bin/keep, F=PS8, U=${MAIL.name}:${MAIL.name}, T=DNS/RFC822/X-Unix, A=keep $f $u
Mgone, P=/bin/gone, F=S8, U=${MAIL.name}:${MAIL.name}, T=DNS/RFC822/X-Unix, A=gone $u
Mhome, P=[IPC], F=mDFMuXa8, E=\\r\\n, T=DNS/RFC822/SMTP, A=TCP 127.0.0.1 ${bouncePort}
LOCAL_CONFIG
Karith arith
Kunknown regex -a@MATCH ^<?unknown
LOCAL_RULE_0
R$+ < @ bounce.shop.example $* >	$#home $@ home $: $1 < @ bounce.shop.example >
R$+ < @ late.sendmail.example $* >	$#gone $@ gone $: $1 < @ late.sendmail.example >
R$+ < @ $* sendmail.example $* >	$#keep $@ here $: $1 < @ $2 sendmail.example >
LOCAL_RULESETS
SLocal_check_rcpt
R$*	$: $&{daemon_name} $| $&{nrcpts} $| $1
Rfew $| $+ $| $*	$: $(arith l $@ 19 $@ $1 $) $| skip $| $2
RTRUE $| skip $| $*	$#error $@ 4.5.3 $: "452 Too many recipients"
R$* $| $* $| $*	$: $(unknown $3 $)
R@MATCH	$#error $@ 5.1.1 $: "550 No such user here"
`;
}
