/** interop/receivers/exim — Exim in a room: Maildir by appendfile, DSNs by its own smtp transport. */
import { MAIL, NOBODY, SIZE_LIMIT } from '../receiver.ts';
import type { ReceiverKind, ReceiverSetup } from '../receiver.ts';

const OWNER = { name: 'Debian-exim', id: 921 };

export const exim: ReceiverKind = {
  name: 'exim',
  packages: ['exim4-daemon-heavy'],
  accounts: [MAIL, NOBODY, OWNER],
  doors: ['tls', 'clear', 'data', 'few'],
  offers: ['PIPELINING', 'CHUNKING', '8BITMIME', 'DSN', 'SMTPUTF8', 'SIZE'],
  mailFolder: 'mail/all/new',
  log: 'var/log/exim4/mainlog',
  start(setup) {
    const { room, tls } = setup;
    room.write('etc/exim4/exim4.conf', configuration(setup));
    room.write('etc/exim4/tls.pem', tls.key + tls.cert, { mode: 0o640, owner: 0, group: OWNER.id });
    room.folder('mail', { owner: MAIL.id });
    room.folder('var/spool/exim4', { mode: 0o750, owner: OWNER.id });
    room.folder('var/log/exim4', { mode: 0o750, owner: OWNER.id });
    room.start(['/usr/sbin/exim4', '-bdf', '-q1m']);
  },
  read(file) {
    const text = file.toString('utf8');
    return {
      recipient: /^Envelope-to: (.*)$/m.exec(text)?.[1] ?? '',
      sender: /^Return-path: <(.*)>$/m.exec(text)?.[1] ?? '',
    };
  },
};

function configuration({ ports, bouncePort }: ReceiverSetup): string {
  const { tls = 0, clear = 0, data = 0, few = 0 } = ports;
  const doors = [tls, clear, data, few].map((port) => `127.0.0.1.${port}`);
  return `
primary_hostname = mx.exim.example
local_interfaces = <; ${doors.join(' ; ')}
exim_user = ${OWNER.name}
exim_group = ${OWNER.name}
log_file_path = /var/log/exim4/%slog
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
message_size_limit = ${SIZE_LIMIT}
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
tls_certificate = /etc/exim4/tls.pem
tls_advertise_hosts = \${if =={$received_port}{${clear}}{}{*}}
chunking_advertise_hosts = \${if =={$received_port}{${data}}{}{*}}
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_connect = at_connect
acl_smtp_rcpt = at_rcpt
acl_smtp_data = at_data

begin acl
at_connect:
  # It would ask the DNS for our keys.
  accept control = dkim_disable_verify
at_rcpt:
  deny local_parts = ^unknown
       message = Unrouteable address
  defer condition = \${if and{{=={$received_port}{${few}}}{>{$rcpt_count}{20}}}}
        message = 452 4.5.3 Too many recipients
  accept
at_data:
  accept

begin routers
home:
  driver = manualroute
  domains = bounce.shop.example
  transport = home
  route_data = 127.0.0.1
  self = send
late:
  driver = redirect
  domains = late.exim.example
  allow_fail
  data = :fail: No such user here
keep:
  driver = accept
  domains = *.exim.example
  transport = keep

begin transports
home:
  driver = smtp
  port = ${bouncePort}
  hosts_override
  allow_localhost
  tls_tempfail_tryclear
keep:
  driver = appendfile
  directory = /mail/all
  maildir_format
  user = ${MAIL.name}
  group = ${MAIL.name}
  envelope_to_add
  return_path_add

begin retry
* * F,1h,1m
`;
}
