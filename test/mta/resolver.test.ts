/** Where mail goes, asked of a real DNS server. */
import { createSocket } from 'node:dgram';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAnswerCache } from '../../src/mta/answer-cache.ts';
import type { Loaded } from '../../src/mta/answer-cache.ts';
import { createDnsClient, isBelieved } from '../../src/mta/dns.ts';
import { createResolver } from '../../src/mta/resolver.ts';
import type { Resolver, ResolverOptions } from '../../src/mta/resolver.ts';
import { startDnsServer } from './dns-server.ts';
import type { DnsTestServer } from './dns-server.ts';

let dns: DnsTestServer;
let nowMs: number;

beforeEach(async () => {
  dns = await startDnsServer();
  nowMs = 1_000_000;
});
afterEach(() => dns.close());

function resolver(options: Partial<ResolverOptions> = {}): Resolver {
  return createResolver({
    dns: createDnsClient({ servers: [dns], timeoutMs: 5_000, attempts: 2 }),
    allowPrivate: true,
    smtpPort: 25,
    ownNames: () => ['me.test'],
    nowMs: () => nowMs,
    random: Math.random,
    ...options,
  });
}

/** For servers that never answer. */
function hasty(): Resolver {
  return resolver({ dns: createDnsClient({ servers: [dns], timeoutMs: 60, attempts: 2 }) });
}

async function names(domain: string, from = resolver()): Promise<string> {
  const route = await from.route(domain);
  return route.ok ? route.hosts.map(({ name }) => name).join(' ') : route.failure;
}

function mx(domain: string, ...hosts: [number, string][]): void {
  for (const [preference, exchange] of hosts) dns.add(domain, 'MX', { preference, exchange });
}

describe('MX', () => {
  test('by preference', async () => {
    mx('x.test', [20, 'b.x.test'], [10, 'a.x.test'], [30, 'c.x.test']);
    expect(await names('x.test')).toBe('a.x.test b.x.test c.x.test');
  });

  test('random among equals, anew each time', async () => {
    mx('x.test', [10, 'a.x.test'], [10, 'b.x.test'], [20, 'c.x.test']);
    const one = resolver();
    const seen = new Set<string>();
    for (let i = 0; i < 40; i += 1) seen.add(await names('x.test', one));
    expect([...seen].sort()).toEqual(['a.x.test b.x.test c.x.test', 'b.x.test a.x.test c.x.test']);
    expect(dns.asked).toEqual(['udp MX x.test']);
  });

  test('the domain itself when it has an address only', async () => {
    dns.add('x.test', 'A', '127.0.0.9');
    expect(await names('x.test')).toBe('x.test');
  });

  test('through CNAMEs that the server leaves to us', async () => {
    dns.add('x.test', 'CNAME', 'y.test');
    dns.add('y.test', 'CNAME', 'z.test');
    mx('z.test', [10, 'a.z.test']);
    expect(await names('x.test')).toBe('a.z.test');
  });

  test.each<[string, () => void, string]>([
    ['no such name', () => undefined, 'no_such_domain'],
    ['a name without MX and address', () => dns.add('x.test', 'TXT', 'hi'), 'no_such_domain'],
    ['null MX', () => mx('x.test', [0, '.']), 'null_mx'],
    ['SERVFAIL', () => dns.zone.faults.set('MX x.test', 'SERVFAIL'), 'dns_temporary'],
    ['REFUSED', () => dns.zone.faults.set('MX x.test', 'REFUSED'), 'dns_temporary'],
    ['silence', () => dns.zone.faults.set('MX x.test', 'silent'), 'dns_temporary'],
    ['garbage', () => dns.zone.faults.set('MX x.test', 'garbage'), 'dns_temporary'],
    ['another id', () => dns.zone.faults.set('MX x.test', 'wrong id'), 'dns_temporary'],
    ['CNAMEs in a circle', () => dns.add('x.test', 'CNAME', 'x.test'), 'dns_temporary'],
    ['only ourselves', () => mx('x.test', [10, 'me.test'], [20, 'b.test']), 'loops_to_self'],
    ['only addresses as hosts', () => mx('x.test', [10, '10.1.2.3']), 'dns_temporary'],
  ])('%s', async (_name, prepare, failure) => {
    prepare();
    const faulty = dns.zone.faults.size > 0;
    expect(await names('x.test', faulty ? hasty() : resolver())).toBe(failure);
  });

  test('ourselves as backup: only the better ones are used', async () => {
    mx('x.test', [10, 'a.test'], [20, 'ME.test'], [20, 'b.test']);
    expect(await names('x.test')).toBe('a.test');
  });

  test('a null MX beside a real one is passed over', async () => {
    mx('x.test', [0, '.'], [10, 'a.test']);
    expect(await names('x.test')).toBe('a.test');
  });

  test('the address question fails: temporary, not permanent', async () => {
    dns.add('x.test', 'TXT', 'exists');
    dns.zone.faults.set('A x.test', 'SERVFAIL');
    expect(await names('x.test')).toBe('dns_temporary');
  });

  test('over TCP when truncated', async () => {
    mx('x.test', [10, 'a.test']);
    dns.zone.faults.set('MX x.test', 'truncate');
    expect(await names('x.test')).toBe('a.test');
    expect(dns.asked).toEqual(['udp MX x.test', 'tcp MX x.test']);
  });

  test('TCP silent after truncation', async () => {
    dns.zone.faults.set('udp MX x.test', 'truncate');
    dns.zone.faults.set('tcp MX x.test', 'silent');
    expect(await names('x.test', hasty())).toBe('dns_temporary');
  });

  test('the second server when the first is dead', async () => {
    mx('x.test', [10, 'a.test']);
    const dead = await startDnsServer();
    await dead.close();
    const client = createDnsClient({ servers: [dead, dns], timeoutMs: 60 });
    expect(await names('x.test', resolver({ dns: client }))).toBe('a.test');
  });

  test('no server at all', async () => {
    expect(await names('x.test', resolver({ dns: createDnsClient({ servers: [] }) }))).toBe(
      'dns_temporary',
    );
  });

  test('many at once, more than may be on the way', async () => {
    for (let i = 0; i < 600; i += 1) mx(`d${i}.test`, [10, `mx${i}.test`]);
    const one = resolver({ dns: createDnsClient({ servers: [dns], timeoutMs: 5_000 }) });
    const found = await Promise.all(
      Array.from({ length: 600 }, (_, i) => names(`d${i}.test`, one)),
    );
    expect(found).toEqual(Array.from({ length: 600 }, (_, i) => `mx${i}.test`));
  });
});

