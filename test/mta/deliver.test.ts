/** The engine on real sockets: routes, connections, TLS, and what becomes of everybody. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { MtaOptions } from '../../src/mta/deliver.ts';
import type { Mta } from '../../src/mta/transaction.ts';
import { startDnsServer } from './dns-server.ts';
import { allTo, isBalanced, makeMta, makeOrder, QUICK, tally } from './orders.ts';
import type { Order } from './orders.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Answer, Asked, Script } from './receiver.ts';
import { certificateFor, selfSigned, startSmtpHost } from './smtp-host.ts';
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

function mta(options: Partial<MtaOptions> = {}): Mta {
  const one = makeMta(options);
  cleanups.push(() => one.close());
  return one;
}

function tooMany(yes: boolean): Answer | undefined {
  return yes ? '452 4.5.3 too many recipients' : undefined;
}

/** An engine that sends everything to `to`. */
function mtaTo(to: SmtpHost, options: Partial<MtaOptions> = {}): Mta {
  return mta({ routes: allTo(to.route), ...options });
}

async function run(engine: Mta, ...orders: Order[]): Promise<void> {
  await Promise.all(orders.map(({ request }) => engine.deliver(request)));
  for (const order of orders) expect(isBalanced(order)).toBe(true);
}

function on(verb: string, answer: Answer | ((asked: Asked) => Answer | undefined)): Script {
  return (asked) => {
    if (asked.verb !== verb) return undefined;
    return typeof answer === 'function' ? answer(asked) : answer;
  };
}

