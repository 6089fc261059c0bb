/**
 * mta/public-address — whether an IP address may belong to a stranger's mail host.
 *
 * Pure. Why: MX records are written by strangers. One that points to 127.0.0.1, 10.0.0.1 or
 * 169.254.169.254 would make us speak SMTP to our own services.
 *
 * Promises: only global unicast is public. An IPv4 address inside an IPv6 one (mapped, NAT64) counts
 *           as what is inside.
 */
import ipaddr from 'ipaddr.js';

export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (range === 'ipv4Mapped' || range === 'rfc6052') {
    return isPublic(parsed.toByteArray().slice(-4).join('.'));
  }
  // ::a.b.c.d (RFC 4291 2.5.5.1) was never given to anybody, and could come to mean 127.0.0.1.
  if (
    parsed.kind() === 'ipv6' &&
    parsed
      .toByteArray()
      .slice(0, 12)
      .every((byte) => byte === 0)
  ) {
    return false;
  }
  return range === 'unicast';
}
