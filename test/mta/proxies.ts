/**
 * test/mta/proxies — a SOCKS5 proxy and a PROXY-protocol reader on loopback, which really connect.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface TestProxy {
  host: string;
  port: number;
  /** What each connection asked for: `user 127.0.0.1:2525`, or the PROXY header as text. */
  asked: string[];
  close(): Promise<void>;
}

type Serve = (client: Socket, asked: string[]) => void;

async function start(serve: Serve): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  const server = createServer({ noDelay: true }, (client) => {
    sockets.add(client);
    client.on('close', () => sockets.delete(client));
    client.on('error', () => client.destroy());
    serve(client, asked);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    asked,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Reads until `length` bytes are there; what is more stays for the next. */
function createReader(client: Socket): (length: number) => Promise<Buffer> {
  let held = Buffer.alloc(0);
  let wanted: { length: number; resolve: (bytes: Buffer) => void } | null = null;
  const give = (): void => {
    if (wanted === null || held.length < wanted.length) return;
    const { length, resolve } = wanted;
    wanted = null;
    const bytes = held.subarray(0, length);
    held = held.subarray(length);
    resolve(bytes);
  };
  client.on('data', (bytes) => {
    held = Buffer.concat([held, bytes]);
    give();
  });
  return (length) =>
    new Promise((resolve) => {
      wanted = { length, resolve };
      give();
    });
}

function splice(client: Socket, host: string, port: number, onOpen: () => void): void {
  const upstream = connect({ host, port, noDelay: true });
  upstream.on('connect', () => {
    onOpen();
    client.removeAllListeners('data');
    client.pipe(upstream);
    upstream.pipe(client);
  });
  upstream.on('error', () => client.destroy());
  client.on('close', () => upstream.destroy());
}

export interface SocksOptions {
  login?: { user: string; secret: string };
  /** RFC 1928 reply code instead of connecting. */
  reply?: number;
}

export function startSocks(options: SocksOptions = {}): Promise<TestProxy> {
  return start((client, asked) => void serveSocks(client, asked, options));
}

async function serveSocks(client: Socket, asked: string[], options: SocksOptions): Promise<void> {
  const read = createReader(client);
  const [version, count = 0] = await read(2);
  const methods = [...(await read(count))];
  const method = options.login === undefined ? 0 : 2;
  if (version !== 5 || !methods.includes(method)) return void client.end(Buffer.from([5, 255]));
  client.write(Buffer.from([5, method]));
  let user = '-';
  if (options.login !== undefined) {
    const [, userLength = 0] = await read(2);
    user = (await read(userLength)).toString();
    const [secretLength = 0] = await read(1);
    const secret = (await read(secretLength)).toString();
    const known = user === options.login.user && secret === options.login.secret;
    client.write(Buffer.from([1, known ? 0 : 1]));
    if (!known) return void client.end();
  }
  const [, , , type] = await read(4);
  const address = [...(await read(type === 4 ? 16 : 4))];
  const host =
    type === 4
      ? Array.from({ length: 8 }, (_, i) =>
          ((address[i * 2]! << 8) | address[i * 2 + 1]!).toString(16),
        ).join(':')
      : address.join('.');
  const port = (await read(2)).readUInt16BE(0);
  asked.push(`${user} ${host}:${port}`);
  const reply = (code: number): Buffer => Buffer.from([5, code, 0, 1, 127, 0, 0, 1, 0, 0]);
  if (options.reply !== undefined) return void client.end(reply(options.reply));
  splice(client, host, port, () => client.write(reply(0)));
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** Reads a PROXY header, version 1 or 2, and connects to the target it names. */
export function startHaproxy(): Promise<TestProxy> {
  return start((client, asked) => void serveHaproxy(client, asked));
}

async function serveHaproxy(client: Socket, asked: string[]): Promise<void> {
  const read = createReader(client);
  const start = await read(12);
  if (start.equals(SIGNATURE)) {
    const [command, family] = await read(2);
    const length = (await read(2)).readUInt16BE(0);
    const body = await read(length);
    const source = body.subarray(0, 4).join('.');
    const host = body.subarray(4, 8).join('.');
    const port = body.readUInt16BE(10);
    asked.push(`v2 ${command} ${family} ${source} ${host}:${port}`);
    splice(client, host, port, () => undefined);
    return;
  }
  let line = start.toString('latin1');
  while (!line.endsWith('\r\n')) line += (await read(1)).toString('latin1');
  asked.push(line.trim());
  const [, , , host = '', , port] = line.trim().split(' ');
  splice(client, host, Number(port), () => undefined);
}