describe('delivery', () => {
  test('many transactions over a few connections; each recipient accepted once', async () => {
    const to = await host();
    const order = makeOrder(300, { maxLanes: 4 });
    await run(mtaTo(to, { maxMessagesPerConnection: 1_000 }), order);
    expect(tally(order)).toBe('accepted: 300');
    expect(new Set(to.ledger.map(({ recipients }) => recipients[0])).size).toBe(300);
    expect(to.ledger).toHaveLength(300);
    expect(to.peak()).toBeLessThanOrEqual(4);
    expect(to.peak()).toBeGreaterThan(1);
  });

  test('facts: host, address, reply, times', async () => {
    const to = await host();
    const order = makeOrder(1);
    await run(mtaTo(to), order);
    expect(order.outcomes[0]).toMatchObject({
      recipientId: 1n,
      result: 'accepted',
      stage: 'dot',
      mxHost: '127.0.0.1',
      mxAddress: to.route,
      tls: null,
      reply: { code: 250, enhanced: '2.0.0', text: 'queued' },
      failure: null,
    });
    expect(order.outcomes[0]!.startedAt.getTime()).toBeGreaterThan(Date.now() - 10_000);
    expect(order.outcomes[0]!.durationMs).toBeLessThan(10_000);
  });

  test('one message opens one connection', async () => {
    const to = await host();
    await run(mtaTo(to), makeOrder(1));
    expect(to.transcripts).toHaveLength(1);
  });

  test('nothing to send opens one connection and pulls nothing', async () => {
    const to = await host();
    const order = makeOrder(0);
    await run(mtaTo(to), order);
    expect(order.outcomes).toEqual([]);
  });

  test('many recipients, each with his own answer', async () => {
    const script = on('RCPT', ({ recipient }) =>
      recipient % 5 === 0 ? '550 5.1.1 unknown' : recipient % 7 === 0 ? '450 4.2.1 x' : undefined,
    );
    const to = await host({ script });
    const order = makeOrder(0, { recipients: [50, 50] });
    await run(mtaTo(to), order);
    expect(tally(order)).toBe('accepted: 68, deferred@rcpt(450): 12, rejected@rcpt(550): 20');
    expect(to.ledger.flatMap(({ recipients }) => recipients)).toHaveLength(68);
  });

  test('452 after 20 recipients: the rest follows at once, and later sessions know', async () => {
    const script = on('RCPT', ({ recipient }) =>
      recipient > 20 ? '452 4.5.3 too many recipients' : undefined,
    );
    const to = await host({ script });
    const engine = mtaTo(to);
    const order = makeOrder(0, { recipients: [50] });
    await run(engine, order);
    expect(tally(order)).toBe('accepted: 50');
    expect(to.ledger.map(({ recipients }) => recipients.length)).toEqual([20, 20, 10]);
    const later = makeOrder(0, { recipients: [25], firstId: 100n });
    await run(engine, later);
    const commands = to.transcripts.flat().filter((line) => line.startsWith('RCPT'));
    expect(commands).toHaveLength(50 + 20 + 10 + 20 + 5);
  });

  test('one of a copy is unknown after DATA: the others get theirs', async () => {
    let named: string[] = [];
    const script: Script = ({ verb, line }) => {
      if (verb === 'MAIL') named = [];
      if (verb === 'RCPT') named.push(line);
      const unknown = verb === 'DOT' && named.some((one) => one.includes('<r3@'));
      return unknown ? '550 5.1.1 no such user' : undefined;
    };
    const to = await host({ script });
    const order = makeOrder(1, { recipients: [5], maxLanes: 1 });
    await run(mtaTo(to), order);
    expect(tally(order)).toBe('accepted: 4, rejected@dot(550): 1');
    const got = to.ledger.flatMap(({ recipients }) => recipients).sort();
    expect(got).toEqual(['r1@x.test', 'r2@x.test', 'r4@x.test', 'r5@x.test']);
  });

  test('a 3 MB message arrives whole', async () => {
    const message = Buffer.from(`Subject: big\r\n\r\n${`.${'y'.repeat(75)}\r\n`.repeat(40_000)}`);
    for (const extensions of [ALL_EXTENSIONS, [...ALL_EXTENSIONS, 'CHUNKING']]) {
      const to = await host({ extensions });
      const order = makeOrder(2, { message, maxLanes: 1 });
      await run(mtaTo(to), order);
      expect(tally(order)).toBe('accepted: 2');
      expect(to.ledger.every(({ content }) => content.equals(message))).toBe(true);
    }
  });

  test('a receiver that stops reading a big message is given up, and it is not ambiguous', async () => {
    const message = Buffer.alloc(30_000_000, 'y'.repeat(76) + '\r\n');
    const to = await host({ script: on('DATA', '354 go'), extensions: [] });
    const order = makeOrder(1, { message });
    const engine = mtaTo(to, { timeouts: { ...QUICK, blockMs: 300 } });
    const delivered = engine.deliver(order.request);
    await expect.poll(() => to.transcripts.flat().includes('DATA')).toBe(true);
    for (const socket of to.sockets) socket.pause();
    await delivered;
    expect(tally(order)).toBe('deferred@data(reply_timeout): 1');
    expect(to.ledger).toEqual([]);
  });

  test('the mark is awaited, and when it fails nothing goes out', async () => {
    const to = await host();
    let give: () => void = () => undefined;
    const marked = new Promise<void>((resolve) => (give = resolve));
    const waiting = makeOrder(1, { marked: () => marked });
    const delivered = mtaTo(to).deliver(waiting.request);
    await expect.poll(() => to.transcripts.flat().includes('DATA')).toBe(true);
    expect(to.ledger).toEqual([]);
    give();
    await delivered;
    expect(tally(waiting)).toBe('accepted: 1');

    const failing = makeOrder(3, { marked: () => Promise.reject(new Error('database away')) });
    await run(mtaTo(to), failing);
    expect(tally(failing)).toBe('deferred@data(aborted): 3');
    expect(to.ledger).toHaveLength(1);
  });

  test('a source that throws ends its request and nothing else', async () => {
    const to = await host();
    const engine = mtaTo(to);
    const bad = makeOrder(3, {
      beforeNext: () => {
        throw new Error('render');
      },
    });
    const good = makeOrder(3, { firstId: 50n });
    await run(engine, bad, good);
    expect(tally(good)).toBe('accepted: 3');
    expect(bad.outcomes).toEqual([]);
  });
});

