/**
 * mta/socks5 — asking a SOCKS5 proxy to connect for us (RFC 1928, RFC 1929), as a state machine.
 *
 * Pure. The proxy gets an address, never a name: where mail goes is decided by our DNS answers.
 *
 * Fails:    `source_failed` when it is the proxy's fault (no SOCKS, login refused, not allowed);
 *           `connect_failed` when it could not reach the host.
 */
import ipaddr from 'ipaddr.js';
import type { LocalFailure } from './outcome.ts';
import type { Endpoint } from './transport.ts';

export type SocksStep =
  | { type: 'more' }
  | { type: 'write'; bytes: Buffer }
  /** Connected; `rest` are bytes of the host already. */
  | { type: 'done'; rest: Buffer }
  | { type: 'failed'; failure: LocalFailure };

export interface SocksClient {
  hello: Buffer;
  push(bytes: Uint8Array): SocksStep;
}

const VERSION = 5;
const NO_LOGIN = 0;
const PASSWORD = 2;
/** RFC 1928 6: network, host unreachable, refused, TTL expired. */
const HOST_FAULTS: readonly number[] = [3, 4, 5, 6];
const ADDRESS_BYTES: Record<number, number> = { 1: 4, 4: 16 };

export function createSocksClient(
  target: Endpoint,
  login: { user: string; secret: string } | null,
): SocksClient {
  const methods = login === null ? [NO_LOGIN] : [PASSWORD, NO_LOGIN];
  let stage: 'method' | 'login' | 'connect' = 'method';
  let held: Buffer = Buffer.alloc(0);

  function connect(): SocksStep {
    stage = 'connect';
    return { type: 'write', bytes: connectRequest(target) };
  }

  function step(): SocksStep {
    if (stage === 'connect') return takeReply(held);
    const [version, answer] = held;
    if (answer === undefined) return { type: 'more' };
    held = held.subarray(2);
    if (stage === 'login') return answer === 0 ? connect() : FAILED;
    if (version !== VERSION) return FAILED;
    if (answer === NO_LOGIN) return connect();
    if (answer !== PASSWORD || login === null) return FAILED;
    stage = 'login';
    return { type: 'write', bytes: loginRequest(login) };
  }

  return {
    hello: Buffer.from([VERSION, methods.length, ...methods]),
    push(bytes) {
      held = Buffer.concat([held, bytes]);
      return step();
    },
  };
}

const FAILED: SocksStep = { type: 'failed', failure: 'source_failed' };

function loginRequest({ user, secret }: { user: string; secret: string }): Buffer {
  const [name, password] = [Buffer.from(user), Buffer.from(secret)];
  return Buffer.concat([
    Buffer.from([1, name.length]),
    name,
    Buffer.from([password.length]),
    password,
  ]);
}

function connectRequest({ host, port }: Endpoint): Buffer {
  const address = ipaddr.parse(host);
  const type = address.kind() === 'ipv4' ? 1 : 4;
  const tail = Buffer.alloc(2);
  tail.writeUInt16BE(port);
  return Buffer.concat([
    Buffer.from([VERSION, 1, 0, type]),
    Buffer.from(address.toByteArray()),
    tail,
  ]);
}

function takeReply(held: Buffer): SocksStep {
  const [version, answer, , type] = held;
  if (version === undefined || answer === undefined) return { type: 'more' };
  if (version !== VERSION) return FAILED;
  if (answer !== 0) {
    const failure = HOST_FAULTS.includes(answer) ? 'connect_failed' : 'source_failed';
    return { type: 'failed', failure };
  }
  if (type === undefined || held.length < 5) return { type: 'more' };
  // A name is what length its first byte says.
  const addressBytes = type === 3 ? 1 + (held[4] ?? 0) : ADDRESS_BYTES[type];
  if (addressBytes === undefined) return FAILED;
  const end = 4 + addressBytes + 2;
  return held.length < end ? { type: 'more' } : { type: 'done', rest: held.subarray(end) };
}
