/**
 * bounce/peers — who a connection counts for: an IPv4 address, or the /64 of an IPv6 one.
 *
 * Pure. Why: one host owns 2^64 addresses of IPv6; a limit per address would be none.
 */
import ipaddr from 'ipaddr.js';

const HOST_BITS = 64;

export function peerOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const bytes = parsed.toByteArray().slice(0, HOST_BITS / 8);
  return `${Buffer.from(bytes).toString('hex')}/${HOST_BITS}`;
}
