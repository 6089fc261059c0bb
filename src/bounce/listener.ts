/**
 * bounce/listener — the SMTP server that bounces, feedback reports and unsubscribes come home to.
 *
 * Promises: RCPT takes only signed addresses of our bounce domains, list commands, and postmaster and
 *           abuse; all else is 550 5.1.1, so nothing is relayed and no backscatter is kept. 250 to the final
 *           dot is said after the commit. Every accepted recipient of a message is recorded for itself.
 *           The same message again is answered 250 and recorded once. STARTTLS when it has a
 *           certificate; a new one is taken while running.
 * Never:    AUTH, relay, a message ended by anything but CRLF.CRLF: a bare LF is content (Postfix calls
 *           this smuggling; tested), and what follows it is never a command; nor is what was sent in
 *           clear behind STARTTLS.
 * Fails:    451 4.3.0 while the database is away; 452 4.3.1 while the disk is short; 451 4.7.1 over
 *           the rate; 552 5.3.4 over the size; 452 4.5.3 over the recipients; 421 over the
 *           connections, when idle, when nothing gets done, and after 100 addresses that are not ours.
 * Bound:    memory is connections x 1 MiB (intake.ts).
 * Why:      smtp-server waits 100 ms before its greeting, and refuses who talks sooner.
 * See:      destination.ts, reception.ts, docs/inbound.md.
 */
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server';
import { AppError, messageOf } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { createConnections } from './connections.ts';
import type { Destination } from './destination.ts';
import { takeIn } from './intake.ts';
import { peerOf } from './peers.ts';
import { createRateLimit } from './rate-limit.ts';
import type { Reception } from './reception.ts';
import { isDiskFull } from './storage.ts';
import type { Storage } from './storage.ts';

export interface ListenerDeps {
  reception: Reception;
  /** Absent: there is always room. */
  storage?: Storage;
  log: Logger;
}

/** PEM texts. */
export interface ListenerTls {
  cert: string;
  key: string;
}

export interface ListenerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** In the greeting; the machine's name when absent. */
  name?: string;
  /** Absent: no STARTTLS. */
  tls?: ListenerTls;
  maxMessageBytes: number;
  maxConnections?: number;
  /** An address of IPv4, a /64 of IPv6. */
  maxConnectionsPerAddress?: number;
  maxMessagesPerMinute?: number;
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
  /** For the connections that begin from now on. */
  renewCertificate(tls: ListenerTls): void;
  /** Takes no more connections, ends the idle ones, waits for messages on the wire, then resolves. */
  close(): Promise<void>;
}

/** RFC 5321 4.5.3.1.8: at least 100 recipients. */
const DEFAULTS = {
  maxConnections: 200,
  maxConnectionsPerAddress: 50,
  maxMessagesPerMinute: 60_000,
  maxRecipients: 100,
  idleTimeoutMs: 60_000,
  deadlineMs: 300_000,
  drainMs: 10_000,
};
const MAX_COMMAND_BYTES = 4_096;
const SHUTTING_DOWN = 'Shutting down';
const GUESSING = 'Too many addresses that are not here';
/** A peer with bounces has their addresses from us. */
const MAX_UNKNOWN_RECIPIENTS = 100;
const NO_COMMANDS = ['AUTH', 'XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL'];
const TLS_OPTIONS = { minVersion: 'TLSv1.2' } as const;

/**
 * An SMTP reply as smtp-server wants it. It adds the usual enhanced code of a number; where ours is
 * another one, both are given as text, which it puts in front as it is.
 */
class Refusal extends Error {
  readonly responseCode: number | string;
  constructor(responseCode: number | string, text: string) {
    super(text);
    this.responseCode = responseCode;
  }
}

const noSuchAddress = (): Refusal => new Refusal(550, 'No such address here');
const tryLater = (): Refusal => new Refusal(451, 'Cannot record it now, try again later');
const noRoom = (): Refusal => new Refusal('452 4.3.1', 'Out of storage, try again later');
const tooMany = (): Refusal => new Refusal('451 4.7.1', 'Too many messages, try again later');

