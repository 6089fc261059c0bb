import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { profile } from '../../src/range/profile.ts';
import { startRange } from '../../src/range/range.ts';
import type { Range } from '../../src/range/range.ts';
import { askTcp, askUdp, query } from './client.ts';

const PROFILES = [
  profile('qq.example', 1, { routing: { kind: 'mx', hosts: 3, dead: 1 } }),
  profile('foxmail.example', 1, { routing: { kind: 'hosted', by: 'qq.example' } }),
  profile('alias.example', 1, { routing: { kind: 'alias', of: 'qq.example' } }),
  profile('many.example', 1, { routing: { kind: 'mx', hosts: 40 } }),
  profile('implicit.example', 1, { routing: { kind: 'implicit_mx' } }),
  profile('null.example', 1, { routing: { kind: 'null_mx' } }),
  profile('gone.example', 1, { routing: { kind: 'nxdomain' } }),
  profile('broken.example', 1, { routing: { kind: 'servfail' } }),
  profile('silent.example', 1, { routing: { kind: 'silent' } }),
  profile('*.tail.example', 1),
];

let range: Range;
beforeAll(async () => {
  const records = [{ name: '_x.qq.example', type: 'TXT' as const, ttl: 5, data: 'policy' }];
  range = await startRange({ seed: 1, profiles: PROFILES, ttlSeconds: 12, records });
});
afterAll(() => range.stop());

async function exchanges(domain: string): Promise<[number, string][]> {
  const reply = await askUdp(range.dnsServer, query(domain, 'MX'));
  return (reply?.answers ?? []).flatMap((item) =>
    item.type === 'MX'
      ? [[item.data.preference ?? -1, item.data.exchange] as [number, string]]
      : [],
  );
}

test('MX records by preference, their hosts on different loopback addresses', async () => {
  expect(await exchanges('qq.example')).toEqual([
    [10, 'mx1.qq.example'],
    [20, 'mx2.qq.example'],
    [30, 'mx3.qq.example'],
  ]);
  const addresses = await Promise.all(
    ['mx1', 'mx2', 'mx3'].map(async (host) => {
      const reply = await askUdp(range.dnsServer, query(`${host}.qq.example`, 'A'));
      return reply?.answers?.[0];
    }),
  );
  expect(new Set(addresses.map((item) => (item?.type === 'A' ? item.data : ''))).size).toBe(3);
  expect(addresses[0]).toMatchObject({
    ttl: 12,
    data: expect.stringMatching(/^127\.1\./) as string,
  });
});

test('names are found in any case, and the question comes back as it was asked', async () => {
  const reply = await askUdp(range.dnsServer, query('Qq.eXample', 'MX'));
  expect(reply?.questions?.[0]?.name).toBe('Qq.eXample');
  expect(reply?.answers).toHaveLength(3);
  expect(reply?.flag_aa).toBe(true);
});

test('hosts of another domain, CNAME, wildcard', async () => {
  expect((await exchanges('foxmail.example'))[0]).toEqual([10, 'mx1.qq.example']);
  const alias = await askUdp(range.dnsServer, query('alias.example', 'MX'));
  expect(alias?.answers?.[0]).toMatchObject({ type: 'CNAME', data: 'qq.example' });
  expect(alias?.answers?.[1]).toMatchObject({ type: 'MX', name: 'qq.example' });
  expect(await exchanges('metal-3.tail.example')).toEqual([[10, 'mx1.tail.example']]);
});

test.each([
  ['gone.example', 'NXDOMAIN'],
  ['never-heard.example', 'NXDOMAIN'],
  ['broken.example', 'SERVFAIL'],
  ['implicit.example', 'NOERROR'],
])('%s: %s without an answer', async (domain, code) => {
  const reply = await askUdp(range.dnsServer, query(domain, 'MX'));
  expect(reply).toMatchObject({ rcode: code, answers: [] });
});

test('a negative answer says how long it may be believed', async () => {
  const reply = await askUdp(range.dnsServer, query('gone.example', 'MX'));
  expect(reply?.authorities?.[0]).toMatchObject({ type: 'SOA', data: { minimum: 5 } });
});

test('implicit MX has an address, null MX a dot, the silent domain no answer', async () => {
  const implicit = await askUdp(range.dnsServer, query('implicit.example', 'A'));
  expect(implicit?.answers).toHaveLength(1);
  expect(await exchanges('null.example')).toEqual([[0, '.']]);
  expect(await askUdp(range.dnsServer, query('silent.example', 'MX'), 200)).toBeNull();
});

test('what does not fit into a datagram is truncated, and comes over TCP', async () => {
  const short = await askUdp(range.dnsServer, query('many.example', 'MX'));
  expect(short).toMatchObject({ flag_tc: true, answers: [] });
  expect((await askTcp(range.dnsServer, query('many.example', 'MX'))).answers).toHaveLength(40);
  const edns = {
    ...query('many.example', 'MX'),
    additionals: [
      {
        type: 'OPT' as const,
        name: '.',
        udpPayloadSize: 4_096,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  };
  expect((await askUdp(range.dnsServer, edns))?.answers).toHaveLength(40);
});

test('garbage is not answered and does no harm', async () => {
  const socket = createSocket('udp4');
  const port = Number(range.dnsServer.split(':')[1]);
  socket.on('message', () => expect.unreachable());
  for (const bytes of ['', 'x', '\u0000'.repeat(12), 'a'.repeat(600)]) {
    socket.send(Buffer.from(bytes), port, '127.0.0.1');
  }
  expect(await askUdp(range.dnsServer, query('qq.example', 'MX'))).not.toBeNull();
  socket.close();
  await once(socket, 'close');
});

test('records given beside the profiles are answered, other types of their names are not', async () => {
  const reply = await askUdp(range.dnsServer, query('_X.qq.example', 'TXT'));
  expect(reply?.answers?.[0]).toMatchObject({ type: 'TXT', ttl: 5 });
  const none = await askUdp(range.dnsServer, query('_x.qq.example', 'MX'));
  expect(none?.answers).toEqual([]);
});
