/**
 * test/mta/dns-server — a real DNS server on loopback, UDP and TCP on one port, scripted.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import packet from 'dns-packet';
import type { Answer, DecodedPacket, RecordType } from 'dns-packet';

export interface Zone {
  /** `MX x.test` -> records; a name with no entry at all is NXDOMAIN. */
  records: Map<string, Answer[]>;
  names: Set<string>;
  /** Names, and all below them, that DNSSEC vouches for: AD, when the client wants to know. */
  secure: Set<string>;
  /** Below a secure name, and still not signed. */
  insecure: Set<string>;
  /** Answer of a question instead: an rcode, silence, garbage, truncation over UDP. */
  faults: Map<string, 'SERVFAIL' | 'REFUSED' | 'silent' | 'garbage' | 'truncate' | 'wrong id'>;
}

export interface DnsTestServer {
  host: string;
  port: number;
  zone: Zone;
  /** `udp MX x.test`, in order. */
  asked: string[];
  add(name: string, type: RecordType, data: unknown, ttl?: number): void;
  close(): Promise<void>;
}

const RCODES: Record<string, number> = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };

export async function startDnsServer(host = '127.0.0.1'): Promise<DnsTestServer> {
  const zone: Zone = {
    records: new Map(),
    names: new Set(),
    secure: new Set(),
    insecure: new Set(),
    faults: new Map(),
  };
  const asked: string[] = [];
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes) => {
      const answer = respond(zone, asked, 'tcp', bytes.subarray(2));
      if (answer === null) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.end(Buffer.concat([length, answer]));
    });
  });
  const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (bytes, from) => {
    const answer = respond(zone, asked, 'udp', bytes);
    if (answer !== null) udp.send(answer, from.port, from.address);
  });
  const port = await bindBoth();

  /** TCP first: its port may be taken by anybody's connection, a UDP port hardly ever is. */
  async function bindBoth(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(0, host, resolve);
    });
    const { port: chosen } = tcp.address() as AddressInfo;
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject);
      udp.bind(chosen, host, resolve);
    });
    return chosen;
  }

  return {
    host,
    port,
    zone,
    asked,
    add(name, type, data, ttl = 300) {
      const key = `${type} ${name}`;
      const record = { name, type, data, ttl } as Answer;
      zone.names.add(name);
      zone.records.set(key, [...(zone.records.get(key) ?? []), record]);
    },
    async close() {
      await new Promise<void>((resolve) => udp.close(resolve));
      await new Promise<void>((resolve) => tcp.close(() => resolve()));
    },
  };
}

function respond(
  zone: Zone,
  asked: string[],
  transport: 'udp' | 'tcp',
  bytes: Buffer,
): Buffer | null {
  const query = packet.decode(bytes);
  const question = query.questions?.[0];
  if (question === undefined) return null;
  const key = `${question.type} ${question.name}`;
  asked.push(`${transport} ${key}`);
  const fault = zone.faults.get(key) ?? zone.faults.get(`${transport} ${key}`);
  if (fault === 'silent') return null;
  if (fault === 'garbage') return Buffer.from('garbage, not DNS at all');

  const alias = zone.records.get(`CNAME ${question.name}`);
  const answers = zone.records.get(key) ?? alias ?? [];
  const rcode =
    fault === 'SERVFAIL' || fault === 'REFUSED'
      ? fault
      : zone.names.has(question.name)
        ? null
        : 'NXDOMAIN';
  const truncate = fault === 'truncate' && transport === 'udp';
  return packet.encode({
    type: 'response',
    id: fault === 'wrong id' ? ((query.id ?? 0) + 1) % 65_536 : (query.id ?? 0),
    flags:
      packet.AUTHORITATIVE_ANSWER |
      (truncate ? packet.TRUNCATED_RESPONSE : 0) |
      (wantsDnssec(query) && isSecure(zone, question.name) ? packet.AUTHENTIC_DATA : 0) |
      (rcode === null ? 0 : (RCODES[rcode] ?? 0)),
    questions: [question],
    answers: truncate ? [] : answers,
  });
}

function wantsDnssec(query: DecodedPacket): boolean {
  const option = query.additionals?.find((item) => item.type === 'OPT');
  return query.flag_ad && option?.type === 'OPT' && option.flag_do;
}

function isSecure(zone: Zone, name: string): boolean {
  const labels = name.split('.');
  const names = labels.map((_, i) => labels.slice(i).join('.'));
  return names.some((one) => zone.secure.has(one)) && !names.some((one) => zone.insecure.has(one));
}
