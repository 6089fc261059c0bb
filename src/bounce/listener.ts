/**
 * bounce/listener — the SMTP server that bounces, feedback reports and unsubscribes come home to.
 *
 * Promises: RCPT takes only signed addresses of our bounce domains, and their postmaster and abuse;
 *           all else is 550 5.1.1, so nothing is relayed and no backscatter is kept. 250 to the final
 *           dot is said after the commit. Every accepted recipient of a message is recorded for itself.
 *           The same message again is answered 250 and recorded once.
 * Never:    AUTH, relay, a message ended by anything but CRLF.CRLF: a bare LF is content (Postfix calls
 *           this smuggling; tested), and what follows it is never a command.
 * Fails:    451 4.3.0 while the database is away; 552 5.3.4 over the size; 452 4.5.3 over the
 *           recipients; 421 over the connections, when idle, and when nothing gets done.
 * Bound:    memory is connections x 1 MiB (intake.ts).
 * Why:      smtp-server waits 100 ms before its greeting, and refuses who talks sooner.
 * See:      destination.ts, record.ts.
 */
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server';
import type { Clock } from '../kernel/clock.ts';
import { AppError, messageOf } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import type { KeyRing } from '../verp/keyring.ts';
import { createBounceDomains } from './bounce-domains.ts';
import type { BounceDomains } from './bounce-domains.ts';
import { createConnections } from './connections.ts';
import { readDestination } from './destination.ts';
import type { Destination } from './destination.ts';
import { inspectMessage } from './inspect.ts';
import { fingerprintOf, STORED_BYTES, takeIn } from './intake.ts';
import { createReturnRecorder } from './record.ts';
import type { ReturnRecorder } from './record.ts';
import { plainText } from './suppressions/entry.ts';

export interface ListenerDeps {
  sql: Sql;
  keyRing: KeyRing;
  clock: Clock;
  log: Logger;
}

export interface ListenerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** In the greeting; the machine's name when absent. */
  name?: string;
  maxMessageBytes: number;
  maxConnections?: number;
  maxConnectionsPerAddress?: number;
  maxRecipients?: number;
  /** Without a byte from the peer. */
  idleTimeoutMs?: number;
  /** Without a completed message. */
  deadlineMs?: number;
  /** How long `close` waits for messages on the wire. */
  drainMs?: number;
}

export interface BounceListener {
  port: number;
  address: string;
  /** Takes no more connections, ends the idle ones, waits for messages on the wire, then resolves. */
  close(): Promise<void>;
}

/** RFC 5321 4.5.3.1.8: at least 100 recipients. */
const DEFAULTS = {
  maxConnections: 200,
  maxConnectionsPerAddress: 50,
  maxRecipients: 100,
  idleTimeoutMs: 60_000,
  deadlineMs: 300_000,
  drainMs: 10_000,
};
const MAX_COMMAND_BYTES = 4_096;
const SHUTTING_DOWN = 'Shutting down';
const NO_COMMANDS = ['AUTH', 'STARTTLS', 'XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL'];

/** An SMTP reply as smtp-server wants it; it adds the enhanced code. */
class Refusal extends Error {
  readonly responseCode: number;
  constructor(responseCode: number, text: string) {
    super(text);
    this.responseCode = responseCode;
  }
}

const noSuchAddress = (): Refusal => new Refusal(550, 'No such address here');
const tryLater = (): Refusal => new Refusal(451, 'Cannot record it now, try again later');

