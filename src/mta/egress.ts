/**
 * mta/egress — a socket to a host, from the address and through the proxy of a source.
 *
 * Promises: told once: `connected` with what the host has said already, or `failed`. Until then the
 *           socket's events are handled here, afterwards they are the caller's.
 * Fails:    `source_failed` when the fault is ours: an address this machine does not have, a proxy
 *           that is away, refuses us or does not speak its protocol. `connect_failed`: the host's.
 * See:      source.ts, socks5.ts, proxy-header.ts.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { LocalFailure } from './outcome.ts';
import { proxyHeader } from './proxy-header.ts';
import { createSocksClient } from './socks5.ts';
import type { SocksClient } from './socks5.ts';
import type { Source } from './source.ts';
import type { Endpoint, SocketPath } from './transport.ts';

export interface EgressListener {
  connected(rest: Buffer): void;
  failed(failure: LocalFailure): void;
}

export function openEgress(
  to: Endpoint | SocketPath,
  source: Source | null,
  listener: EgressListener,
): Socket {
  const proxy = 'socketPath' in to ? null : (source?.proxy ?? null);
  const socket = connectFor(to, source);
  const settle = (tell: () => void): void => {
    socket.removeAllListeners();
    socket.on('error', () => undefined);
    tell();
  };
  const fail = (failure: LocalFailure): void => settle(() => listener.failed(failure));
  const succeed = (rest: Buffer): void => settle(() => listener.connected(rest));

  socket.on('error', (error) => fail(proxy === null ? blame(error) : 'source_failed'));
  socket.on('close', () => fail(proxy === null ? 'connect_failed' : 'source_failed'));
  socket.once('connect', () => {
    if (proxy === null || 'socketPath' in to) succeed(Buffer.alloc(0));
    else if (proxy.type === 'socks5')
      negotiate(socket, createSocksClient(to, proxy.login), succeed, fail);
    else if (source?.address == null) fail('source_failed');
    else {
      socket.write(proxyHeader(proxy.type === 'proxy_v1' ? 1 : 2, source.address, to));
      succeed(Buffer.alloc(0));
    }
  });
  return socket;
}

function connectFor(to: Endpoint | SocketPath, source: Source | null): Socket {
  if ('socketPath' in to) return connect({ path: to.socketPath });
  const proxy = source?.proxy ?? null;
  if (proxy !== null) return connect({ host: proxy.host, port: proxy.port, noDelay: true });
  const address = source?.address ?? null;
  return connect({ ...to, noDelay: true, ...(address === null ? {} : { localAddress: address }) });
}

function negotiate(
  socket: Socket,
  client: SocksClient,
  succeed: (rest: Buffer) => void,
  fail: (failure: LocalFailure) => void,
): void {
  socket.write(client.hello);
  socket.on('data', (bytes) => {
    const step = client.push(bytes);
    switch (step.type) {
      case 'more':
        return;
      case 'write':
        socket.write(step.bytes);
        return;
      case 'done':
        succeed(step.rest);
        return;
      case 'failed':
        fail(step.failure);
        return;
    }
  });
}

/** Binding fails when the address is not, or no longer, this machine's. */
function blame(error: Error): LocalFailure {
  return 'syscall' in error && error.syscall === 'bind' ? 'source_failed' : 'connect_failed';
}
