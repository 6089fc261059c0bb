/** Source addresses and proxies, on real sockets: 127.0.0.0/8 has as many addresses as one likes. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { MtaEngine, MtaOptions } from '../../src/mta/deliver.ts';
import { proxyHeader } from '../../src/mta/proxy-header.ts';
import { createRotation } from '../../src/mta/rotation.ts';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import { createSocksClient } from '../../src/mta/socks5.ts';
import { canReach, createPools } from '../../src/mta/source.ts';
import type { Source, SourcePools } from '../../src/mta/source.ts';
import { startDnsServer } from './dns-server.ts';
import { allTo, isBalanced, makeMta, makeOrder, tally } from './orders.ts';
import type { Order } from './orders.ts';
import { startHaproxy, startSocks } from './proxies.ts';
import type { TestProxy } from './proxies.ts';
import type { Script } from './receiver.ts';
import { startSmtpHost } from './smtp-host.ts';
import type { SmtpHost, SmtpHostOptions } from './smtp-host.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function host(options: SmtpHostOptions = {}): Promise<SmtpHost> {
  const one = await startSmtpHost(options);
  cleanups.push(() => one.close());
  return one;
}

async function proxy(starting: Promise<TestProxy>): Promise<TestProxy> {
  const one = await starting;
  cleanups.push(() => one.close());
  return one;
}

function mta(options: Partial<MtaOptions> = {}): MtaEngine {
  const one = makeMta(options);
  cleanups.push(() => one.close());
  return one;
}

function source(address: string | null, more: Partial<Source> = {}): Source {
  return { id: address ?? 'proxy', address, heloName: null, weight: 1, proxy: null, ...more };
}

function pools(named: Record<string, readonly Source[]>): SourcePools {
  return createPools(new Map(Object.entries(named)));
}

async function run(engine: MtaEngine, ...orders: Order[]): Promise<void> {
  await Promise.all(orders.map(({ request }) => engine.deliver(request)));
  for (const order of orders) expect(isBalanced(order)).toBe(true);
}

/** One message a connection, one connection after the other. */
const ONE_BY_ONE = { maxMessagesPerConnection: 1, maxConnectionsPerSite: 1 };
const GREETS_554: Script = ({ verb }) => (verb === 'CONNECT' ? '554 5.7.1 not you' : undefined);

function count(values: readonly string[]): Record<string, number> {
  const groups = Map.groupBy(values, (value) => value);
  return Object.fromEntries([...groups].map(([value, list]) => [value, list.length]));
}

describe('rotation', () => {
  test('weights hold, in small turns', () => {
    const rotation = createRotation();
    const sources = [source('a', { weight: 3 }), source('b')];
    const turns = Array.from({ length: 8 }, () => rotation.order('p', 's', sources, 0)[0]?.id);
    expect(turns.join('')).toBe('aabaaaba');
  });

  test('any weights: the turns of one round are the weights', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(weights, (list) => {
        const rotation = createRotation();
        const sources = list.map((weight, i) => source(`s${i}`, { weight }));
        const round = list.reduce((sum, weight) => sum + weight, 0);
        const turns = Array.from({ length: round }, () =>
          String(rotation.order('p', 's', sources, 0)[0]?.id),
        );
        expect(count(turns)).toEqual(
          Object.fromEntries(list.map((weight, i) => [`s${i}`, weight])),
        );
      }),
    );
  });

  test('what dropped out at a site comes back after its time, and is used elsewhere', () => {
    const rotation = createRotation({ siteMs: 1_000, everywhereMs: 100 });
    const [a, b] = [source('a'), source('b')];
    const order = (site: string, nowMs: number): string =>
      rotation
        .order('p', site, [a, b], nowMs)
        .map(({ id }) => id)
        .sort()
        .join('');
    rotation.drop('x', a, 0);
    rotation.dropEverywhere(b, 0);
    expect([order('x', 50), order('y', 50)]).toEqual(['', 'a']);
    expect([order('x', 150), order('x', 1_001)]).toEqual(['b', 'ab']);
    expect(rotation.droppedUntilMs('x', a, 500)).toBe(1_000);
  });
});

