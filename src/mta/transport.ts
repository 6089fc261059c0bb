/**
 * mta/transport — the ways mail can leave, as values.
 *
 * Pure. A transport says how a message leaves; routes.ts says which domain takes which.
 *
 * `smtp`: to the domain's own receivers (MX), or to one host for them. `smarthost`: one server that
 * takes mail for others; all domains that use it share its connections. `lmtp`: into a mail store,
 * which answers for every recipient after the dot (RFC 2033). `qmtp`: a message, its sender and its
 * recipients in one package. `file`: a Maildir. `discard`: nothing leaves, everybody is accepted.
 */
import type { TlsMode } from './session-state.ts';

export interface Endpoint {
  /** A name or an IP address, without brackets. */
  host: string;
  port: number;
}

/** A Unix socket. */
export interface SocketPath {
  socketPath: string;
}

export const AUTH_MECHANISMS = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2'] as const;
export type AuthMechanism = (typeof AUTH_MECHANISMS)[number];

export interface Login {
  /** null: the best one that is offered. */
  mechanism: AuthMechanism | null;
  user: string;
  /** The password, or the access token of XOAUTH2. */
  secret: string;
}

/** What all conversations of the SMTP family may ask for. */
export interface SessionNeeds {
  /** null: as the engine does by default. */
  tls: TlsMode | null;
  /** TLS from the first byte (RFC 8314), as port 465 wants it. */
  implicitTls: boolean;
  login: Login | null;
}

export type Transport =
  /** `to` null: the MX hosts of the domain. */
  | ({ type: 'smtp'; to: Endpoint | null } & SessionNeeds)
  | ({ type: 'smarthost'; to: Endpoint } & SessionNeeds)
  | ({ type: 'lmtp'; to: Endpoint | SocketPath } & SessionNeeds)
  | { type: 'qmtp'; to: Endpoint }
  | { type: 'discard' }
  /** An absolute path; `tmp`, `new` and `cur` are made in it. */
  | { type: 'file'; directory: string };

export type LocalTransport = Extract<Transport, { type: 'discard' | 'file' }>;
export type WireTransport = Exclude<Transport, LocalTransport>;

export const PLAIN_SESSION: SessionNeeds = { tls: null, implicitTls: false, login: null };
/** What holds for a domain without a route: MX, as the engine does by default. */
export const MX: WireTransport = { type: 'smtp', to: null, ...PLAIN_SESSION };

export function isLocal(transport: Transport): transport is LocalTransport {
  return transport.type === 'discard' || transport.type === 'file';
}

/** QMTP knows neither TLS nor logins. */
export function sessionNeeds(transport: WireTransport): SessionNeeds {
  if (transport.type === 'qmtp') return { tls: 'none', implicitTls: false, login: null };
  return transport;
}

/** `127.0.0.1:25`, `[::1]:25`, `/run/lmtp`, or null: where the domain's MX records point. */
export function nameOfTarget(transport: WireTransport): string | null {
  if (transport.to === null) return null;
  return 'socketPath' in transport.to ? transport.to.socketPath : formatEndpoint(transport.to);
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `host:port` or `[v6]:port`; null when it is neither. */
export function parseEndpoint(text: string): Endpoint | null {
  const found =
    /^\[([0-9a-f:.]+)\]:(\d{1,5})$/i.exec(text) ?? /^([^\s:[\]]+):(\d{1,5})$/.exec(text);
  const [, host = '', digits] = found ?? [];
  const port = Number(digits);
  return found === null || port < 1 || port > 65_535 ? null : { host, port };
}
