/**
 * mta/own-address — whether a connection to an address would reach one of our own listeners.
 *
 * Promises: a listener on a wildcard address is reached by every address of this machine. The
 *           interfaces are read anew each time a wildcard is asked for: they come and go.
 */
import { networkInterfaces } from 'node:os';
import type { Endpoint } from './transport.ts';

const WILDCARDS: readonly string[] = ['0.0.0.0', '::', ''];

export function isOurs(listeners: readonly Endpoint[], address: string, port: number): boolean {
  return listeners.some((listener) => {
    if (listener.port !== port) return false;
    return listener.host === address || (WILDCARDS.includes(listener.host) && isLocal(address));
  });
}

function isLocal(address: string): boolean {
  if (address.startsWith('127.')) return true;
  const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return interfaces.some((one) => one.address === address);
}
