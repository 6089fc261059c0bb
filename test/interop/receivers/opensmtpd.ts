/**
 * interop/receivers/opensmtpd — OpenSMTPD in a room: files by its mda, DSNs by its own relay.
 *
 * Debian 12's (6.8.0p2 with OpenSSL 3) offers STARTTLS and cannot sign a handshake, whatever the key
 * ("EVP lib" in its log; `openssl s_client` fails as well; OpenSMTPD's own issues 1171 and 1239): a
 * real host with broken TLS.
 */
import { filingScript, MAIL, NOBODY, readFiled, SIZE_LIMIT } from '../receiver.ts';
import type { ReceiverKind, ReceiverSetup } from '../receiver.ts';

const DAEMON = { name: 'opensmtpd', id: 931 };
const QUEUE = { name: 'opensmtpq', id: 932 };

export const opensmtpd: ReceiverKind = {
  name: 'opensmtpd',
  packages: ['opensmtpd', 'busybox-static'],
  accounts: [MAIL, NOBODY, DAEMON, QUEUE],
  doors: ['tls', 'clear', 'few'],
  offers: ['8BITMIME', 'DSN', 'SIZE'],
  brokenTls: true,
  mailFolder: 'mail/new',
  log: 'said',
  start(setup) {
    const { room, tls } = setup;
    room.write('etc/smtpd.conf', configuration(setup));
    room.write('etc/tls.crt', tls.cert, { mode: 0o600 });
    room.write('etc/tls.key', tls.key, { mode: 0o600 });
    room.write('bin/keep', filingScript('$SENDER', '$RECIPIENT'), { mode: 0o755 });
    room.run(['/bin/busybox', 'ln', '-sf', '/bin/busybox', '/bin/sh']);
    for (const folder of ['mail', 'mail/tmp', 'mail/new']) room.folder(folder, { owner: MAIL.id });
    room.folder('var/lib/opensmtpd/empty');
    room.folder('var/spool/smtpd', { mode: 0o711 });
    room.start(['/usr/sbin/smtpd', '-d', '-f', '/etc/smtpd.conf']);
  },
  read: readFiled,
};

function configuration({ ports, bouncePort }: ReceiverSetup): string {
  const { tls = 0, clear = 0, few = 0 } = ports;
  return `
pki ours cert "/etc/tls.crt"
pki ours key "/etc/tls.key"
smtp max-message-size "${SIZE_LIMIT}"
filter unknown phase rcpt-to match rcpt-to regex { "^unknown" } reject "550 5.1.1 No such user here"
listen on 127.0.0.1 port ${tls} hostname mx.opensmtpd.example tls pki ours filter unknown
listen on 127.0.0.1 port ${clear} hostname mx.opensmtpd.example filter unknown
listen on 127.0.0.1 port ${few} hostname mx.opensmtpd.example
filter gone phase rcpt-to match rcpt-to regex { "." } reject "550 5.1.1 User unknown here"
listen on 127.0.0.1 port ${ports.inner} hostname inner.opensmtpd.example filter gone
table all { "@" = ${MAIL.name} }
action keep mda "/bin/keep" virtual <all>
action gone relay host "smtp+notls://127.0.0.1:${ports.inner}"
action home relay host "smtp://127.0.0.1:${bouncePort}"
match from any for domain "late.opensmtpd.example" action gone
match from any for domain "*.opensmtpd.example" action keep
match from any for domain "bounce.shop.example" action home
`;
}
