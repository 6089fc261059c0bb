/**
 * servers/imap — as much of an IMAP4rev1 server as a client needs that reads one mailbox: LOGIN, SELECT,
 * UID SEARCH, FETCH (whole or in pieces), STORE, EXPUNGE.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';

interface Stored {
  uid: number;
  text: string;
  flags: Set<string>;
}

export interface ImapServer {
  port: number;
  mailbox: Stored[];
  heard: string[];
  add(text: string): void;
  close(): Promise<void>;
}

export async function startImap(password: string): Promise<ImapServer> {
  const sockets = new Set<Socket>();
  let nextUid = 1;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    serve(socket, password, state);
  });
  const state: ImapServer = {
    port: 0,
    mailbox: [],
    heard: [],
    add(text) {
      state.mailbox.push({ uid: nextUid, text, flags: new Set() });
      nextUid += 1;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  state.port = address !== null && typeof address === 'object' ? address.port : 0;
  return state;
}

function serve(socket: Socket, password: string, state: ImapServer): void {
  socket.write('* OK ready\r\n');
  let held = '';
  socket.on('data', (chunk: Buffer) => {
    held += chunk.toString('latin1');
    for (let end = held.indexOf('\r\n'); end >= 0; end = held.indexOf('\r\n')) {
      const line = held.slice(0, end);
      held = held.slice(end + 2);
      state.heard.push(line);
      answer(socket, line, password, state);
    }
  });
}

function answer(socket: Socket, line: string, password: string, state: ImapServer): void {
  const [, tag = '*', rest = ''] = /^(\S+) (.*)$/.exec(line) ?? [];
  const ok = (text = 'done'): boolean => socket.write(`${tag} OK ${text}\r\n`);
  const untagged = (text: string): boolean => socket.write(`* ${text}\r\n`);
  const verb = rest.toUpperCase();
  const { mailbox } = state;
  if (verb === 'CAPABILITY') untagged('CAPABILITY IMAP4rev1 UIDPLUS');
  else if (verb.startsWith('LOGIN ')) {
    if (!rest.includes(`"${password}"`) && !rest.endsWith(` ${password}`)) {
      socket.write(`${tag} NO [AUTHENTICATIONFAILED] wrong password\r\n`);
      return;
    }
  } else if (verb.startsWith('LIST')) untagged('LIST () "/" INBOX');
  else if (verb.startsWith('SELECT')) {
    untagged(`${mailbox.length} EXISTS`);
    untagged('FLAGS (\\Seen \\Deleted)');
    untagged('OK [PERMANENTFLAGS (\\Seen \\Deleted)]');
    untagged('OK [UIDVALIDITY 7]');
    untagged('OK [UIDNEXT 1000]');
    ok('[READ-WRITE]');
    return;
  } else if (verb.startsWith('UID SEARCH')) {
    const unseen = mailbox.filter(({ flags }) => !flags.has('\\Seen'));
    untagged(`SEARCH ${unseen.map(({ uid }) => uid).join(' ')}`.trim());
  } else if (verb.startsWith('UID FETCH')) fetch(socket, rest, mailbox);
  else if (verb.startsWith('UID STORE')) {
    const [, uid = '', flags = ''] =
      /UID STORE (\d+) \+FLAGS(?:\.SILENT)? \(([^)]*)\)/i.exec(rest) ?? [];
    for (const each of mailbox)
      if (each.uid === Number(uid)) flags.split(' ').forEach((flag) => each.flags.add(flag));
  } else if (verb.startsWith('UID EXPUNGE') || verb === 'EXPUNGE') {
    for (const [i, each] of mailbox.entries()) {
      if (!each.flags.has('\\Deleted')) continue;
      mailbox.splice(i, 1);
      untagged(`${i + 1} EXPUNGE`);
      break;
    }
  } else if (verb === 'LOGOUT') {
    untagged('BYE');
    ok();
    socket.end();
    return;
  }
  ok();
}

function fetch(socket: Socket, rest: string, mailbox: Stored[]): void {
  const uid = Number(/UID FETCH (\d+)/i.exec(rest)?.[1]);
  const at = mailbox.findIndex((each) => each.uid === uid);
  const stored = mailbox[at];
  if (stored === undefined) return;
  const { text, flags } = stored;
  const [, from, length] = /BODY(?:\.PEEK)?\[\]<(\d+)\.(\d+)>/i.exec(rest) ?? [];
  const wantsBody = /BODY(?:\.PEEK)?\[\]/i.test(rest);
  const part = from === undefined ? text : text.slice(Number(from), Number(from) + Number(length));
  const name = from === undefined ? 'BODY[]' : `BODY[]<${from}>`;
  const body = wantsBody ? ` ${name} {${part.length}}\r\n${part}` : '';
  const items = `UID ${uid} FLAGS (${[...flags].join(' ')}) RFC822.SIZE ${text.length}`;
  socket.write(`* ${at + 1} FETCH (${items}${body})\r\n`, 'latin1');
}
