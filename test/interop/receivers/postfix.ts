/** interop/receivers/postfix — Postfix in a room: Maildir by virtual(8), DSNs by its own smtp(8). */
import type { Room } from '../room.ts';
import { MAIL, NOBODY, SIZE_LIMIT } from '../receiver.ts';
import type { DoorName, ReceiverKind, ReceiverSetup } from '../receiver.ts';

const OWNER = { name: 'postfix', id: 911 };
const DROP = { name: 'postdrop', id: 912 };

/** smtpd options in which the doors differ. */
const DOORS: Partial<Record<DoorName, readonly string[]>> = {
  tls: [],
  clear: ['smtpd_tls_security_level=none'],
  data: ['smtpd_discard_ehlo_keywords=chunking'],
  bare: [
    'smtpd_tls_security_level=none',
    'smtpd_discard_ehlo_keywords=pipelining,chunking,8bitmime,dsn,smtputf8,size,etrn,vrfy,enhancedstatuscodes',
  ],
  few: ['smtpd_recipient_limit=20'],
};
/** Where mail for `late` goes next, and is refused. */
const INNER = [
  'myhostname=inner.postfix.example',
  'smtpd_recipient_restrictions=check_recipient_access,static:{550 5.1.1 User unknown here}',
];

const MAIN = `
compatibility_level = 3.6
myhostname = mx.postfix.example
mydestination =
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
smtpd_peername_lookup = no
local_header_rewrite_clients =
maillog_file = /var/log/mail.log
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/postfix/tls.pem
smtpd_tls_key_file = /etc/postfix/tls.pem
smtpd_tls_received_header = yes
smtp_tls_security_level = may
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = regexp:/etc/postfix/domains
virtual_mailbox_maps = regexp:/etc/postfix/mailboxes
virtual_mailbox_base = /mail
virtual_uid_maps = static:${MAIL.id}
virtual_gid_maps = static:${MAIL.id}
virtual_mailbox_limit = 0
relay_domains = late.postfix.example
relay_recipient_maps =
transport_maps = inline:{%TRANSPORTS%}
message_size_limit = ${SIZE_LIMIT}
alias_maps =
alias_database =
`;

const SERVICES = `
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
`;

export const postfix: ReceiverKind = {
  name: 'postfix',
  packages: ['postfix'],
  accounts: [MAIL, NOBODY, OWNER, DROP],
  doors: ['tls', 'clear', 'data', 'bare', 'few'],
  offers: ['PIPELINING', 'CHUNKING', '8BITMIME', 'DSN', 'SMTPUTF8', 'SIZE'],
  mailFolder: 'mail/all/new',
  log: 'var/log/mail.log',
  start(setup) {
    configure(setup);
    makeQueue(setup.room);
    setup.room.start(['/usr/lib/postfix/sbin/master', '-d', '-c', '/etc/postfix']);
  },
  read(file) {
    const text = file.toString('utf8');
    return {
      recipient: /^Delivered-To: (.*)$/m.exec(text)?.[1] ?? '',
      sender: /^Return-Path: <(.*)>$/m.exec(text)?.[1] ?? '',
    };
  },
};

function configure({ room, ports, bouncePort, tls }: ReceiverSetup): void {
  const transports = [
    `{bounce.shop.example = smtp:[127.0.0.1]:${bouncePort}}`,
    `{late.postfix.example = smtp:[127.0.0.1]:${ports.inner}}`,
  ];
  room.write('etc/postfix/main.cf', MAIN.replace('%TRANSPORTS%', transports.join(', ')));
  room.write('etc/postfix/tls.pem', tls.key + tls.cert, { mode: 0o600 });
  room.write('etc/postfix/domains', 'if !/^late\\./\n/^(.+\\.)?postfix\\.example$/ here\nendif\n');
  room.write('etc/postfix/mailboxes', 'if !/^unknown/\n/./ all/\nendif\n');
  const doors = Object.entries(DOORS).map(([name, options]) =>
    smtpdService(ports[name as DoorName] ?? 0, options),
  );
  room.write(
    'etc/postfix/master.cf',
    [...doors, smtpdService(ports.inner, INNER), SERVICES].join(''),
  );
}

function smtpdService(port: number, options: readonly string[]): string {
  const lines = options.map((option) => {
    const at = option.indexOf('=');
    return `  -o { ${option.slice(0, at)} = ${option.slice(at + 1)} }\n`;
  });
  return `127.0.0.1:${port} inet n - n - - smtpd\n${lines.join('')}`;
}

/** What `postfix check` would make. */
function makeQueue(room: Room): void {
  const own = { mode: 0o700, owner: OWNER.id };
  const queue = 'active bounce corrupt defer deferred flush hold incoming private saved trace';
  for (const folder of queue.split(' ')) room.folder(`var/spool/postfix/${folder}`, own);
  const shared = { owner: OWNER.id, group: DROP.id };
  room.folder('var/spool/postfix/maildrop', { mode: 0o730, ...shared });
  room.folder('var/spool/postfix/public', { mode: 0o710, ...shared });
  room.folder('var/spool/postfix/pid');
  room.folder('var/lib/postfix', own);
  room.folder('mail', { owner: MAIL.id });
}