describe('a pool', () => {
  test('connections come from its addresses by weight, each with its own HELO name', async () => {
    const to = await host();
    const named = pools({
      ips: [
        source('127.0.0.11', { weight: 3, heloName: 'out1.shop.test' }),
        source('127.0.0.12', { heloName: 'out2.shop.test' }),
      ],
    });
    const order = makeOrder(12, { maxLanes: 1 });
    order.request.pool = 'ips';
    await run(mta({ routes: allTo(to.route), pools: named, ...ONE_BY_ONE }), order);
    expect(tally(order)).toBe('accepted: 12');
    expect(count(to.peers)).toEqual({ '127.0.0.11': 9, '127.0.0.12': 3 });
    const names = to.transcripts.map((lines, i) => `${to.peers[i]} ${lines[0]}`);
    expect([...new Set(names)].sort()).toEqual([
      '127.0.0.11 EHLO out1.shop.test',
      '127.0.0.12 EHLO out2.shop.test',
    ]);
    expect(new Set(order.outcomes.map(({ sourceAddress }) => sourceAddress))).toEqual(
      new Set(['127.0.0.11', '127.0.0.12']),
    );
  });

  test("the route's stands before the sender's; `default` is for all the others", async () => {
    const to = await host();
    const named = pools({
      default: [source('127.0.0.21')],
      sender: [source('127.0.0.22')],
      route: [source('127.0.0.23')],
    });
    const routes = createRoutes([
      ...staticRules({ '*': to.route }),
      { ...staticRules({ 'x.test': to.route })[0]!, pool: 'route' },
    ]);
    const engine = mta({ routes, pools: named });
    const expected = { 'x.test sender': 23, 'x.test': 23, 'y.test sender': 22, 'y.test': 21 };
    for (const [name, last] of Object.entries(expected)) {
      const [domain = '', pool = null] = name.split(' ');
      const order = makeOrder(1, { domain });
      order.request.pool = pool;
      await run(engine, order);
      expect([name, order.outcomes[0]?.sourceAddress]).toEqual([name, `127.0.0.${last}`]);
    }
  });

  test('without sources: mail waits, nothing goes out from another address', async () => {
    const to = await host();
    const order = makeOrder(2);
    order.request.pool = 'unknown';
    await run(mta({ routes: allTo(to.route), pools: pools({}) }), order);
    expect(order.siteFailures).toMatchObject([{ result: 'deferred', failure: 'source_failed' }]);
    expect(to.peers).toEqual([]);
  });

  test('an address taken out of the pool is used for no further message', async () => {
    const to = await host();
    let named = pools({ default: [source('127.0.0.11')] });
    const live: SourcePools = {
      find: (pool) => named.find(pool),
      heloNames: () => named.heloNames(),
    };
    const order = makeOrder(20, {
      maxLanes: 1,
      beforeNext: () => {
        if (order.pulled.length === 8) named = pools({ default: [source('127.0.0.12')] });
      },
    });
    await run(mta({ routes: allTo(to.route), pools: live }), order);
    expect(tally(order)).toBe('accepted: 20');
    expect(to.peers).toEqual(['127.0.0.11', '127.0.0.12']);
  });

  test('an IPv4 address does not reach an IPv6 host; one of its family does', async () => {
    const dns = await startDnsServer();
    cleanups.push(() => dns.close());
    const to = await host({ host: '::1' });
    dns.add('x.test', 'AAAA', '::1');
    dns.add('y.test', 'A', '127.0.0.2');
    const named = pools({
      default: [source('127.0.0.11'), source('::1')],
      four: [source('127.0.0.11')],
    });
    const engine = mta({ dnsServer: dns, smtpPort: to.port, pools: named });
    const order = makeOrder(2);
    await run(engine, order);
    expect(order.outcomes[0]).toMatchObject({ result: 'accepted', sourceAddress: '::1' });
    const unreachable = makeOrder(1);
    unreachable.request.pool = 'four';
    await run(engine, unreachable);
    expect(unreachable.siteFailures).toMatchObject([{ failure: 'source_failed' }]);
    expect(canReach(source('127.0.0.1'), { socketPath: '/run/lmtp' })).toBe(true);
  });

  test('MX hosts that bear the HELO name of a source are ourselves', async () => {
    const dns = await startDnsServer();
    cleanups.push(() => dns.close());
    dns.add('x.test', 'MX', { preference: 1, exchange: 'out1.shop.test' });
    const named = pools({ default: [source('127.0.0.11', { heloName: 'Out1.shop.test' })] });
    const order = makeOrder(1);
    await run(mta({ dnsServer: dns, pools: named }), order);
    expect(order.siteFailures).toMatchObject([{ failure: 'loops_to_self' }]);
  });
});