export async function startBounceListener(
  deps: ListenerDeps,
  options: ListenerOptions,
): Promise<BounceListener> {
  const limits = { ...DEFAULTS, ...options };
  const domains = createBounceDomains(deps.sql, deps.clock);
  const recorder = createReturnRecorder(deps);
  const receiving = new Set<string>();
  let closing = false;
  const connections = createConnections(
    { maxPerAddress: limits.maxConnectionsPerAddress, deadlineMs: limits.deadlineMs },
    (id) => dismiss(server, (other) => other === id, 'No message completed in time'),
  );

  const server = new SMTPServer({
    ...serverOptions(limits),
    onConnect(session, callback) {
      const admitted = connections.admit(session.id, session.remoteAddress);
      callback(admitted ? null : new Refusal(421, 'Too many connections from your address'));
    },
    onRcptTo({ address }, _session, callback) {
      acceptRecipient(deps, domains, address).then(
        (refusal) => callback(refusal),
        (error: unknown) => {
          deps.log.warn({ err: error }, 'cannot look up bounce domains, answering 451');
          callback(tryLater());
        },
      );
    },
    onData(stream, session, callback) {
      receiving.add(session.id);
      void receive(deps, recorder, stream, session)
        .catch((error: unknown) => {
          deps.log.error({ err: error }, 'cannot record what came back, answering 451');
          return tryLater();
        })
        .then((refusal) => {
          receiving.delete(session.id);
          connections.refresh(session.id);
          callback(refusal);
          if (closing) dismiss(server, (id) => id === session.id, SHUTTING_DOWN);
        });
    },
    onClose(session) {
      receiving.delete(session.id);
      connections.leave(session.id);
    },
  });
  server.on('error', (error) => deps.log.debug({ err: error }, 'bounce listener connection'));
  const { port, address } = await listen(server, limits);
  return {
    port,
    address,
    close() {
      closing = true;
      return close(server, receiving);
    },
  };
}

function serverOptions(limits: typeof DEFAULTS & ListenerOptions) {
  return {
    ...(limits.name === undefined ? {} : { name: limits.name }),
    banner: 'Volley returns',
    size: limits.maxMessageBytes,
    rejectOversized: true,
    disabledCommands: NO_COMMANDS,
    authOptional: true,
    hideENHANCEDSTATUSCODES: false,
    disableReverseLookup: true,
    // Addresses are compared with what we signed; everything else is refused anyway, as unknown.
    lenientAddressParsing: true,
    logger: false,
    maxClients: limits.maxConnections,
    maxRecipients: limits.maxRecipients,
    maxCommandLength: MAX_COMMAND_BYTES,
    socketTimeout: limits.idleTimeoutMs,
    closeTimeout: limits.drainMs,
  };
}

/** null: accepted. Rejects when the database is away. */
async function acceptRecipient(
  deps: ListenerDeps,
  domains: BounceDomains,
  address: string,
): Promise<Refusal | null> {
  const destination = readDestination(deps.keyRing, address);
  if (destination === null) return noSuchAddress();
  if (destination.domain === null) return null;
  return (await domains.has(destination.domain)) ? null : noSuchAddress();
}

/** null: durable. */
async function receive(
  deps: ListenerDeps,
  recorder: ReturnRecorder,
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
): Promise<Refusal | null> {
  const { mailFrom, rcptTo } = session.envelope;
  const intake = await takeIn(stream);
  // Nobody is there any more, or smtp-server answers 552 by itself.
  if (intake === null || stream.sizeExceeded) return null;
  const inspection = await inspectMessage(intake.kept);
  const destinations = rcptTo
    .map(({ address }) => readDestination(deps.keyRing, address))
    .filter((each): each is Destination => each !== null);
  const message = {
    envelopeSender: mailFrom === false ? '' : (plainText(mailFrom.address) ?? ''),
    raw: intake.kept.subarray(0, STORED_BYTES),
    inspection,
    receivedAt: deps.clock(),
  };
  await Promise.all(
    destinations.map((destination) => {
      const fingerprint = fingerprintOf(destination.address, intake.digest);
      return recorder.record({ ...message, destination, fingerprint });
    }),
  );
  return null;
}

async function listen(server: SMTPServer, options: ListenerOptions): Promise<AddressInfo> {
  const { host, port } = options;
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      const hint = inUse ? 'the port is in use' : messageOf(error);
      reject(
        new AppError('port_in_use', `cannot listen on ${host}:${port}: ${hint}`, { cause: error }),
      );
    });
    server.listen(port, host, resolve);
  });
  return server.server.address() as AddressInfo;
}

function dismiss(server: SMTPServer, which: (id: string) => boolean, text: string): void {
  for (const connection of [...server.connections]) {
    if (which(connection.id)) connection.send(421, text);
  }
}

async function close(server: SMTPServer, receiving: ReadonlySet<string>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(resolve));
  dismiss(server, (id) => !receiving.has(id), SHUTTING_DOWN);
  await closed;
}
