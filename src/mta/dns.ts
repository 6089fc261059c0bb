/**
 * mta/dns — asks DNS servers over UDP, and over TCP when the answer does not fit.
 *
 * Promises: an answer counts only when it comes from the server asked (connected socket, a port of
 *           its own per question), carries our id and repeats our question; anything else is passed
 *           over. CNAMEs are followed, at most 8. At most 256 questions are on the way at one time,
 *           later ones wait their turn; each question ends within its timeouts. `secure` is true only
 *           when a server we may believe (on this machine, or `trustAd`) said AD of every step.
 * Fails:    `temporary` for silence, SERVFAIL, REFUSED and nonsense; the next server is asked first.
 * Why:      node:dns gives no TTLs for MX, and cannot ask one server for one question. AD is one bit
 *           in a packet anybody on the way can write (RFC 7672 2.2.1, RFC 6840 5.7), so it counts from
 *           loopback only. DO goes with it: resolvers older than RFC 6840 say AD to nobody else.
 */
import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { randomInt } from 'node:crypto';
import { connect, isIPv6 } from 'node:net';
import packet from 'dns-packet';
import type { Answer, DecodedPacket } from 'dns-packet';
import { messageOf } from '../kernel/errors.ts';

export interface DnsServer {
  /** An IP address. */
  host: string;
  port: number;
}

export type DnsType = 'MX' | 'A' | 'AAAA' | 'TXT' | 'TLSA';

export type DnsAnswer =
  /** `owner`: the name at the end of all CNAMEs. `secure`: DNSSEC vouches for it. */
  | {
      status: 'answer';
      records: readonly Answer[];
      owner: string;
      ttlSeconds: number;
      secure: boolean;
    }
  /** The name exists, but has no such record. */
  | { status: 'no_data' | 'no_name'; ttlSeconds: number; secure: boolean }
  | { status: 'temporary'; reason: string };

export interface DnsClient {
  lookup(name: string, type: DnsType): Promise<DnsAnswer>;
}

export interface DnsClientOptions {
  servers: readonly DnsServer[];
  /** For one question to one server. */
  timeoutMs?: number;
  /** Questions per lookup, over all servers. */
  attempts?: number;
  /** Believe AD from servers that are not on this machine too. */
  trustAd?: boolean;
}

const MAX_ON_THE_WAY = 256;
const MAX_CNAMES = 8;
/** RFC 9715: fits every path, so answers are not fragmented. */
const UDP_PAYLOAD_BYTES = 1_232;
const MAX_TCP_BYTES = 65_535;
const NEGATIVE_TTL_SECONDS = 60;

interface Client {
  servers: readonly DnsServer[];
  timeoutMs: number;
  attempts: number;
  trustAd: boolean;
  onTheWay: number;
  waiting: (() => void)[];
}

export function createDnsClient(options: DnsClientOptions): DnsClient {
  const client: Client = {
    servers: options.servers,
    timeoutMs: options.timeoutMs ?? 3_000,
    attempts: options.attempts ?? Math.max(3, options.servers.length),
    trustAd: options.trustAd ?? false,
    onTheWay: 0,
    waiting: [],
  };
  return { lookup: (name, type) => lookup(client, name, type) };
}