describe('hosts the operator names', () => {
  test('are what the system says, with no question to the DNS', async () => {
    const one = resolver({ allowPrivate: false });
    const found = await one.systemAddresses('localhost');
    expect(found.ok && found.addresses[0]).toMatch(/^(127\.0\.0\.1|::1)$/);
    expect(await one.systemAddresses('::1')).toMatchObject({ ok: true, addresses: ['::1'] });
    expect(dns.asked).toEqual([]);
  });
});

describe('addresses', () => {
  test('IPv4 before IPv6', async () => {
    dns.add('h.test', 'AAAA', '::1');
    dns.add('h.test', 'A', '127.0.0.7');
    expect(await resolver().addresses('h.test')).toMatchObject({
      ok: true,
      addresses: ['127.0.0.7', '::1'],
    });
  });

  test('one family is enough when the other fails', async () => {
    dns.add('h.test', 'A', '127.0.0.7');
    dns.zone.faults.set('AAAA h.test', 'SERVFAIL');
    expect(await resolver().addresses('h.test')).toMatchObject({ ok: true });
  });
});

describe('what is remembered', () => {
  test('TTLs are kept to, at least 60 s and at most an hour', async () => {
    dns.add('short.test', 'MX', { preference: 1, exchange: 'a.test' }, 5);
    dns.add('long.test', 'MX', { preference: 1, exchange: 'a.test' }, 999_999);
    const one = resolver();
    const ask = async (): Promise<void> => {
      await one.route('short.test');
      await one.route('long.test');
    };
    await ask();
    nowMs += 59_000;
    await ask();
    expect(dns.asked).toHaveLength(2);
    nowMs += 2_000;
    await ask();
    const count = (word: string): number => dns.asked.filter((line) => line.includes(word)).length;
    await expect.poll(() => count('short')).toBe(2);
    expect(count('long')).toBe(1);
    nowMs += 3_600_000;
    await ask();
    await expect.poll(() => count('long')).toBe(2);
  });

  test('"no" is remembered too', async () => {
    const one = resolver();
    expect(await names('x.test', one)).toBe('no_such_domain');
    expect(await names('x.test', one)).toBe('no_such_domain');
    nowMs += 59_000;
    expect(await names('x.test', one)).toBe('no_such_domain');
    await names('y.test', one);
    expect(dns.asked).toEqual(['udp MX x.test', 'udp MX y.test']);
  });

  test('an old "no" is asked for again before anybody is refused for it', async () => {
    const one = resolver();
    expect(await names('x.test', one)).toBe('no_such_domain');
    expect(await names('null.test', one)).toBe('no_such_domain');
    mx('x.test', [10, 'a.test']);
    dns.zone.faults.set('MX null.test', 'SERVFAIL');
    nowMs += 61_000;
    expect(await names('x.test', one)).toBe('a.test');
    expect(await names('null.test', one)).toBe('dns_temporary');
  });

  test('a stale answer is given at once, even when the DNS is gone by now', async () => {
    mx('x.test', [10, 'a.test']);
    const one = resolver();
    await one.route('x.test');
    dns.zone.faults.set('MX x.test', 'SERVFAIL');
    nowMs += 400_000;
    expect(await names('x.test', one)).toBe('a.test');
    await expect.poll(() => dns.asked.length).toBe(3);
    expect(await names('x.test', one)).toBe('a.test');
  });

  test('a name that went away is noticed after the stale answer', async () => {
    mx('x.test', [10, 'a.test']);
    const one = resolver();
    await one.route('x.test');
    dns.zone.names.delete('x.test');
    dns.zone.records.clear();
    nowMs += 400_000;
    expect(await names('x.test', one)).toBe('a.test');
    await expect.poll(() => names('x.test', one)).toBe('no_such_domain');
  });
});