describe('a source that fails', () => {
  const good = source('127.0.0.11');
  const bad = source('127.0.0.12');
  const refusesBad = (peer: string): Script | undefined =>
    peer === bad.address ? GREETS_554 : undefined;

  test('at one site drops out there, and is tried again later; nobody is lost', async () => {
    const to = await host({ scriptFor: refusesBad });
    const other = await host();
    let shiftMs = 0;
    const engine = mta({
      routes: createRoutes(staticRules({ 'x.test': to.route, 'y.test': other.route })),
      pools: pools({ default: [bad, good] }),
      now: () => new Date(Date.now() + shiftMs),
      // It is the rotation that leaves it out, not the memory of hosts that failed.
      memory: { failureMs: 0 },
      ...ONE_BY_ONE,
    });
    const order = makeOrder(10, { maxLanes: 1 });
    await run(engine, order);
    expect(tally(order)).toBe('accepted: 10');
    expect(count(to.peers)).toEqual({ '127.0.0.11': 10, '127.0.0.12': 1 });

    const elsewhere = makeOrder(6, { domain: 'y.test', maxLanes: 1, firstId: 100n });
    await run(engine, elsewhere);
    expect(other.peers.filter((peer) => peer === bad.address).length).toBeGreaterThan(1);

    shiftMs = 601_000;
    await run(engine, makeOrder(2, { maxLanes: 1, firstId: 200n }));
    expect(count(to.peers)['127.0.0.12']).toBe(2);
  });

  test('is not blamed when the others fail as well', async () => {
    const to = await host({ script: GREETS_554 });
    const engine = mta({
      routes: allTo(to.route),
      pools: pools({ default: [bad, good] }),
      memory: { failureMs: 0 },
    });
    for (let i = 0; i < 3; i += 1) {
      const order = makeOrder(1);
      await run(engine, order);
      expect(order.siteFailures).toMatchObject([{ reply: { code: 554 } }]);
    }
    expect(count(to.peers)).toEqual({ '127.0.0.11': 3, '127.0.0.12': 3 });
  });

  test('is not blamed when it has a connection there already', async () => {
    const to = await host({
      accept: () => to.peers.filter((peer) => peer === good.address).length <= 1,
    });
    const order = makeOrder(30, { maxLanes: 3 });
    const engine = mta({ routes: allTo(to.route), pools: pools({ default: [good, bad] }) });
    await run(engine, order);
    expect(tally(order)).toBe('accepted: 30');
  });

  test('an address this machine does not have: dropped everywhere, told, others go on', async () => {
    const to = await host();
    const gone = source('192.0.2.77');
    const both = makeOrder(4, { maxLanes: 1 });
    await run(
      mta({ routes: allTo(to.route), pools: pools({ default: [gone, good] }), ...ONE_BY_ONE }),
      both,
    );
    expect(tally(both)).toBe('accepted: 4');
    const alone = makeOrder(1);
    await run(mta({ routes: allTo(to.route), pools: pools({ default: [gone] }) }), alone);
    expect(alone.siteFailures).toMatchObject([
      { result: 'deferred', failure: 'source_failed', sourceAddress: '192.0.2.77' },
    ]);
    expect(count(to.peers)).toEqual({ '127.0.0.11': 4 });
  });
});

