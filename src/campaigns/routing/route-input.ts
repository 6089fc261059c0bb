/**
 * campaigns/routing/route-input — what somebody asks a route to be, checked.
 *
 * Pure. Every transport takes its own fields; one that does not belong is an error, because it would
 * be believed to work.
 *
 * Fails:    `invalid_request`, all wrong fields at once.
 */
import type { AuthMechanism, Transport } from '../../mta/transport.ts';
import type { TlsMode } from '../../mta/session-state.ts';
import { checkFolder, checkHost, checkPattern, checkPool, checkSocketPath } from './words.ts';
import { createComplaints, isPort, isWord } from './words.ts';
import type { Complaints } from './words.ts';

export const TRANSPORTS = ['smtp', 'smarthost', 'lmtp', 'qmtp', 'file', 'discard'] as const;
export const TLS_MODES = ['none', 'opportunistic', 'required', 'verified'] as const;
export type TransportName = Transport['type'];

export interface LoginInput {
  /** null: the best one that is offered. */
  mechanism: AuthMechanism | null;
  user: string;
  secret: string;
}

export interface RouteInput {
  pattern: string;
  transport: TransportName;
  host: string | null;
  port: number | null;
  socketPath: string | null;
  folder: string | null;
  tls: TlsMode | null;
  implicitTls: boolean;
  login: LoginInput | null;
  pool: string | null;
}

type Field = 'host' | 'port' | 'socket_path' | 'folder' | 'tls' | 'implicit_tls' | 'login' | 'pool';

const FIELDS: Record<TransportName, readonly Field[]> = {
  smtp: ['host', 'port', 'tls', 'implicit_tls', 'pool'],
  smarthost: ['host', 'port', 'tls', 'implicit_tls', 'login', 'pool'],
  lmtp: ['host', 'port', 'socket_path', 'tls', 'implicit_tls', 'login', 'pool'],
  qmtp: ['host', 'port', 'pool'],
  file: ['folder'],
  discard: [],
};

const DEFAULT_PORTS: Partial<Record<TransportName, number>> = {
  smtp: 25,
  smarthost: 587,
  lmtp: 24,
  qmtp: 209,
};
const IMPLICIT_TLS_PORT = 465;
const MAX_USER_BYTES = 255;
/** Access tokens are long. */
const MAX_SECRET_BYTES = 4_096;

/** The route as it is stored, the login still in clear. */
export function checkRoute(input: RouteInput): RouteInput {
  const complaints = createComplaints();
  const { refuse } = complaints;
  const pattern = checkPattern(input.pattern);
  if (pattern === null) refuse('/pattern', 'must be a domain, *.domain or *');
  refuseForeignFields(input, complaints);
  const host = input.host === null ? null : checkHost(input.host);
  if (input.host !== null && host === null) refuse('/host', 'is no host name or IP address');
  const socketPath = input.socketPath === null ? null : checkSocketPath(input.socketPath);
  if (input.socketPath !== null && socketPath === null) {
    refuse('/socket_path', 'must be an absolute path of at most 100 bytes');
  }
  const folder = input.folder === null ? null : checkFolder(input.folder);
  if (input.folder !== null && folder === null) {
    refuse('/folder', 'must be a relative path of letters, digits, `.`, `_` and `-`');
  }
  const pool = input.pool === null ? null : checkPool(input.pool);
  if (input.pool !== null && pool === null) {
    refuse('/pool', 'must be 1 to 32 of a-z, 0-9, `_` and `-`');
  }
  checkTarget(input, complaints);
  checkTls(input, complaints);
  checkLogin(input.login, complaints);
  complaints.settle('the route cannot be used like this');
  return {
    ...input,
    pattern: pattern ?? '',
    host,
    port: host === null ? null : (input.port ?? defaultPort(input)),
    socketPath,
    folder,
    pool,
  };
}

function defaultPort({ transport, implicitTls }: RouteInput): number | null {
  return implicitTls ? IMPLICIT_TLS_PORT : (DEFAULT_PORTS[transport] ?? null);
}

function refuseForeignFields(input: RouteInput, { refuse }: Complaints): void {
  const given: Record<Field, boolean> = {
    host: input.host !== null,
    port: input.port !== null,
    socket_path: input.socketPath !== null,
    folder: input.folder !== null,
    tls: input.tls !== null,
    implicit_tls: input.implicitTls,
    login: input.login !== null,
    pool: input.pool !== null,
  };
  for (const field of Object.keys(given) as Field[]) {
    if (given[field] && !FIELDS[input.transport].includes(field)) {
      refuse(`/${field}`, `means nothing for transport ${input.transport}`);
    }
  }
}

function checkTarget(input: RouteInput, { refuse }: Complaints): void {
  const { transport, host, port, socketPath, folder } = input;
  if ((transport === 'smarthost' || transport === 'qmtp') && host === null) {
    refuse('/host', `is needed for transport ${transport}`);
  }
  if (transport === 'lmtp' && (host === null) === (socketPath === null)) {
    refuse('/host', 'or socket_path is needed for transport lmtp, not both');
  }
  if (transport === 'file' && folder === null) refuse('/folder', 'is needed for transport file');
  if (port !== null && host === null) refuse('/port', 'means nothing without a host');
  if (port !== null && !isPort(port)) refuse('/port', 'must be 1 to 65535');
}

function checkTls(input: RouteInput, { refuse }: Complaints): void {
  const { tls, implicitTls, socketPath, host, transport, pool } = input;
  if (socketPath !== null && ((tls !== null && tls !== 'none') || implicitTls)) {
    refuse('/tls', 'means nothing on a Unix socket');
  }
  if (socketPath !== null && pool !== null) refuse('/pool', 'means nothing on a Unix socket');
  if (implicitTls && (tls === 'none' || tls === 'opportunistic')) {
    refuse('/tls', 'must be required or verified with implicit_tls');
  }
  if (implicitTls && transport === 'smtp' && host === null) {
    refuse('/implicit_tls', 'needs a host: MX hosts greet in clear');
  }
}

function checkLogin(login: LoginInput | null, { refuse }: Complaints): void {
  if (login === null) return;
  if (!isWord(login.user, MAX_USER_BYTES)) {
    refuse('/login/user', 'must have 1 to 255 bytes and no control characters');
  }
  if (!isWord(login.secret, MAX_SECRET_BYTES)) {
    refuse('/login/secret', 'must have 1 to 4096 bytes and no control characters');
  }
}