describe('connections', () => {
  test('the site cap holds for all requests together, and both get their share', async () => {
    const to = await host();
    const [a, b] = [
      makeOrder(60, { maxLanes: 10 }),
      makeOrder(60, { maxLanes: 10, firstId: 500n }),
    ];
    await run(mtaTo(to, { maxConnectionsPerSite: 3 }), a, b);
    expect(to.peak()).toBeLessThanOrEqual(3);
    const half = to.ledger.slice(0, 60).map(({ recipients }) => recipients[0] ?? '');
    const ofB = half.filter((address) => Number(/\d+/.exec(address)?.[0]) >= 500).length;
    expect(ofB).toBeGreaterThan(15);
    expect(ofB).toBeLessThan(45);
  });

  test('maxLanes holds', async () => {
    const to = await host();
    await run(mtaTo(to), makeOrder(50, { maxLanes: 1 }));
    expect(to.peak()).toBe(1);
  });

  test('the pool holds over all sites, and everybody gets his turn', async () => {
    const to = await host();
    const engine = mtaTo(to, { maxConnections: 3 });
    const orders = Array.from({ length: 20 }, (_, i) =>
      makeOrder(5, { domain: `d${i}.test`, firstId: BigInt(i * 100 + 1) }),
    );
    await run(engine, ...orders);
    expect(to.peak()).toBeLessThanOrEqual(3);
    expect(to.ledger).toHaveLength(100);
  });

  test('a full pool takes idle connections away', async () => {
    const to = await host();
    const engine = mtaTo(to, { maxConnections: 2, idleMs: 60_000 });
    const started = Date.now();
    for (let i = 0; i < 6; i += 1) {
      await run(engine, makeOrder(1, { domain: `d${i}.test`, firstId: BigInt(i + 1) }));
    }
    const together = Array.from({ length: 6 }, (_, i) =>
      makeOrder(3, { domain: `e${i}.test`, firstId: BigInt(100 + i * 10) }),
    );
    await run(engine, ...together);
    expect(to.ledger).toHaveLength(24);
    expect(to.peak()).toBeLessThanOrEqual(2);
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test('messages per connection, ours or the smaller one of LIMITS', async () => {
    for (const extensions of [ALL_EXTENSIONS, [...ALL_EXTENSIONS, 'LIMITS MAILMAX=4']]) {
      const to = await host({ extensions });
      const limit = extensions === ALL_EXTENSIONS ? 7 : 4;
      await run(mtaTo(to, { maxMessagesPerConnection: 7 }), makeOrder(20, { maxLanes: 1 }));
      const counts = to.transcripts.map(
        (lines) => lines.filter((line) => line.startsWith('MAIL')).length,
      );
      expect(Math.max(...counts)).toBe(limit);
      expect(to.ledger).toHaveLength(20);
      expect(to.transcripts.slice(0, -1).every((lines) => lines.at(-1) === 'QUIT')).toBe(true);
    }
  });

  test('a connection is used again while it is idle, then says QUIT', async () => {
    const to = await host();
    const engine = mtaTo(to, { idleMs: 100 });
    await run(engine, makeOrder(1));
    await run(engine, makeOrder(1, { firstId: 9n }));
    expect(to.transcripts).toHaveLength(1);
    await expect.poll(() => engine.openConnections()).toBe(0);
    expect(to.transcripts[0]?.at(-1)).toBe('QUIT');
  });

  test('age ends a connection between messages', async () => {
    const to = await host();
    await run(mtaTo(to, { maxConnectionAgeMs: 0 }), makeOrder(5, { maxLanes: 1 }));
    expect(to.transcripts).toHaveLength(5);
  });

  test.each([1, 2])(
    'a receiver that closes after each message, %d lanes: all go',
    async (maxLanes) => {
      const script = on('MAIL', ({ transaction }) => (transaction > 1 ? { close: '' } : undefined));
      const to = await host({ script });
      const order = makeOrder(12, { maxLanes });
      await run(mtaTo(to), order);
      expect(tally(order)).toBe('accepted: 12');
      expect(to.ledger).toHaveLength(12);
    },
  );

  test('a receiver that says 421 after three messages loses nobody', async () => {
    const script = on('MAIL', ({ transaction }) =>
      transaction > 3 ? { close: '421 4.7.0 enough for one connection\r\n' } : undefined,
    );
    const to = await host({ script });
    const order = makeOrder(20, { maxLanes: 2 });
    await run(mtaTo(to), order);
    expect(tally(order)).toBe('accepted: 20');
    // Learned after two connections: the later ones said QUIT in time.
    expect(to.transcripts.filter((lines) => lines.at(-1) === 'QUIT').length).toBeGreaterThan(2);
  });

  test('a receiver that offers PIPELINING and reads one command of a packet gets one at a time', async () => {
    let commands = 0;
    const server = createServer((socket) => {
      let inContent = false;
      socket.on('error', () => undefined);
      socket.write('220 mx.test\r\n');
      socket.on('data', (bytes) => {
        const packet = bytes.toString('latin1');
        commands += 1;
        if (inContent && !packet.endsWith('\r\n.\r\n')) return;
        const verb = inContent ? 'DOT' : packet.slice(0, 4);
        inContent = verb === 'DATA';
        socket.write(
          verb === 'EHLO'
            ? '250-mx.test\r\n250 PIPELINING\r\n'
            : inContent
              ? '354 go\r\n'
              : '250 ok\r\n',
        );
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => new Promise((resolve) => server.close(() => resolve())));
    const { port } = server.address() as AddressInfo;
    const engine = mta({
      routes: allTo(`127.0.0.1:${port}`),
      timeouts: { ...QUICK, rcptMs: 200, quitMs: 1 },
    });
    const first = makeOrder(1);
    await run(engine, first);
    expect(tally(first)).toBe('deferred@rcpt(reply_timeout): 1');
    commands = 0;
    const again = makeOrder(3, { maxLanes: 1 });
    await run(engine, again);
    expect(tally(again)).toBe('accepted: 3');
    expect(commands).toBeGreaterThanOrEqual(1 + 3 * 4);
  });

  test('what is known of a site can be seen', async () => {
    const to = await host({ script: on('RCPT', ({ recipient }) => tooMany(recipient > 2)) });
    const engine = makeMta({ routes: allTo(to.route), idleMs: 60_000 });
    await run(engine, makeOrder(0, { recipients: [5] }));
    expect(engine.sites()).toEqual([
      {
        name: 'x.test',
        requests: 0,
        connections: { dialing: 0, busy: 0, idle: 1, closing: 0 },
        maxRecipients: 2,
        maxMessages: null,
      },
    ]);
    await engine.close();
    expect(engine.sites()).toEqual([]);
  });

  test('a receiver that takes one connection only: the others do not hurt', async () => {
    const to = await host({ accept: () => to.open() <= 1 });
    const order = makeOrder(30);
    await run(mtaTo(to), order);
    expect(tally(order)).toBe('accepted: 30');
  });

  test('a receiver that breaks every connection at MAIL fails the request after three', async () => {
    const to = await host({ script: on('MAIL', { close: '' }) });
    const order = makeOrder(50, { maxLanes: 1 });
    await run(mtaTo(to), order);
    expect(tally(order)).toBe('deferred@mail(connection_lost): 3');
    expect(order.siteFailures).toMatchObject([{ failure: 'connection_lost', mxAddress: to.route }]);
  });

  test('close: requests under way end, connections say QUIT, later requests are refused', async () => {
    const to = await host();
    const engine = makeMta({ routes: allTo(to.route), idleMs: 60_000 });
    const order = makeOrder(40, { maxLanes: 2 });
    const delivered = engine.deliver(order.request);
    await expect.poll(() => order.pulled.length).toBeGreaterThan(0);
    await engine.close();
    await delivered;
    expect(tally(order)).toBe('accepted: 40');
    expect(engine.openConnections()).toBe(0);
    const late = makeOrder(1);
    await engine.deliver(late.request);
    expect(late.siteFailures).toMatchObject([{ failure: 'aborted', result: 'deferred' }]);
    expect(late.pulled).toEqual([]);
    await engine.close();
  });
});

describe('where mail goes', () => {
  async function world(): Promise<{
    dns: Awaited<ReturnType<typeof startDnsServer>>;
    hosts: SmtpHost[];
    engine: (options?: Partial<MtaOptions>) => Mta;
  }> {
    const dns = await startDnsServer();
    cleanups.push(() => dns.close());
    // One port on several addresses, as the MX hosts of the practice range.
    const first = await host({ host: '127.0.0.2' });
    const second = await host({ host: '127.0.0.3', port: first.port });
    dns.add('a.mx.test', 'A', '127.0.0.2');
    dns.add('b.mx.test', 'A', '127.0.0.3');
    dns.add('dead.mx.test', 'A', '127.0.0.4');
    return {
      dns,
      hosts: [first, second],
      engine: (options = {}) => mta({ dnsServer: dns, smtpPort: first.port, ...options }),
    };
  }

  test('the best MX; the next one when it is dead; both addresses of one host', async () => {
    const { dns, hosts, engine } = await world();
    dns.add('x.test', 'MX', { preference: 10, exchange: 'a.mx.test' });
    dns.add('x.test', 'MX', { preference: 20, exchange: 'b.mx.test' });
    dns.add('y.test', 'MX', { preference: 10, exchange: 'dead.mx.test' });
    dns.add('y.test', 'MX', { preference: 20, exchange: 'b.mx.test' });
    dns.add('z.test', 'A', '127.0.0.4');
    dns.add('z.test', 'A', '127.0.0.2');
    const orders = ['x.test', 'y.test', 'z.test'].map((domain, i) =>
      makeOrder(2, { domain, firstId: BigInt(i * 10 + 1) }),
    );
    await run(engine(), ...orders);
    expect(orders.map(tally)).toEqual(['accepted: 2', 'accepted: 2', 'accepted: 2']);
    expect(orders.map(({ outcomes }) => outcomes[0]?.mxHost)).toEqual([
      'a.mx.test',
      'b.mx.test',
      'z.test',
    ]);
    expect(hosts.map(({ ledger }) => ledger.length)).toEqual([4, 2]);
  });

  test('the next MX when the first greets with 421 or 554', async () => {
    for (const greeting of ['421 4.3.2 full', '554 5.7.1 not you']) {
      const dns = await startDnsServer();
      cleanups.push(() => dns.close());
      const bad = await host({ host: '127.0.0.2', script: on('CONNECT', greeting) });
      const good = await host({ host: '127.0.0.3', port: bad.port });
      dns.add('x.test', 'MX', { preference: 1, exchange: 'a.test' });
      dns.add('x.test', 'MX', { preference: 2, exchange: 'b.test' });
      dns.add('a.test', 'A', bad.host);
      dns.add('b.test', 'A', good.host);
      const order = makeOrder(3);
      await run(mta({ dnsServer: dns, smtpPort: bad.port }), order);
      expect(tally(order)).toBe('accepted: 3');
      expect(good.ledger).toHaveLength(3);
    }
  });

  test.each([
    ['no such domain', 'gone.test', 'rejected', 'dns', 'no_such_domain'],
    ['null MX', 'null.test', 'rejected', 'dns', 'null_mx'],
    ['DNS trouble', 'trouble.test', 'deferred', 'dns', 'dns_temporary'],
    ['nobody listens', 'dead.test', 'deferred', 'connect', 'connect_failed'],
  ])('%s: nothing is pulled, the failure is told once', async (_n, domain, result, stage, why) => {
    const { dns, engine } = await world();
    dns.add('null.test', 'MX', { preference: 0, exchange: '.' });
    dns.zone.faults.set('MX trouble.test', 'SERVFAIL');
    dns.add('dead.test', 'MX', { preference: 0, exchange: 'dead.mx.test' });
    const order = makeOrder(5, { domain });
    await run(engine(), order);
    expect(order.pulled).toEqual([]);
    expect(order.siteFailures).toMatchObject([{ result, stage, failure: why, reply: null }]);
  });

  test('many hosts whose addresses nobody tells: half a minute of asking is enough', async () => {
    const { dns, engine } = await world();
    for (let i = 1; i <= 9; i += 1) {
      dns.add('x.test', 'MX', { preference: i, exchange: `m${i}.test` });
      for (const type of ['A', 'AAAA']) dns.zone.faults.set(`${type} m${i}.test`, 'SERVFAIL');
    }
    // As if each question had taken two seconds; three of each of the two of a host.
    const now = (): Date => new Date(dns.asked.length * 2_000);
    const order = makeOrder(5);
    await run(engine({ now }), order);
    expect(order.siteFailures).toMatchObject([{ result: 'deferred', failure: 'dns_temporary' }]);
    const hosts = new Set(dns.asked.map((line) => line.split(' ')[2]));
    expect([...hosts]).toEqual(['x.test', 'm1.test', 'm2.test', 'm3.test']);
  });

  test('domains whose DNS is silent hold no place of the pool: others are served meanwhile', async () => {
    const { dns, hosts, engine } = await world();
    dns.add('x.test', 'MX', { preference: 10, exchange: 'a.mx.test' });
    const dead = Array.from({ length: 6 }, (_, i) => `dead${i}.test`);
    for (const domain of dead) dns.zone.faults.set(`MX ${domain}`, 'silent');
    const small = engine({ maxConnections: 2 });
    let ended = 0;
    const slow = dead.map(async (domain, i) => {
      await run(small, makeOrder(1, { domain, firstId: BigInt(100 + i) }));
      ended += 1;
    });
    await expect.poll(() => dns.asked.length).toBe(dead.length);
    await run(small, makeOrder(20));
    expect(hosts[0]?.ledger).toHaveLength(20);
    expect(ended).toBe(0);
    for (const domain of dead) dns.zone.faults.set(`MX ${domain}`, 'SERVFAIL');
    await Promise.all(slow);
  });

  test('all hosts refuse: the reply is told', async () => {
    const to = await host({ script: on('CONNECT', '554 5.7.1 blocked') });
    const order = makeOrder(5);
    await run(mtaTo(to), order);
    expect(order.siteFailures).toMatchObject([
      { result: 'rejected', stage: 'greeting', reply: { code: 554, enhanced: '5.7.1' } },
    ]);
  });

  test('a dead host costs one probe, until it is forgotten', async () => {
    let connections = 0;
    const to = await host({
      accept: (count) => {
        connections = count;
        return false;
      },
    });
    let shiftMs = 0;
    const engine = mtaTo(to, { now: () => new Date(Date.now() + shiftMs) });
    for (const firstId of [1n, 10n, 20n]) {
      const order = makeOrder(5, { firstId });
      await run(engine, order);
      expect(order.siteFailures).toHaveLength(1);
      expect(order.pulled).toEqual([]);
    }
    expect(connections).toBe(1);
    shiftMs = 61_000;
    await run(engine, makeOrder(1));
    expect(connections).toBe(2);
  });

  test('a host that never greets', async () => {
    const silent = await host({ script: on('CONNECT', null) });
    const order = makeOrder(2);
    await run(mtaTo(silent, { timeouts: { ...QUICK, greetingMs: 100 } }), order);
    expect(order.siteFailures).toMatchObject([{ stage: 'greeting', failure: 'reply_timeout' }]);
  });

  test('a dead best MX is not tried again for every further connection', async () => {
    const { dns, hosts, engine } = await world();
    let refused = 0;
    const bad = await host({
      host: '127.0.0.5',
      port: hosts[0]!.port,
      accept: () => {
        refused += 1;
        return false;
      },
    });
    dns.add('bad.mx.test', 'A', bad.host);
    dns.add('x.test', 'MX', { preference: 10, exchange: 'bad.mx.test' });
    dns.add('x.test', 'MX', { preference: 20, exchange: 'a.mx.test' });
    const order = makeOrder(60);
    await run(engine(), order);
    expect(tally(order)).toBe('accepted: 60');
    expect(hosts[0]!.peak()).toBeGreaterThan(1);
    expect(refused).toBe(1);
  });

  test('over IPv6', async () => {
    const to = await host({ host: '::1' });
    const order = makeOrder(2);
    await run(mtaTo(to), order);
    expect(order.outcomes[0]).toMatchObject({ result: 'accepted', mxAddress: `[::1]:${to.port}` });
  });
});

describe('TLS', () => {
  test('is used when offered, certificate unverified', async () => {
    const to = await host({ tls: await selfSigned() });
    const order = makeOrder(20, { maxLanes: 2 });
    await run(mtaTo(to), order);
    expect(tally(order)).toBe('accepted: 20');
    expect(order.outcomes[0]?.tls).toMatch(/^TLSv1\.[23] \S+$/);
  });

  test('is not, when switched off', async () => {
    const to = await host({ tls: await selfSigned() });
    const order = makeOrder(1);
    await run(mtaTo(to, { tls: { mode: 'none' } }), order);
    expect(order.outcomes[0]).toMatchObject({ result: 'accepted', tls: null });
  });

  test('broken: once more in clear, and remembered for three days', async () => {
    const to = await host({ tls: 'broken' });
    let shiftMs = 0;
    const engine = mtaTo(to, { now: () => new Date(Date.now() + shiftMs), idleMs: 1 });
    const attempts = (): number => to.transcripts.flat().filter((l) => l === 'STARTTLS').length;
    const order = makeOrder(4, { maxLanes: 1 });
    await run(engine, order);
    expect(tally(order)).toBe('accepted: 4');
    expect(order.outcomes[0]?.tls).toBe(null);
    expect(attempts()).toBe(1);
    await expect.poll(() => engine.openConnections()).toBe(0);
    await run(engine, makeOrder(1));
    expect(attempts()).toBe(1);
    await expect.poll(() => engine.openConnections()).toBe(0);
    shiftMs = 3 * 86_400_000 - 600_000;
    await run(engine, makeOrder(1));
    expect(attempts()).toBe(1);
    await expect.poll(() => engine.openConnections()).toBe(0);
    shiftMs = 3 * 86_400_000 + 1;
    await run(engine, makeOrder(1));
    expect(attempts()).toBe(2);
  });

  test('required: never in clear, certificate unverified', async () => {
    const good = await host({ tls: await selfSigned() });
    const order = makeOrder(2);
    await run(mtaTo(good, { tls: { mode: 'required' } }), order);
    expect(tally(order)).toBe('accepted: 2');
    for (const tls of [undefined, 'broken'] as const) {
      const bad = await host(tls === undefined ? {} : { tls });
      const refused = makeOrder(2);
      await run(mtaTo(bad, { tls: { mode: 'required' } }), refused);
      expect(refused.siteFailures).toMatchObject([{ stage: 'starttls', failure: 'tls_failed' }]);
      expect(bad.transcripts.flat().join()).not.toContain('MAIL');
    }
  });

  test('verified: the certificate must be for the MX host, from an authority we trust', async () => {
    const { context, ca } = await certificateFor('mx.test');
    const to = await host({ host: '127.0.0.2', tls: context });
    const dns = await startDnsServer();
    cleanups.push(() => dns.close());
    dns.add('x.test', 'MX', { preference: 1, exchange: 'mx.test' });
    dns.add('y.test', 'MX', { preference: 1, exchange: 'other.test' });
    dns.add('mx.test', 'A', to.host);
    dns.add('other.test', 'A', to.host);
    const engine = (trusted?: string): Mta =>
      mta({
        dnsServer: dns,
        smtpPort: to.port,
        tls: { mode: 'verified', ...(trusted === undefined ? {} : { ca: trusted }) },
      });
    const good = makeOrder(1);
    await run(engine(ca), good);
    expect(tally(good)).toBe('accepted: 1');
    for (const [one, domain] of [
      [engine(), 'x.test'],
      [engine(ca), 'y.test'],
    ] as const) {
      const refused = makeOrder(1, { domain });
      await run(one, refused);
      expect(refused.siteFailures).toMatchObject([{ failure: 'certificate_unverified' }]);
    }
    expect(to.ledger).toHaveLength(1);
  });

  test('required by the message: its own connections, REQUIRETLS in MAIL; 5.7.30 when not offered', async () => {
    const { context, ca } = await certificateFor('mx.test');
    const dns = await startDnsServer();
    cleanups.push(() => dns.close());
    // REQUIRETLS wants to know who the MX host is: DNSSEC says so.
    for (const name of ['true.test', 'false.test']) dns.zone.secure.add(name);
    for (const offered of [true, false]) {
      const extensions = offered ? [...ALL_EXTENSIONS, 'REQUIRETLS'] : ALL_EXTENSIONS;
      const to = await host({ host: '127.0.0.2', tls: context, extensions });
      const domain = `${offered}.test`;
      dns.add(domain, 'MX', { preference: 1, exchange: 'mx.test' });
      if (!dns.zone.records.has('A mx.test')) dns.add('mx.test', 'A', to.host);
      const engine = mta({
        dnsServer: dns,
        smtpPort: to.port,
        tls: { mode: 'opportunistic', ca },
      });
      const strict = makeOrder(2, { domain, protection: 'required' });
      const usual = makeOrder(2, { domain });
      await Promise.all([run(engine, strict), run(engine, usual)]);
      expect(tally(usual)).toBe('accepted: 2');
      const asked = to.ledger.filter(({ mail }) => mail.includes('REQUIRETLS'));
      expect(asked).toHaveLength(offered ? 2 : 0);
      if (offered) expect(tally(strict)).toBe('accepted: 2');
      else {
        expect(strict.siteFailures).toMatchObject([
          { result: 'rejected', failure: 'requiretls_unsupported' },
        ]);
      }
    }
  });

  test('commands injected before TLS are not believed', async () => {
    const script = on('STARTTLS', {
      raw: Buffer.from('220 go\r\n250-mx\r\n250 SIZE 1\r\n'),
    });
    const to = await host({ tls: await selfSigned(), script });
    const order = makeOrder(1);
    await run(mtaTo(to), order);
    // In clear then, on a new connection, with what that one said.
    expect(order.outcomes[0]).toMatchObject({ result: 'accepted', tls: null });
    expect(to.transcripts).toHaveLength(2);
  });
});
