/**
 * test/mta/smtp-host — the scriptable receiver on a real socket, with real TLS.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { generate } from 'selfsigned';
import { ALL_EXTENSIONS, Receiver } from './receiver.ts';
import type { Received, Script } from './receiver.ts';

export interface SmtpHostOptions {
  host?: string;
  port?: number;
  /** Listens on a Unix socket. */
  socketPath?: string;
  lmtp?: boolean;
  staysOpen?: boolean;
  extensions?: readonly string[];
  script?: Script;
  /** Before each answer. */
  delayMs?: number;
  /** By the address of the client, instead of `script`. */
  scriptFor?: (peer: string) => Script | undefined;
  /** `broken`: hangs up on the client's hello. */
  tls?: SecureContext | 'broken';
  /** Told the names that clients ask for in TLS. */
  onServerName?: (name: string) => void;
  /** Told of each handshake that is done. */
  onSecure?: (socket: TLSSocket) => void;
  /** Called for each connection; false hangs up at once. */
  accept?: (count: number) => boolean;
}

export interface SmtpHost {
  readonly host: string;
  readonly port: number;
  /** Static route to it. */
  readonly route: string;
  readonly ledger: Received[];
  /** Command lines of each connection, in order of connections. */
  readonly transcripts: string[][];
  /** Addresses of the clients, in order of connections. */
  readonly peers: string[];
  readonly sockets: ReadonlySet<Socket>;
  /** Connections open at this moment. */
  open(): number;
  /** Most connections open at one time. */
  peak(): number;
  close(): Promise<void>;
}

export async function startSmtpHost(options: SmtpHostOptions = {}): Promise<SmtpHost> {
  const host = options.host ?? '127.0.0.1';
  const ledger: Received[] = [];
  const transcripts: string[][] = [];
  const peers: string[] = [];
  const sockets = new Set<Socket>();
  let peak = 0;
  let count = 0;
  const server: Server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    peak = Math.max(peak, sockets.size);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    count += 1;
    peers.push(socket.remoteAddress ?? '');
    if (options.accept?.(count) === false) socket.destroy();
    else transcripts.push(converse(socket, options, ledger));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (options.socketPath === undefined) server.listen(options.port ?? 0, host, resolve);
    else server.listen(options.socketPath, resolve);
  });
  const port = options.socketPath === undefined ? (server.address() as AddressInfo).port : 0;
  return {
    host,
    port,
    route: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    ledger,
    transcripts,
    peers,
    sockets,
    open: () => sockets.size,
    peak: () => peak,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function converse(raw: Socket, options: SmtpHostOptions, ledger: Received[]): string[] {
  let socket: Socket = raw;
  const later = (act: () => void): void => {
    if (options.delayMs === undefined) act();
    else setTimeout(act, options.delayMs);
  };
  const script = options.scriptFor?.(raw.remoteAddress ?? '') ?? options.script;
  const receiver = new Receiver(
    {
      extensions: [
        ...(options.extensions ?? ALL_EXTENSIONS),
        ...(options.tls === undefined ? [] : ['STARTTLS']),
      ],
      ledger,
      lmtp: options.lmtp === true,
      staysOpen: options.staysOpen === true,
      ...(script === undefined ? {} : { script }),
    },
    {
      write: (bytes) => {
        later(() => {
          if (socket.writable) socket.write(bytes);
        });
      },
      close: () => later(() => socket.destroySoon()),
      startTls: () => upgrade(),
    },
  );
  const listen = (): void => {
    socket.on('data', (bytes) => receiver.push(bytes));
    socket.on('end', () => socket.destroy());
  };
  const upgrade = (): void => {
    raw.removeAllListeners('data');
    if (options.tls === 'broken' || options.tls === undefined) {
      raw.once('data', () => raw.destroy());
      return;
    }
    const secureContext = options.tls;
    const secure = new TLSSocket(raw, {
      isServer: true,
      secureContext,
      SNICallback(name, callback) {
        options.onServerName?.(name);
        callback(null, secureContext);
      },
    });
    secure.once('secure', () => options.onSecure?.(secure));
    socket = secure;
    socket.on('error', () => socket.destroy());
    receiver.tls = true;
    listen();
  };
  listen();
  receiver.greet();
  return receiver.transcript;
}

/** A certificate nobody can verify, as most MX hosts have. */
export async function selfSigned(): Promise<SecureContext> {
  return (await certificateFor('mx.test')).context;
}

/** Its own authority: `ca` verifies it. */
export async function certificateFor(
  name: string,
): Promise<{ context: SecureContext; ca: string; key: string }> {
  const attributes = [{ name: 'commonName', value: name }];
  const pems = await generate(attributes, {
    keySize: 2048,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: name }] },
    ],
  });
  return {
    context: createSecureContext({ key: pems.private, cert: pems.cert }),
    ca: pems.cert,
    key: pems.private,
  };
}
