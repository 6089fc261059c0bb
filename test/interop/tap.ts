/**
 * interop/tap — sits on the wire before a receiver: counts connections, and keeps what was said.
 *
 * Bytes pass as they come. What is kept is bounded, for a person or a test to read.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface Turn {
  from: 'us' | 'them';
  text: string;
}

export interface Tap {
  port: number;
  /** One list of turns for each connection that was open at the last `rinse` or came since. */
  conversations(): readonly (readonly Turn[])[];
  /** Forgets what was heard. */
  rinse(): void;
  close(): Promise<void>;
}

const MAX_KEPT = 2_000_000;

export async function startTap(target: number): Promise<Tap> {
  let heard: { turns: Turn[]; socket: Socket }[] = [];
  let keptBytes = 0;
  const sockets = new Set<Socket>();

  const hear = (turns: Turn[], from: Turn['from'], bytes: Buffer): void => {
    keptBytes += bytes.length;
    if (keptBytes > MAX_KEPT) return;
    const last = turns.at(-1);
    if (last?.from === from) last.text += bytes.toString('latin1');
    else turns.push({ from, text: bytes.toString('latin1') });
  };

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (ours) => {
    const theirs = connect({ host: '127.0.0.1', port: target, noDelay: true, allowHalfOpen: true });
    const turns: Turn[] = [];
    heard.push({ turns, socket: ours });
    ours.on('data', (bytes: Buffer) => hear(turns, 'us', bytes));
    theirs.on('data', (bytes: Buffer) => hear(turns, 'them', bytes));
    join(ours, theirs, sockets);
    join(theirs, ours, sockets);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    conversations: () => heard.map(({ turns }) => turns),
    rinse() {
      heard = heard.filter(({ socket }) => !socket.destroyed);
      for (const { turns } of heard) turns.length = 0;
      keptBytes = 0;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function join(from: Socket, to: Socket, sockets: Set<Socket>): void {
  sockets.add(from);
  from.pipe(to);
  from.on('error', () => to.destroy());
  from.on('close', () => {
    sockets.delete(from);
    to.destroySoon();
  });
}
