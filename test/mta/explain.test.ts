/** What the engine says of a domain is what it does. */
import { afterEach, expect, test } from 'vitest';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import { createPools } from '../../src/mta/source.ts';
import { PLAIN_SESSION } from '../../src/mta/transport.ts';
import { startDnsServer } from './dns-server.ts';
import { makeMta, makeOrder } from './orders.ts';
import { startSmtpHost } from './smtp-host.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('MX hosts in order, their addresses, what is refused, and what was learned', async () => {
  const dns = await startDnsServer();
  const to = await startSmtpHost({
    script: ({ verb, recipient }) =>
      verb === 'RCPT' && recipient > 2 ? '452 4.5.3 too many recipients' : undefined,
  });
  cleanups.push(
    () => dns.close(),
    () => to.close(),
  );
  dns.add('x.test', 'MX', { preference: 20, exchange: 'b.test' });
  dns.add('x.test', 'MX', { preference: 10, exchange: 'a.test' });
  dns.add('a.test', 'A', to.host);
  dns.add('null.test', 'MX', { preference: 0, exchange: '.' });
  const engine = makeMta({
    dnsServer: dns,
    smtpPort: to.port,
    ownListeners: () => [{ host: '127.0.0.9', port: to.port }],
  });
  cleanups.push(() => engine.close());
  dns.add('b.test', 'A', '127.0.0.9');
  await engine.deliver(makeOrder(0, { recipients: [5] }).request);

  expect(await engine.explain('x.test')).toMatchObject({
    rule: null,
    transport: 'smtp',
    target: null,
    tls: 'opportunistic',
    hosts: [
      { name: 'a.test', preference: 10, addresses: [{ address: to.host, note: null }] },
      { name: 'b.test', addresses: [{ note: 'we listen there ourselves: a loop' }] },
    ],
    failure: null,
    limits: { maxConnections: 10, maxRecipients: 2 },
  });
  expect(await engine.explain('null.test')).toMatchObject({
    hosts: [],
    failure: { code: 'null_mx', permanent: true },
  });
});

test('private addresses are named as the reason', async () => {
  const dns = await startDnsServer();
  cleanups.push(() => dns.close());
  dns.add('x.test', 'MX', { preference: 10, exchange: 'a.test' });
  dns.add('a.test', 'A', '10.0.0.1');
  const engine = makeMta({ dnsServer: dns, allowPrivateMx: false });
  cleanups.push(() => engine.close());
  const { hosts } = await engine.explain('x.test');
  expect(hosts).toMatchObject([
    { addresses: [], note: expect.stringContaining('public') as string },
  ]);
});

test('a rule, its pool and its sources, no secret; which source is out until when', async () => {
  const login = { mechanism: null, user: 'volley', secret: 'geheim' };
  const source = { heloName: null, weight: 1, proxy: null };
  const engine = makeMta({
    routes: createRoutes([
      ...staticRules({ 'fixed.test': '127.0.0.1:26' }),
      {
        id: 'rte_1',
        pattern: '*.test',
        transport: {
          type: 'smarthost',
          to: { host: '127.0.0.1', port: 1 },
          ...PLAIN_SESSION,
          implicitTls: true,
          login,
        },
        pool: 'ips',
      },
      {
        id: 'rte_2',
        pattern: 'kept.test',
        transport: { type: 'file', directory: '/m' },
        pool: null,
      },
    ]),
    pools: createPools(
      new Map([
        [
          'ips',
          [
            { ...source, id: 'four', address: '192.0.2.7' },
            { ...source, id: 'six', address: '::1', heloName: 'six.test' },
          ],
        ],
      ]),
    ),
  });
  cleanups.push(() => engine.close());
  await engine.deliver(makeOrder(1, { domain: 'a.test' }).request);
  const explained = await engine.explain('a.test');
  expect(explained).toMatchObject({
    rule: { id: 'rte_1', pattern: '*.test' },
    transport: 'smarthost',
    target: '127.0.0.1:1',
    tls: 'required, from the first byte',
    loginUser: 'volley',
    pool: 'ips',
    sources: [
      { id: 'four', heloName: 'client.test', droppedUntilMs: expect.any(Number) as number },
      { id: 'six', heloName: 'six.test', droppedUntilMs: null },
    ],
  });
  expect(JSON.stringify(explained)).not.toContain('geheim');
  expect(await engine.explain('fixed.test')).toMatchObject({
    rule: { id: 'static', pattern: 'fixed.test' },
    hosts: [{ name: '127.0.0.1', port: 26, preference: null }],
    pool: null,
  });
  expect(await engine.explain('kept.test')).toMatchObject({
    transport: 'file',
    target: '/m',
    tls: null,
    hosts: [],
  });
});
