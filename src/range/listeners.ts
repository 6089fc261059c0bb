/**
 * range/listeners — one port on many loopback addresses.
 *
 * Promises: all addresses listen on the same port, or none does. MX records carry no port, so a
 *           client is told one port for the whole world.
 * Fails:    AppError `port_in_use` when no common port is found, or the one asked for is taken.
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { AppError, messageOf } from '../kernel/errors.ts';

const ROUNDS = 20;

export interface Listening {
  port: number;
  /** Stops listening; open sockets are the caller's. */
  close(): Promise<void>;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: 1_024, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers
      .filter((server) => server.listening)
      .map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
  );
}

/** Whether an address is ours to listen on. */
export async function canListen(host: string): Promise<boolean> {
  const server = createServer();
  try {
    await listen(server, host, 0);
    return true;
  } catch {
    return false;
  } finally {
    await closeAll([server]);
  }
}

/** `port` 0 looks for one that is free on all addresses. */
export async function listenOnAll(
  addresses: readonly string[],
  port: number,
  onConnection: (address: string, socket: Socket) => void,
): Promise<Listening> {
  for (let round = 1; ; round += 1) {
    const servers: Server[] = [];
    let common = port;
    try {
      for (const address of addresses) {
        const server = createServer({ noDelay: true }, (socket) => onConnection(address, socket));
        servers.push(server);
        common = await listen(server, address, common);
      }
      return { port: common, close: () => closeAll(servers) };
    } catch (error) {
      await closeAll(servers);
      if (codeOf(error) === 'EADDRINUSE' && port === 0 && round < ROUNDS) continue;
      throw new AppError('port_in_use', `range: cannot listen: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}
