/**
 * servers/pop3 — a POP3 server for the tests (RFC 1939): one mailbox, USER/PASS, UIDL, RETR, DELE, STLS.
 *
 * DELE happens at QUIT, as the protocol says; a connection that breaks off deletes nothing.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Pop3Server {
  port: number;
  /** By id, as stored: CRLF lines. */
  mailbox: Map<string, string>;
  /** Commands heard, passwords too. */
  heard: string[];
  /** Cuts the connection in the middle of the next message. */
  breakNext: boolean;
  close(): Promise<void>;
}

export async function startPop3(password: string): Promise<Pop3Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    void serve(socket, password, state);
  });
  const state: Pop3Server = {
    port: 0,
    mailbox: new Map(),
    heard: [],
    breakNext: false,
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

async function serve(socket: Socket, password: string, state: Pop3Server): Promise<void> {
  socket.write('+OK ready\r\n');
  let open = false;
  const deleted = new Set<string>();
  for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) {
    state.heard.push(line);
    const ids = [...state.mailbox.keys()];
    const [verb = '', argument = ''] = line.split(' ');
    const id = ids[Number(argument) - 1] ?? '';
    if (verb === 'USER') socket.write('+OK\r\n');
    else if (verb === 'PASS') {
      open = argument === password;
      socket.write(open ? '+OK\r\n' : '-ERR wrong password\r\n');
    } else if (!open) socket.write('-ERR log in first\r\n');
    else if (verb === 'UIDL') {
      const list = ids.map((each, i) => `${i + 1} ${each}\r\n`).join('');
      socket.write(`+OK\r\n${list}.\r\n`);
    } else if (verb === 'RETR') {
      const text = (state.mailbox.get(id) ?? '').replace(/^\./gm, '..');
      if (state.breakNext) {
        state.breakNext = false;
        socket.end(`+OK\r\n${text.slice(0, text.length / 2)}`);
        return;
      }
      socket.write(`+OK\r\n${text}.\r\n`);
    } else if (verb === 'DELE') {
      deleted.add(id);
      socket.write('+OK\r\n');
    } else if (verb === 'QUIT') {
      for (const each of deleted) state.mailbox.delete(each);
      socket.end('+OK bye\r\n');
    } else socket.write('-ERR unknown\r\n');
  }
}