/** Those of the system: /etc/resolv.conf and its like. */
export function systemServers(): DnsServer[] {
  return getServers().map(parseServer);
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`. */
function parseServer(text: string): DnsServer {
  const found = /^\[(.+)\]:(\d+)$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text);
  return { host: found?.[1] ?? text, port: Number(found?.[2] ?? 53) };
}

async function lookup(client: Client, name: string, type: DnsType): Promise<DnsAnswer> {
  let owner = plain(name);
  let ttlSeconds = Infinity;
  let secure = true;
  for (let hops = 0; hops <= MAX_CNAMES; hops += 1) {
    const told = await inTurn(client, () => askServers(client, owner, type));
    if (typeof told === 'string') return { status: 'temporary', reason: told };
    const { response } = told;
    secure &&= told.secure;
    const end = followAliases(response.answers ?? [], owner);
    const records = (response.answers ?? []).filter(
      (record) => record.type === type && plain(record.name) === end.owner,
    );
    ttlSeconds = Math.min(ttlSeconds, end.ttlSeconds, ...records.map(ttlOf));
    if (records.length > 0) {
      return { status: 'answer', records, owner: end.owner, ttlSeconds, secure };
    }
    if (isNoName(response) || !end.followed) {
      const status = isNoName(response) ? 'no_name' : 'no_data';
      return { status, ttlSeconds: Math.min(ttlSeconds, negativeTtl(response)), secure };
    }
    // The server followed the aliases only so far (an authoritative one does).
    owner = end.owner;
  }
  return { status: 'temporary', reason: 'too many CNAMEs' };
}

function followAliases(
  answers: readonly Answer[],
  start: string,
): { owner: string; ttlSeconds: number; followed: boolean } {
  let owner = start;
  let ttlSeconds = Infinity;
  let followed = false;
  for (let hops = 0; hops < MAX_CNAMES; hops += 1) {
    const alias = answers.find((record) => record.type === 'CNAME' && plain(record.name) === owner);
    if (alias?.type !== 'CNAME') break;
    followed = true;
    owner = plain(alias.data);
    ttlSeconds = Math.min(ttlSeconds, ttlOf(alias));
  }
  return { owner, ttlSeconds, followed };
}

function ttlOf(record: Answer): number {
  return 'ttl' in record ? (record.ttl ?? 0) : 0;
}

/** RFC 2308 5: the SOA of the answer says how long "no" holds. */
function negativeTtl(response: DecodedPacket): number {
  const soa = (response.authorities ?? []).find((record) => record.type === 'SOA');
  if (soa?.type !== 'SOA') return NEGATIVE_TTL_SECONDS;
  return Math.min(soa.ttl ?? NEGATIVE_TTL_SECONDS, soa.data.minimum ?? NEGATIVE_TTL_SECONDS);
}

/** How names are compared: lower case, no dot at the end. */
function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

async function inTurn<T>(client: Client, ask: () => Promise<T>): Promise<T> {
  if (client.onTheWay >= MAX_ON_THE_WAY) {
    await new Promise<void>((resolve) => client.waiting.push(resolve));
  } else {
    client.onTheWay += 1;
  }
  try {
    return await ask();
  } finally {
    // The turn is handed on, so `onTheWay` only falls when nobody waits.
    const next = client.waiting.shift();
    if (next === undefined) client.onTheWay -= 1;
    else next();
  }
}

interface Told {
  response: DecodedPacket;
  secure: boolean;
}

/** The response, or why there is none. */
async function askServers(client: Client, name: string, type: DnsType): Promise<Told | string> {
  let reason = 'no DNS server is configured';
  for (let attempt = 0; attempt < client.attempts; attempt += 1) {
    const server = client.servers[attempt % client.servers.length];
    if (server === undefined) break;
    const trusted = isBelieved(server.host, client.trustAd);
    const answer = await ask(server, { name, type, dnssec: trusted }, client.timeoutMs);
    if (typeof answer === 'string') reason = answer;
    else if (rcodeOf(answer) === 'NOERROR' || isNoName(answer)) {
      return { response: answer, secure: trusted && answer.flag_ad };
    } else reason = `${server.host} said ${rcodeOf(answer)}`;
  }
  return reason;
}

/** Missing in the types of dns-packet. */
function rcodeOf(response: DecodedPacket): string {
  return 'rcode' in response ? String(response.rcode) : 'NOERROR';
}

function isNoName(response: DecodedPacket): boolean {
  return rcodeOf(response) === 'NXDOMAIN';
}

/** Whether the AD bit of a server counts. */
export function isBelieved(host: string, trustAd: boolean): boolean {
  return trustAd || /^127(?:\.\d{1,3}){3}$/.test(host) || host === '::1';
}

interface AskedFor {
  name: string;
  type: DnsType;
  /** AD and DO are wanted. */
  dnssec: boolean;
}

async function ask(
  server: DnsServer,
  asked: AskedFor,
  timeoutMs: number,
): Promise<DecodedPacket | string> {
  const { name, type } = asked;
  let query: Buffer;
  const id = randomInt(65_536);
  try {
    query = encodeQuery(id, asked);
  } catch (error) {
    return `${name} cannot be asked for: ${messageOf(error)}`;
  }
  const matches = (bytes: Buffer): DecodedPacket | null => decodeAnswer(bytes, id, name, type);
  const answer = await askUdp(server, query, matches, timeoutMs);
  if (typeof answer === 'string' || !answer.flag_tc) return answer;
  return askTcp(server, query, matches, timeoutMs);
}

function encodeQuery(id: number, { name, type, dnssec }: AskedFor): Buffer {
  return packet.encode({
    type: 'query',
    id,
    flags: packet.RECURSION_DESIRED | (dnssec ? packet.AUTHENTIC_DATA : 0),
    questions: [{ type, name }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_PAYLOAD_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: dnssec ? packet.DNSSEC_OK : 0,
        flag_do: dnssec,
        options: [],
      },
    ],
  });
}

function decodeAnswer(
  bytes: Buffer,
  id: number,
  name: string,
  type: DnsType,
): DecodedPacket | null {
  try {
    const response = packet.decode(bytes);
    const question = response.questions?.[0];
    const ours =
      response.id === id &&
      response.flag_qr &&
      question?.type === type &&
      plain(question.name) === plain(name);
    return ours ? response : null;
  } catch {
    // Not a DNS packet: as good as not sent.
    return null;
  }
}

type Matcher = (bytes: Buffer) => DecodedPacket | null;

function askUdp(
  server: DnsServer,
  query: Buffer,
  matches: Matcher,
  timeoutMs: number,
): Promise<DecodedPacket | string> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    let settled = false;
    const settle = (answer: DecodedPacket | string): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => settle(`${server.host} did not answer`), timeoutMs);
    socket.on('error', (error) => settle(`${server.host}: ${error.message}`));
    socket.on('message', (bytes) => {
      const answer = matches(bytes);
      if (answer !== null) settle(answer);
    });
    socket.on('connect', () => {
      if (!settled) socket.send(query);
    });
    // Connected: the kernel drops what comes from anybody else.
    socket.connect(server.port, server.host);
  });
}

function askTcp(
  server: DnsServer,
  query: Buffer,
  matches: Matcher,
  timeoutMs: number,
): Promise<DecodedPacket | string> {
  return new Promise((resolve) => {
    const socket = connect({ host: server.host, port: server.port, noDelay: true });
    let received = Buffer.alloc(0);
    const settle = (answer: DecodedPacket | string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => settle(`${server.host} did not answer over TCP`), timeoutMs);
    socket.on('error', (error) => settle(`${server.host} over TCP: ${error.message}`));
    socket.on('close', () => settle(`${server.host} hung up`));
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      const sizeBytes = received.length < 2 ? MAX_TCP_BYTES : received.readUInt16BE(0);
      if (received.length < 2 + sizeBytes) return;
      settle(matches(received.subarray(2, 2 + sizeBytes)) ?? `${server.host} said nonsense`);
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.end(Buffer.concat([length, query]));
  });
}
