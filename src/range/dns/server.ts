/**
 * range/dns/server — answers DNS questions over UDP and TCP on one port.
 *
 * Promises: an answer too large for UDP (512 bytes, or what EDNS allows) goes out empty with TC, so
 *           that the client asks again over TCP. Garbage gets no answer. At most `MAX_CLIENTS` TCP
 *           clients, each cut off after some idle seconds.
 */
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { AUTHORITATIVE_ANSWER, decode, encode, streamEncode, TRUNCATED_RESPONSE } from 'dns-packet';
import type { DecodedPacket, Packet } from 'dns-packet';
import { AppError, messageOf } from '../../kernel/errors.ts';
import type { Zone } from './zone.ts';

export interface DnsServer {
  /** `127.0.0.1:40053`. */
  address: string;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const ROUNDS = 20;
const MAX_CLIENTS = 256;
const IDLE_MS = 10_000;
const PLAIN_UDP_BYTES = 512;
const MAX_UDP_BYTES = 4_096;
/** Header field of RFC 1035 4.1.1. */
const RCODE = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3 } as const;

function decodeQuery(message: Buffer): DecodedPacket | null {
  try {
    const query = decode(message);
    return query.type === 'query' ? query : null;
  } catch {
    return null;
  }
}

/** The reply packet, or null when there is to be none. */
function replyTo(zone: Zone, query: DecodedPacket): Packet | null {
  const question = query.questions?.[0];
  if (question === undefined) return null;
  const result = zone.resolve(question);
  if (result.kind === 'silent') return null;
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: AUTHORITATIVE_ANSWER | ((query.flags ?? 0) & 0x0100) | RCODE[result.code],
    questions: [question],
    answers: result.answers,
    authorities: result.soa ? [zone.soa] : [],
  };
}

function udpLimit(query: DecodedPacket): number {
  const option = query.additionals?.find((item) => item.type === 'OPT');
  const offered = option !== undefined && 'udpPayloadSize' in option ? option.udpPayloadSize : 0;
  return Math.min(Math.max(offered, PLAIN_UDP_BYTES), MAX_UDP_BYTES);
}

function answerDatagram(zone: Zone, message: Buffer): Buffer | null {
  const query = decodeQuery(message);
  const packet = query === null ? null : replyTo(zone, query);
  if (query === null || packet === null) return null;
  const bytes = encode(packet);
  if (bytes.length <= udpLimit(query)) return bytes;
  const flags = (packet.flags ?? 0) | TRUNCATED_RESPONSE;
  return encode({ ...packet, flags, answers: [], authorities: [] });
}

function serveStream(zone: Zone, socket: Socket): void {
  let pending = Buffer.alloc(0);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  // A client that resets is gone; `close` follows.
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const query = decodeQuery(pending.subarray(2, end));
      pending = pending.subarray(end);
      if (query === null) return void socket.destroy();
      const packet = replyTo(zone, query);
      if (packet !== null) socket.write(streamEncode(packet));
    }
  });
}

async function bindUdp(port: number): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port, HOST);
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

async function bindTcp(server: Server, port: number): Promise<boolean> {
  try {
    server.listen(port, HOST);
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  }
}

/** `port` 0 takes a free one. */
export async function startDnsServer(zone: Zone, port: number): Promise<DnsServer> {
  const clients = new Set<Socket>();
  for (let round = 1; round <= ROUNDS; round += 1) {
    let udp: UdpSocket;
    try {
      udp = await bindUdp(port);
    } catch (error) {
      throw new AppError('port_in_use', `range: no DNS port: ${messageOf(error)}`, {
        cause: error,
      });
    }
    const tcp = createServer((socket) => {
      clients.add(socket);
      socket.once('close', () => clients.delete(socket));
      serveStream(zone, socket);
    });
    tcp.maxConnections = MAX_CLIENTS;
    if (!(await bindTcp(tcp, udp.address().port))) {
      udp.close();
      continue;
    }
    udp.on('message', (message, from) => {
      const bytes = answerDatagram(zone, message);
      if (bytes !== null) udp.send(bytes, from.port, from.address);
    });
    udp.on('error', () => undefined);
    return { address: `${HOST}:${udp.address().port}`, close: () => close(udp, tcp, clients) };
  }
  throw new AppError('port_in_use', 'range: no port is free for DNS over both UDP and TCP');
}

async function close(udp: UdpSocket, tcp: Server, clients: ReadonlySet<Socket>): Promise<void> {
  for (const client of clients) client.destroy();
  await Promise.all([
    new Promise<void>((resolve) => udp.close(() => resolve())),
    new Promise<void>((resolve) => tcp.close(() => resolve())),
  ]);
}
