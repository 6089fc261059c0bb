/** Where mail goes, on real sockets and in real folders: rules, changes, loops, private addresses. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { MtaEngine, MtaOptions } from '../../src/mta/deliver.ts';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import type { RouteRule, Routes } from '../../src/mta/routes.ts';
import { PLAIN_SESSION } from '../../src/mta/transport.ts';
import type { Transport } from '../../src/mta/transport.ts';
import { startDnsServer } from './dns-server.ts';
import type { DnsTestServer } from './dns-server.ts';
import { allTo, isBalanced, makeMta, makeOrder, tally } from './orders.ts';
import type { Order } from './orders.ts';
import { startSmtpHost } from './smtp-host.ts';
import type { SmtpHost, SmtpHostOptions } from './smtp-host.ts';
import { bytesOf } from '../harness/message.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function host(options: SmtpHostOptions = {}): Promise<SmtpHost> {
  const one = await startSmtpHost(options);
  cleanups.push(() => one.close());
  return one;
}

async function dnsServer(): Promise<DnsTestServer> {
  const dns = await startDnsServer();
  cleanups.push(() => dns.close());
  return dns;
}

function mta(options: Partial<MtaOptions> = {}): MtaEngine {
  const one = makeMta(options);
  cleanups.push(() => one.close());
  return one;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'volley-routing-'));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function rule(pattern: string, transport: Transport, id = pattern): RouteRule {
  return { id, pattern, transport, pool: null };
}

function smarthost(to: SmtpHost): Transport {
  return { type: 'smarthost', to: { host: to.host, port: to.port }, ...PLAIN_SESSION };
}

async function run(engine: MtaEngine, ...orders: Order[]): Promise<void> {
  await Promise.all(orders.map(({ request }) => engine.deliver(request)));
  for (const order of orders) expect(isBalanced(order)).toBe(true);
}

describe('rules', () => {
  test('a domain, a suffix and the rest go their ways', async () => {
    const [exact, suffix, rest] = [await host(), await host(), await host()];
    const rules = staticRules({ 'x.test': exact.route, '*.x.test': suffix.route, '*': rest.route });
    const domains = ['x.test', 'a.x.test', 'b.a.x.test', 'y.test'];
    const orders = domains.map((domain, i) => makeOrder(1, { domain, firstId: BigInt(i + 1) }));
    await run(mta({ routes: createRoutes(rules) }), ...orders);
    expect([exact, suffix, rest].map(({ ledger }) => ledger.length)).toEqual([1, 2, 1]);
  });

  test('all domains of a smart host share its connections; those of a plain route do not', async () => {
    const to = await host();
    const orders = (): Order[] =>
      Array.from({ length: 8 }, (_, i) =>
        makeOrder(6, { domain: `d${i}.test`, firstId: BigInt(i * 10 + 1) }),
      );
    const engine = mta({
      routes: createRoutes([rule('*', smarthost(to))]),
      maxConnectionsPerSite: 2,
      idleMs: 60_000,
    });
    await run(engine, ...orders());
    expect(to.ledger).toHaveLength(48);
    expect(to.peak()).toBeLessThanOrEqual(2);
    expect(engine.sites()).toMatchObject([{ name: to.route }]);

    const plain = await host();
    await run(mta({ routes: allTo(plain.route), maxConnectionsPerSite: 2 }), ...orders());
    expect(plain.peak()).toBeGreaterThan(2);
  });

  test('a rule that changes takes effect at the next message, nobody is lost', async () => {
    const [before, after] = [await host(), await host()];
    let routes = createRoutes([rule('*', smarthost(before), 'before')]);
    const live: Routes = { find: (domain) => routes.find(domain) };
    const order = makeOrder(40, {
      maxLanes: 2,
      beforeNext: () => {
        if (order.pulled.length === 10)
          routes = createRoutes([rule('*', smarthost(after), 'after')]);
      },
    });
    await run(mta({ routes: live }), order);
    expect(tally(order)).toBe('accepted: 40');
    expect(before.ledger.length).toBeGreaterThanOrEqual(10);
    expect(before.ledger.length).toBeLessThanOrEqual(12);
    expect(before.ledger.length + after.ledger.length).toBe(40);
  });

  test('discard: everybody is accepted, after the mark', async () => {
    const engine = mta({ routes: createRoutes([rule('x.test', { type: 'discard' })]) });
    const order = makeOrder(0, { recipients: [3, 2] });
    await run(engine, order);
    expect(tally(order)).toBe('accepted: 5');
    expect(order.outcomes[0]).toMatchObject({
      stage: 'dot',
      mxAddress: 'discard',
      reply: { code: 250, enhanced: '2.0.0', text: 'discarded' },
    });
    const unmarked = makeOrder(2, { marked: () => Promise.reject(new Error('database away')) });
    await run(engine, unmarked);
    expect(tally(unmarked)).toBe('deferred@data(aborted): 2');
  });
});

describe('file', () => {
  function toFolder(directory: string): Partial<MtaOptions> {
    return { routes: createRoutes([rule('*', { type: 'file', directory })]) };
  }

  test('a Maildir: one file a recipient, whole, in new; nothing stays in tmp', async () => {
    const directory = join(folder(), 'kept', 'shop');
    const order = makeOrder(0, { recipients: [1, 3] });
    await run(mta(toFolder(directory)), order);
    expect(tally(order)).toBe('accepted: 4');
    expect(readdirSync(join(directory, 'tmp'))).toEqual([]);
    const names = readdirSync(join(directory, 'new'));
    expect(names.every((name) => /^[A-Za-z0-9._-]+$/.test(name))).toBe(true);
    const texts = names.map((name) => readFileSync(join(directory, 'new', name), 'latin1')).sort();
    const message = bytesOf(order.pulled[0]!.message).toString('latin1');
    const expected = order.pulled.flatMap(({ envelopeSender, recipients }) =>
      recipients.map(
        ({ address }) =>
          `Return-Path: <${envelopeSender}>\r\nDelivered-To: ${address}\r\n${message}`,
      ),
    );
    expect(texts).toEqual(expected.sort());
    expect(order.outcomes[0]?.mxAddress).toBe(`file:${directory}`);
    expect(names).toContain(order.outcomes[0]?.reply?.text.replace('kept as ', ''));
  });

  test('a folder that cannot be written: deferred, no half file', async () => {
    const directory = folder();
    writeFileSync(join(directory, 'new'), 'in the way');
    const order = makeOrder(2);
    await run(mta(toFolder(directory)), order);
    expect(tally(order)).toBe('deferred@data(storage_failed): 2');
  });

  test('an address with a line break is refused, not written', async () => {
    const directory = folder();
    const order = makeOrder(1);
    const request = {
      ...order.request,
      async next() {
        const transaction = await order.request.next();
        return transaction === null ? null : { ...transaction, envelopeSender: 'a\r\nX: y@z.test' };
      },
    };
    await mta(toFolder(directory)).deliver(request);
    expect(tally(order)).toBe('rejected@data(bad_address): 1');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('close waits for what is being written', async () => {
    const directory = folder();
    const engine = mta(toFolder(directory));
    const order = makeOrder(30, { maxLanes: 3 });
    const delivered = engine.deliver(order.request);
    await engine.close();
    await delivered;
    expect(readdirSync(join(directory, 'new'))).toHaveLength(30);
  });
});

describe('not to ourselves', () => {
  test('our own listener is never connected to, by MX, by address or by route', async () => {
    const dns = await dnsServer();
    const us = await host({ host: '127.0.0.2' });
    dns.add('x.test', 'MX', { preference: 1, exchange: 'mx.x.test' });
    dns.add('mx.x.test', 'A', us.host);
    dns.add('y.test', 'A', us.host);
    for (const listener of [us.host, '0.0.0.0']) {
      const options = { dnsServer: dns, smtpPort: us.port } as const;
      const ownListeners = (): { host: string; port: number }[] => [
        { host: listener, port: us.port },
      ];
      const orders = ['x.test', 'y.test'].map((domain) => makeOrder(1, { domain }));
      await run(mta({ ...options, ownListeners }), ...orders);
      const routed = makeOrder(1);
      await run(mta({ routes: allTo(us.route), ownListeners }), routed);
      for (const { siteFailures } of [...orders, routed]) {
        expect(siteFailures).toMatchObject([{ result: 'rejected', failure: 'loops_to_self' }]);
      }
    }
    expect(us.transcripts).toEqual([]);
  });

  test('a better MX before ourselves is used, a worse one behind us is not', async () => {
    const dns = await dnsServer();
    const us = await host({ host: '127.0.0.2' });
    const other = await host({ host: '127.0.0.3', port: us.port });
    dns.add('us.test', 'A', us.host);
    dns.add('other.test', 'A', other.host);
    for (const [domain, ours] of [
      ['before.test', 20],
      ['behind.test', 1],
    ] as const) {
      dns.add(domain, 'MX', { preference: ours, exchange: 'us.test' });
      dns.add(domain, 'MX', { preference: 10, exchange: 'other.test' });
    }
    const engine = mta({
      dnsServer: dns,
      smtpPort: us.port,
      ownListeners: () => [{ host: us.host, port: us.port }],
    });
    const [before, behind] = ['before.test', 'behind.test'].map((domain) =>
      makeOrder(1, { domain }),
    );
    await run(engine, before!, behind!);
    expect(tally(before!)).toBe('accepted: 1');
    expect(behind!.siteFailures).toMatchObject([{ failure: 'loops_to_self' }]);
  });

  test('a host that greets us with our own name is ourselves, unless the operator says so', async () => {
    const dns = await dnsServer();
    const to = await host();
    dns.add('x.test', 'A', to.host);
    const options = { heloName: 'MX.test', dnsServer: dns, smtpPort: to.port };
    const order = makeOrder(1);
    await run(mta(options), order);
    expect(order.siteFailures).toMatchObject([
      { result: 'rejected', stage: 'ehlo', failure: 'loops_to_self' },
    ]);
    const routed = makeOrder(1);
    await run(mta({ ...options, routes: allTo(to.route) }), routed);
    expect(tally(routed)).toBe('accepted: 1');
  });
});

describe('private addresses', () => {
  test('from the DNS are refused unless allowed; from a route they are meant', async () => {
    const dns = await dnsServer();
    const to = await host();
    dns.add('x.test', 'MX', { preference: 1, exchange: 'mx.x.test' });
    dns.add('mx.x.test', 'A', to.host);
    dns.add('y.test', 'A', '10.0.0.1');
    const strict = { dnsServer: dns, smtpPort: to.port, allowPrivateMx: false };
    for (const domain of ['x.test', 'y.test']) {
      const order = makeOrder(1, { domain });
      await run(mta(strict), order);
      expect(order.siteFailures).toMatchObject([
        { result: 'rejected', stage: 'dns', failure: 'private_address', reply: null },
      ]);
    }
    expect(to.transcripts).toEqual([]);
    const routed = makeOrder(1);
    await run(mta({ ...strict, routes: allTo(to.route) }), routed);
    const allowed = makeOrder(1);
    await run(mta({ ...strict, allowPrivateMx: true }), allowed);
    expect([tally(routed), tally(allowed)]).toEqual(['accepted: 1', 'accepted: 1']);
  });
});

test('an address beyond ASCII fails before MAIL where SMTPUTF8 is not offered, alone', async () => {
  for (const [extensions, expected] of [
    [['PIPELINING'], 'accepted: 1, rejected@rcpt(smtputf8_unsupported): 1'],
    [['PIPELINING', 'SMTPUTF8', '8BITMIME'], 'accepted: 2'],
  ] as const) {
    const to = await host({ extensions });
    const order = makeOrder(2, { maxLanes: 1 });
    const request = {
      ...order.request,
      async next() {
        const transaction = await order.request.next();
        if (transaction?.recipients[0]?.id !== 1n) return transaction;
        return { ...transaction, recipients: [{ id: 1n, address: '用户@xn--fiqs8s.test' }] };
      },
    };
    await mta({ routes: allTo(to.route) }).deliver(request);
    expect(tally(order)).toBe(expected);
    const mails = to.transcripts.flat().filter((line) => line.startsWith('MAIL'));
    expect(mails.map((line) => line.endsWith(' SMTPUTF8'))).toEqual(
      expected === 'accepted: 2' ? [true, false] : [false],
    );
  }
});

test('a DNS server that denies every name bounces a handful at most, the rest waits', async () => {
  const dns = await dnsServer();
  const engine = mta({ dnsServer: dns });
  const orders = Array.from({ length: 60 }, (_, i) => makeOrder(1, { domain: `d${i}.test` }));
  await run(engine, ...orders);
  const failures = orders.flatMap(({ siteFailures }) => siteFailures);
  expect(failures.filter(({ result }) => result === 'rejected').length).toBeLessThan(5);
  expect(failures.filter(({ failure }) => failure === 'dns_temporary').length).toBeGreaterThan(55);
});
