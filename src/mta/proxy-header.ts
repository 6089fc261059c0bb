/**
 * mta/proxy-header — the PROXY protocol of HAProxy, versions 1 and 2, as a client says it.
 *
 * Pure (haproxy.org/download/2.9/doc/proxy-protocol.txt). The header asks the proxy to connect from
 * `source` to `target`, which must be of one family.
 */
import ipaddr from 'ipaddr.js';
import { invariant } from '../kernel/errors.ts';
import type { Endpoint } from './transport.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Version 2, command PROXY. */
const PROXY_COMMAND = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;

/** The proxy chooses the source port: 0. */
export function proxyHeader(version: 1 | 2, source: string, target: Endpoint): Buffer {
  const from = ipaddr.parse(source);
  const to = ipaddr.parse(target.host);
  invariant(from.kind() === to.kind(), 'a PROXY header for two address families');
  if (version === 1) {
    const family = from.kind() === 'ipv4' ? 'TCP4' : 'TCP6';
    return Buffer.from(
      `PROXY ${family} ${from.toString()} ${to.toString()} 0 ${target.port}\r\n`,
      'latin1',
    );
  }
  const addresses = Buffer.from([...from.toByteArray(), ...to.toByteArray()]);
  const head = Buffer.from([
    PROXY_COMMAND,
    from.kind() === 'ipv4' ? TCP_OVER_IPV4 : TCP_OVER_IPV6,
    0,
    addresses.length + 4,
  ]);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(target.port, 2);
  return Buffer.concat([SIGNATURE, head, addresses, ports]);
}
