/**
 * bounce/sources/source — a place that returning mail waits in: its address, and what a look at it does.
 *
 *     maildir:///var/mail/bounces?then=delete
 *     mbox:///var/spool/mail/bounces
 *     imaps://bounces%40example.com:password@imap.example.com/INBOX?then=delete
 *     pop3s://bounces:password@pop.example.com?then=delete
 *
 * Pure. Promises: `then` says what becomes of a message that was kept: `seen` (default: it stays, marked)
 *           or `delete`; an mbox is only read. A message that names nothing of ours is never deleted.
 *           `imap:` and `pop3:` ask for STARTTLS (STLS), except on this machine itself.
 * Fails:    `config_invalid`, with the address but never its password.
 * See:      poller.ts, docs/inbound.md.
 */
import { AppError } from '../../kernel/errors.ts';

/** `kept`: durable now. `foreign`: names nothing of ours; nothing was kept. */
export type Taken = 'kept' | 'foreign';
/** Resolves after the commit; rejects when it cannot be recorded now. */
export type Take = (message: AsyncIterable<Buffer>) => Promise<Taken>;

export interface Source {
  /** For the log: without password. */
  name: string;
  /** One look: takes what is there, some thousands at most. */
  poll(take: Take): Promise<void>;
}

export type SourceAddress =
  | { kind: 'maildir'; name: string; path: string; remove: boolean }
  | { kind: 'mbox'; name: string; path: string }
  | MailboxAddress;

export interface MailboxAddress {
  kind: 'imap' | 'pop3';
  name: string;
  host: string;
  port: number;
  user: string;
  password: string;
  /** TLS from the first byte. */
  secure: boolean;
  /** In clear at first, and no further without TLS. */
  startTls: boolean;
  /** IMAP only. */
  mailbox: string;
  remove: boolean;
}

const PORTS: Record<string, number> = { imap: 143, imaps: 993, pop3: 110, pop3s: 995 };
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/;

export function parseSource(text: string): SourceAddress {
  const url = URL.parse(text);
  if (url === null) throw wrong('a source', 'is no URL');
  const scheme = url.protocol.slice(0, -1);
  const name = `${scheme}://${url.host}${url.pathname}`;
  const then = url.searchParams.get('then') ?? 'seen';
  const others = [...url.searchParams.keys()].filter((key) => key !== 'then');
  if (others.length > 0) throw wrong(name, `does not know ${others.join(', ')}`);
  if (then !== 'seen' && then !== 'delete') throw wrong(name, 'then must be seen or delete');
  const remove = then === 'delete';
  const path = decode(name, url.pathname);
  if (scheme === 'maildir' || scheme === 'mbox') {
    if (url.host !== '' || path.length < 2)
      throw wrong(name, 'needs an absolute path: maildir:///…');
    if (scheme === 'maildir') return { kind: 'maildir', name, path, remove };
    if (remove) throw wrong(name, 'an mbox is only read: rotate it yourself');
    return { kind: 'mbox', name, path };
  }
  const port = PORTS[scheme];
  if (port === undefined) throw wrong(name, 'must be maildir, mbox, imap, imaps, pop3 or pop3s');
  const user = decode(name, url.username);
  const password = decode(name, url.password);
  if (user === '' || password === '' || url.hostname === '') {
    throw wrong(name, 'needs user, password and host');
  }
  if (/[\r\n\0]/.test(user + password)) throw wrong(name, 'has a line break in user or password');
  return {
    kind: scheme.startsWith('imap') ? 'imap' : 'pop3',
    name,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? port : Number(url.port),
    user,
    password,
    secure: scheme.endsWith('s'),
    startTls: !scheme.endsWith('s') && !LOOPBACK.test(url.hostname),
    mailbox: path === '' || path === '/' ? 'INBOX' : path.slice(1),
    remove,
  };
}

function decode(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(name, 'has a % that is no escape');
  }
}

function wrong(name: string, why: string): AppError {
  return new AppError('config_invalid', `VOLLEY_INBOUND_SOURCES: ${name} ${why}`);
}