export async function startBounceListener(
  deps: ListenerDeps,
  options: ListenerOptions,
): Promise<BounceListener> {
  const limits = { ...DEFAULTS, ...options };
  const receiving = new Set<string>();
  let closing = false;
  const connections = createConnections(
    { maxPerAddress: limits.maxConnectionsPerAddress, deadlineMs: limits.deadlineMs },
    (id) => dismiss(server, (other) => other === id, 'No message completed in time'),
  );

  const server = new SMTPServer({
    ...serverOptions(limits),
    ...admission(deps, limits, ({ id }) => dismiss(server, (other) => other === id, GUESSING)),
    onConnect(session, callback) {
      const admitted = connections.admit(session.id, peerOf(session.remoteAddress));
      callback(admitted ? null : new Refusal(421, 'Too many connections from your address'));
    },
    onData(stream, session, callback) {
      receiving.add(session.id);
      void receive(deps, stream, session)
        .catch((error: unknown) => {
          deps.log.error(
            { err: error },
            'cannot record what came back, the sender shall come again',
          );
          return isDiskFull(error) ? noRoom() : tryLater();
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
    renewCertificate: (tls) => server.updateSecureContext({ ...TLS_OPTIONS, ...tls }),
    close() {
      closing = true;
      return close(server, receiving);
    },
  };
}

/** MAIL: is there room for another message. RCPT: is it for us. */
function admission(
  deps: ListenerDeps,
  limits: typeof DEFAULTS,
  sendAway: (session: SMTPServerSession) => void,
) {
  const { reception, storage, log } = deps;
  const rate = createRateLimit(limits.maxMessagesPerMinute, () => performance.now());
  const unknown = new WeakMap<SMTPServerSession, number>();
  type Answer = (error?: Error | null) => void;
  return {
    onMailFrom(_address: unknown, session: SMTPServerSession, callback: Answer) {
      if (!rate.take(peerOf(session.remoteAddress))) {
        callback(tooMany());
        return;
      }
      if (storage === undefined) {
        callback(null);
        return;
      }
      void storage.isShort().then((short) => callback(short ? noRoom() : null));
    },
    onRcptTo({ address }: { address: string }, session: SMTPServerSession, callback: Answer) {
      reception.destinationOf(address, senderOf(session)).then(
        (destination) => {
          callback(destination === null ? noSuchAddress() : null);
          if (destination !== null) return;
          const count = (unknown.get(session) ?? 0) + 1;
          unknown.set(session, count);
          if (count >= MAX_UNKNOWN_RECIPIENTS) sendAway(session);
        },
        (error: unknown) => {
          log.warn({ err: error }, 'cannot look up bounce domains, answering 451');
          callback(tryLater());
        },
      );
    },
  };
}

function serverOptions(limits: typeof DEFAULTS & ListenerOptions) {
  return {
    ...(limits.name === undefined ? {} : { name: limits.name }),
    ...(limits.tls === undefined ? {} : { ...TLS_OPTIONS, ...limits.tls }),
    banner: 'Volley returns',
    size: limits.maxMessageBytes,
    rejectOversized: true,
    disabledCommands: limits.tls === undefined ? [...NO_COMMANDS, 'STARTTLS'] : NO_COMMANDS,
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

/** null: durable. */
async function receive(
  deps: ListenerDeps,
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
): Promise<Refusal | null> {
  const { rcptTo } = session.envelope;
  const sender = senderOf(session);
  const intake = await takeIn(stream);
  // Nobody is there any more, or smtp-server answers 552 by itself.
  if (intake === null || stream.sizeExceeded) return null;
  const destinations: Destination[] = [];
  for (const { address } of rcptTo) {
    const destination = await deps.reception.destinationOf(address, sender);
    if (destination === null) return tryLater();
    destinations.push(destination);
  }
  await deps.reception.keep(intake, sender, destinations);
  return null;
}

/** Empty for the null sender. */
function senderOf({ envelope: { mailFrom } }: SMTPServerSession): string {
  return mailFrom === false ? '' : mailFrom.address;
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