describe('the cache', () => {
  const loaded = (value: string, isFailure = false): Loaded<string> => ({
    value,
    ttlMs: 1_000,
    isFailure,
  });

  test('one load for all who ask at once', async () => {
    const cache = createAnswerCache<string>(10, () => nowMs);
    let loads = 0;
    const load = async (): Promise<Loaded<string>> => {
      loads += 1;
      return loaded('v');
    };
    expect(await Promise.all([cache.get('k', load), cache.get('k', load)])).toEqual(['v', 'v']);
    expect(loads).toBe(1);
  });

  test('is bounded; the longest unused goes first', async () => {
    const cache = createAnswerCache<string>(2, () => nowMs);
    for (const key of ['a', 'b', 'a', 'c']) await cache.get(key, async () => loaded(key));
    expect(cache.size()).toBe(2);
    const missed: string[] = [];
    for (const key of ['a', 'c', 'b']) {
      await cache.get(key, async () => {
        missed.push(key);
        return loaded(key);
      });
    }
    expect(missed).toEqual(['b']);
  });

  test('a load that throws leaves nothing behind', async () => {
    const cache = createAnswerCache<string>(2, () => nowMs);
    await expect(cache.get('a', () => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(await cache.get('a', async () => loaded('v'))).toBe('v');
    nowMs += 2_000;
    expect(await cache.get('a', () => Promise.reject(new Error('x')))).toBe('v');
  });
});

test('a server that answers with random bytes cannot crash or hang a question', async () => {
  const server = createSocket('udp4');
  let tail: Uint8Array = new Uint8Array();
  server.on('message', (bytes, from) => {
    // The id and flags of a real answer, then whatever comes.
    const head = Buffer.from(bytes.subarray(0, 12));
    head[2] = 0x84;
    server.send(Buffer.concat([head, tail]), from.port, from.address);
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const client = createDnsClient({
    servers: [{ host: '127.0.0.1', port }],
    timeoutMs: 15,
    attempts: 1,
  });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (noise) => {
      tail = noise;
      const answer = await client.lookup('x.test', 'MX');
      expect(['temporary', 'no_data', 'no_name']).toContain(answer.status);
    }),
    { numRuns: 40 },
  );
  await new Promise<void>((resolve) => server.close(resolve));
});

describe('DNSSEC', () => {
  test('what a resolver on this machine vouches for is secure; what it does not is not', async () => {
    dns.zone.secure.add('x.test');
    mx('x.test', [10, 'a.x.test']);
    mx('y.test', [10, 'a.x.test']);
    dns.add('a.x.test', 'A', '127.0.0.1');
    const one = resolver();
    expect(await one.route('x.test')).toMatchObject({ ok: true, secure: true });
    expect(await one.route('y.test')).toMatchObject({ ok: true, secure: false });
    expect(await one.addresses('a.x.test')).toMatchObject({ secure: true, owner: 'a.x.test' });
  });

  test('a domain without MX is secure when both answers are', async () => {
    dns.zone.secure.add('x.test');
    dns.add('x.test', 'A', '127.0.0.1');
    expect(await resolver().route('x.test')).toMatchObject({ ok: true, secure: true });
  });

  test('an alias is secure when every step is', async () => {
    for (const [from, to] of [
      ['one.x.test', 'end.x.test'],
      ['two.x.test', 'end.y.test'],
    ] as const) {
      const record = { name: from, type: 'CNAME', data: to, ttl: 300 } as const;
      dns.zone.records.set(`CNAME ${from}`, [record]);
      dns.zone.names.add(from);
      dns.add(to, 'A', '127.0.0.1');
    }
    dns.zone.secure.add('x.test');
    const one = resolver();
    expect(await one.addresses('one.x.test')).toMatchObject({ owner: 'end.x.test', secure: true });
    expect(await one.addresses('two.x.test')).toMatchObject({ owner: 'end.y.test', secure: false });
  });
});

test.each<[string, boolean, boolean]>([
  ['127.0.0.1', false, true],
  ['127.0.0.53', false, true],
  ['::1', false, true],
  ['192.0.2.1', false, false],
  ['2001:db8::1', false, false],
  ['127.0.0.1.example', false, false],
  ['192.0.2.1', true, true],
])('whether the DNSSEC word of %s counts (trustAd %s): %s', (host, trustAd, counts) => {
  expect(isBelieved(host, trustAd)).toBe(counts);
});