describe('SOCKS5', () => {
  async function through(
    one: TestProxy,
    login: { user: string; secret: string } | null,
  ): Promise<{
    order: Order;
    to: SmtpHost;
  }> {
    const to = await host();
    const { host: name, port } = one;
    const egress = source(null, { proxy: { type: 'socks5', host: name, port, login } });
    const order = makeOrder(6, { maxLanes: 2 });
    await run(mta({ routes: allTo(to.route), pools: pools({ default: [egress] }) }), order);
    return { order, to };
  }

  test.each([[null], [{ user: 'volley', secret: 'pass word' }]])('login: %j', async (login) => {
    const one = await proxy(startSocks(login === null ? {} : { login }));
    const { order, to } = await through(one, login);
    expect(tally(order)).toBe('accepted: 6');
    expect(one.asked[0]).toBe(`${login?.user ?? '-'} ${to.route}`);
    expect(order.outcomes[0]).toMatchObject({
      mxAddress: to.route,
      sourceAddress: `socks5 127.0.0.1:${one.port}`,
    });
  });

  test.each<[string, Parameters<typeof startSocks>[0], string]>([
    ['a wrong password', { login: { user: 'a', secret: 'b' } }, 'source_failed'],
    ['not allowed', { reply: 2 }, 'source_failed'],
    ['host unreachable', { reply: 4 }, 'connect_failed'],
    ['refused by the host', { reply: 5 }, 'connect_failed'],
  ])('%s: everything waits', async (_name, options, failure) => {
    const one = await proxy(startSocks(options));
    const { order } = await through(one, { user: 'a', secret: 'wrong' });
    expect(order.siteFailures).toMatchObject([{ result: 'deferred', failure }]);
  });

  test('a proxy that is away', async () => {
    const one = await startSocks();
    await one.close();
    const { order } = await through(one, null);
    expect(order.siteFailures).toMatchObject([{ failure: 'source_failed' }]);
  });

  test('any chunking of the answers is the same conversation', () => {
    const login = { user: 'u', secret: 's' };
    const answers = Buffer.from([5, 2, 1, 0, 5, 0, 0, 3, 2, 97, 98, 0, 25, 50, 50, 48]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 16 }), (sizes) => {
        const client = createSocksClient({ host: '::1', port: 25 }, login);
        let at = 0;
        let written = 0;
        let rest = '';
        for (const size of sizes) {
          // An honest proxy answers a step only when it was asked.
          const limit = [2, 4, answers.length][written] ?? answers.length;
          const step = client.push(answers.subarray(at, Math.min(at + size, limit)));
          at = Math.min(at + size, limit);
          if (step.type === 'write') written += 1;
          expect(step.type).not.toBe('failed');
          if (step.type === 'done') {
            rest = step.rest.toString() + answers.subarray(at).toString();
            break;
          }
        }
        expect(rest).toBe('220');
      }),
    );
  });

  test('garbage is no SOCKS', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 20 }), (bytes) => {
        fc.pre(bytes[0] !== 5);
        const client = createSocksClient({ host: '127.0.0.1', port: 25 }, null);
        expect(client.push(bytes)).toEqual({ type: 'failed', failure: 'source_failed' });
      }),
    );
  });
});

describe('PROXY protocol', () => {
  test.each(['proxy_v1', 'proxy_v2'] as const)('%s', async (type) => {
    const one = await proxy(startHaproxy());
    const to = await host();
    const egress = source('127.0.0.99', { proxy: { type, host: one.host, port: one.port } });
    const order = makeOrder(4, { maxLanes: 1 });
    await run(mta({ routes: allTo(to.route), pools: pools({ default: [egress] }) }), order);
    expect(tally(order)).toBe('accepted: 4');
    expect(one.asked).toEqual([
      type === 'proxy_v1'
        ? `PROXY TCP4 127.0.0.99 127.0.0.1 0 ${to.port}`
        : `v2 33 17 127.0.0.99 ${to.route}`,
    ]);
    expect(order.outcomes[0]?.sourceAddress).toBe('127.0.0.99');
  });

  test('headers for IPv6, byte by byte', () => {
    const target = { host: '2001:db8::2', port: 25 };
    expect(proxyHeader(1, '2001:db8::1', target).toString()).toBe(
      'PROXY TCP6 2001:db8::1 2001:db8::2 0 25\r\n',
    );
    expect(proxyHeader(2, '2001:db8::1', target).toString('hex')).toBe(
      '0d0a0d0a000d0a515549540a' +
        '21210024' +
        '20010db8000000000000000000000001' +
        '20010db8000000000000000000000002' +
        '00000019',
    );
  });
});
