/**
 * bench/own-dns — a DNS server that costs as little as possible, as its own process.
 *
 *     fork('own-dns.ts')
 *
 * Every name exists: the MX of `d7.example` is `mx.d7.example`, its A is 127.0.0.1, AAAA is empty. A
 * name that begins with `dead` is never answered. Tells its port when it listens.
 */
import { createSocket } from 'node:dgram';

const HEADER_BYTES = 12;
/** A pointer to the name of the question. */
const QUESTION_NAME = [0xc0, HEADER_BYTES];
const TTL_SECONDS = [0, 0, 1, 0x2c];
const TYPE_A = 1;
const TYPE_MX = 15;
const DEAD = Buffer.from('dead');

const server = createSocket('udp4');
server.on('message', (query, from) => {
  if (query.subarray(HEADER_BYTES + 1, HEADER_BYTES + 5).equals(DEAD)) return;
  const end = query.indexOf(0, HEADER_BYTES) + 5;
  const type = query.readUInt16BE(end - 4);
  const data = dataOf(type);
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(data === null ? 0 : 1, 6);
  const record =
    data === null
      ? []
      : [...QUESTION_NAME, type >> 8, type & 0xff, 0, 1, ...TTL_SECONDS, 0, data.length, ...data];
  const answer = Buffer.concat([header, query.subarray(HEADER_BYTES, end), Buffer.from(record)]);
  server.send(answer, from.port, from.address);
});

function dataOf(type: number): number[] | null {
  if (type === TYPE_A) return [127, 0, 0, 1];
  // Preference 10, the label `mx`, then the name that was asked for.
  return type === TYPE_MX ? [0, 10, 2, 0x6d, 0x78, ...QUESTION_NAME] : null;
}

process.on('disconnect', () => process.exit());
server.bind(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
