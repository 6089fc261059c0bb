/**
 * Mail under the policies of its domains: real DNS packets, real HTTPS, real SMTP with real TLS, and
 * certificates of an authority made for the test.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Certificate } from '../../../src/kernel/certificate.ts';
import type { MtaOptions } from '../../../src/mta/deliver.ts';
import type { StsSetup } from '../../../src/mta/dialer.ts';
import { createRoutes } from '../../../src/mta/routes.ts';
import { PLAIN_SESSION } from '../../../src/mta/transport.ts';
import { publicKeyBytes } from '../../../src/mta/tls/certificate.ts';
import type { TlsResult } from '../../../src/mta/tls/report.ts';
import type { TlsMode } from '../../../src/mta/session.ts';
import type { Mta } from '../../../src/mta/transaction.ts';
import { startDnsServer } from '../dns-server.ts';
import type { DnsTestServer } from '../dns-server.ts';
import { makeMta, makeOrder, tally } from '../orders.ts';
import type { Order, OrderOptions } from '../orders.ts';
import { startSmtpHost } from '../smtp-host.ts';
import type { SmtpHost, SmtpHostOptions } from '../smtp-host.ts';
import { authority, policyText, startStsHost } from './sts-host.ts';

const OLD = { from: new Date('2001-01-01'), to: new Date('2002-01-01') };
let dns: DnsTestServer;
let results: TlsResult[];
let cleanups: (() => Promise<unknown>)[];
let smtpPort: number;

beforeEach(async () => {
  dns = await startDnsServer();
  results = [];
  cleanups = [() => dns.close()];
  smtpPort = 0;
});
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

const contextOf = ({ key, cert }: Certificate) => createSecureContext({ key, cert });

/** A host on an address of its own, all on one port, as MX hosts are. */
async function host(
  name: string,
  address: string,
  options: SmtpHostOptions = {},
): Promise<SmtpHost> {
  const made = await startSmtpHost({ host: address, port: smtpPort, ...options });
  smtpPort = made.port;
  cleanups.push(() => made.close());
  dns.add(name, 'A', address);
  return made;
}

function mx(domain: string, ...hosts: string[]): void {
  for (const [i, exchange] of hosts.entries()) {
    dns.add(domain, 'MX', { preference: i, exchange });
  }
}

interface Setup {
  mode?: TlsMode;
  sts?: StsSetup;
  dane?: boolean;
  options?: Partial<MtaOptions>;
}

function engine({ mode = 'opportunistic', sts, dane, options }: Setup = {}): Mta {
  const made = makeMta({
    dnsServer: dns,
    smtpPort,
    allowPrivateMx: true,
    tls: {
      mode,
      ca: authority.cert,
      report: (result) => void results.push(result),
      ...(sts === undefined ? {} : { sts }),
      ...(dane === undefined ? {} : { dane }),
    },
    ...options,
  });
  cleanups.push(() => made.close());
  return made;
}

async function send(by: Mta, options: OrderOptions = {}): Promise<Order> {
  const order = makeOrder(1, options);
  await by.deliver(order.request);
  return order;
}
const failureOf = ({ siteFailures: [failure] }: Order) =>
  `${failure?.result} ${failure?.failure ?? failure?.reply?.code} ${failure?.tlsProblem?.type ?? ''}`.trim();
const reports = () =>
  results.map(({ policy, mxHost, problem }) => `${policy.type} ${mxHost} ${problem?.type ?? 'ok'}`);

/** Publishes a policy for these domains, and answers the engine's setup for it. */
async function publish(text: string, ...domains: string[]): Promise<StsSetup> {
  const web = await startStsHost(domains);
  cleanups.push(() => web.close());
  web.text = text;
  for (const domain of domains) {
    dns.add(`_mta-sts.${domain}`, 'TXT', 'v=STSv1; id=1;');
    dns.add(`mta-sts.${domain}`, 'A', '127.0.0.1');
  }
  return { known: [], save: async () => undefined, port: web.port };
}

describe('MTA-STS', () => {
  const context = contextOf(authority.issue(['mx.x.test']));
  const strange = contextOf(authority.issue(['other.test']));

  test('enforce: mail goes to a host of the policy with a good certificate', async () => {
    mx('x.test', 'mx.x.test');
    await host('mx.x.test', '127.0.0.1', { tls: context });
    const sts = await publish(policyText('enforce', ['*.x.test']), 'x.test');
    const order = await send(engine({ sts }));
    expect(tally(order)).toBe('accepted: 1');
    expect(order.outcomes[0]).toMatchObject({ tlsPolicy: 'sts', tlsVerified: true });
    expect(order.outcomes[0]?.tls).toMatch(/^TLSv1\.3 /);
    expect(reports()).toEqual(['sts mx.x.test ok']);
    expect(results[0]).toMatchObject({
      policy: { domain: 'x.test', mxHosts: ['*.x.test'] },
      receivingIp: '127.0.0.1',
      sendingIp: '127.0.0.1',
    });
    expect(results[0]?.policy.strings).toEqual([
      'version: STSv1',
      'mode: enforce',
      'mx: *.x.test',
      'max_age: 86400',
    ]);
  });

  test.each<[string, SmtpHostOptions, string]>([
    ['a certificate for another name', { tls: strange }, 'certificate-host-mismatch'],
    [
      'an expired certificate',
      { tls: contextOf(authority.issue(['mx.x.test'], OLD)) },
      'certificate-expired',
    ],
    ['broken TLS', { tls: 'broken' }, 'validation-failure'],
    ['no STARTTLS', {}, 'starttls-not-supported'],
  ])('enforce: nothing goes over %s, and it is tried again later', async (_name, options, type) => {
    mx('x.test', 'mx.x.test');
    const to = await host('mx.x.test', '127.0.0.1', options);
    const sts = await publish(policyText('enforce', ['mx.x.test']), 'x.test');
    const order = await send(engine({ sts }));
    expect(failureOf(order)).toMatch(
      new RegExp(`^deferred (?:tls_failed|certificate_unverified) ${type}$`),
    );
    expect(to.transcripts.flat().join()).not.toContain('MAIL');
    expect(reports()).toEqual([`sts mx.x.test ${type}`]);
  });

  test('enforce: a host that the policy does not name is not even spoken to', async () => {
    mx('x.test', 'mx.evil.test', 'mx.x.test');
    const evil = await host('mx.evil.test', '127.0.0.1', {
      tls: contextOf(authority.issue(['mx.evil.test'])),
    });
    const good = await host('mx.x.test', '127.0.0.2', { tls: context });
    const sts = await publish(policyText('enforce', ['mx.x.test']), 'x.test');
    const order = await send(engine({ sts }));
    expect(tally(order)).toBe('accepted: 1');
    expect(evil.transcripts).toEqual([]);
    expect(good.ledger).toHaveLength(1);
    expect(reports()).toEqual(['sts mx.evil.test validation-failure', 'sts mx.x.test ok']);
  });

  test('enforce: with no host of the policy left the mail waits', async () => {
    mx('x.test', 'mx.evil.test');
    await host('mx.evil.test', '127.0.0.1');
    const sts = await publish(policyText('enforce', ['mx.x.test']), 'x.test');
    expect(failureOf(await send(engine({ sts })))).toBe(
      'deferred sts_mx_mismatch validation-failure',
    );
  });

  test.each<[string, SmtpHostOptions, string, string]>([
    ['another name', { tls: strange }, 'mx.x.test', 'certificate-host-mismatch'],
    ['no TLS', {}, 'mx.x.test', 'starttls-not-supported'],
    ['broken TLS', { tls: 'broken' }, 'mx.x.test', 'validation-failure'],
    ['a host not named', { tls: context }, 'mx2.x.test', 'validation-failure'],
  ])('testing: %s is reported, and the mail goes', async (_name, options, named, type) => {
    mx('x.test', 'mx.x.test');
    await host('mx.x.test', '127.0.0.1', options);
    const sts = await publish(policyText('testing', [named]), 'x.test');
    const order = await send(engine({ sts }));
    expect(tally(order)).toBe('accepted: 1');
    expect(order.outcomes[0]?.tlsPolicy).toBe('sts');
    expect(reports()).toEqual([`sts mx.x.test ${type}`]);
  });

  test('none, and no policy at all: as ever', async () => {
    mx('x.test', 'mx.x.test');
    mx('y.test', 'mx.x.test');
    await host('mx.x.test', '127.0.0.1', { tls: strange });
    const sts = await publish(policyText('none', []), 'x.test');
    const by = engine({ sts });
    for (const domain of ['x.test', 'y.test']) {
      const order = await send(by, { domain });
      expect(tally(order)).toBe('accepted: 1');
      expect(order.outcomes[0]).toMatchObject({ tlsVerified: false });
      expect(order.outcomes[0]).not.toHaveProperty('tlsPolicy');
    }
    expect(reports()).toEqual(['no-policy-found mx.x.test ok', 'no-policy-found mx.x.test ok']);
  });

  test('a policy that cannot be fetched: the mail goes, the domain hears of it', async () => {
    mx('x.test', 'mx.x.test');
    await host('mx.x.test', '127.0.0.1', { tls: context });
    const sts = await publish('nonsense', 'x.test');
    expect(tally(await send(engine({ sts })))).toBe('accepted: 1');
    expect(reports()).toEqual(['sts mx.x.test sts-policy-invalid']);
  });

  test('one domain that enforces does not stop another one at the same host', async () => {
    mx('strict.test', 'mx.shared.test');
    mx('loose.test', 'mx.shared.test');
    const to = await host('mx.shared.test', '127.0.0.1', { tls: strange });
    const sts = await publish(policyText('enforce', ['mx.shared.test']), 'strict.test');
    const by = engine({ sts });
    for (let i = 0; i < 2; i += 1) {
      const strict = await send(by, { domain: 'strict.test' });
      expect(failureOf(strict)).toContain('certificate_unverified');
      expect(tally(await send(by, { domain: 'loose.test' }))).toBe('accepted: 1');
    }
    expect(to.ledger.map(({ recipients }) => recipients[0])).toEqual([
      'r1@loose.test',
      'r1@loose.test',
    ]);
  });

  test('a mode that the operator gives a route is the last word; a smart host knows no policy', async () => {
    mx('x.test', 'mx.x.test');
    const to = await host('mx.x.test', '127.0.0.1', { tls: strange });
    const sts = await publish(policyText('enforce', ['mx.x.test']), 'x.test');
    const needs = { ...PLAIN_SESSION, tls: 'opportunistic' as const };
    for (const transport of [
      { type: 'smtp', to: null, ...needs },
      { type: 'smtp', to: { host: to.host, port: to.port }, ...PLAIN_SESSION },
    ] as const) {
      const routes = createRoutes([{ id: 'r', pattern: 'x.test', transport, pool: null }]);
      expect(tally(await send(engine({ sts, options: { routes } })))).toBe('accepted: 1');
    }
    expect(results).toEqual([]);
  });

  test('mail that waives policies arrives (reports about broken TLS must)', async () => {
    mx('x.test', 'mx.x.test');
    await host('mx.x.test', '127.0.0.1', { tls: strange });
    const sts = await publish(policyText('enforce', ['mx.x.test']), 'x.test');
    expect(tally(await send(engine({ sts }), { protection: 'waived' }))).toBe('accepted: 1');
  });
});

describe('DANE', () => {
  const issued = authority.issue(['mx.x.test']);
  const leaf = new X509Certificate(issued.cert);
  const keyHash = createHash('sha256').update(publicKeyBytes(leaf)).digest();

  function tlsa(name: string, usage: number, selector: number, type: number, data: Buffer): void {
    dns.add(`_${smtpPort}._tcp.${name}`, 'TLSA', {
      usage,
      selector,
      matchingType: type,
      certificate: data,
    });
  }
  const secure = (...names: string[]) => names.forEach((name) => dns.zone.secure.add(name));

  test('a key that matches: verified, no authority is asked', async () => {
    mx('x.test', 'mx.x.test');
    secure('x.test');
    await host('mx.x.test', '127.0.0.1', { tls: contextOf(issued) });
    tlsa('mx.x.test', 3, 1, 1, keyHash);
    const by = engine({
      options: { tls: { mode: 'opportunistic', report: (r) => void results.push(r) } },
    });
    const order = await send(by);
    expect(tally(order)).toBe('accepted: 1');
    expect(order.outcomes[0]).toMatchObject({ tlsPolicy: 'dane', tlsVerified: true });
    expect(reports()).toEqual(['tlsa mx.x.test ok']);
    expect(results[0]?.policy.strings).toEqual([`3 1 1 ${keyHash.toString('hex')}`]);
  });

  test('a key that does not: the mail waits, and never goes in clear', async () => {
    mx('x.test', 'mx.x.test');
    secure('x.test');
    const to = await host('mx.x.test', '127.0.0.1', { tls: contextOf(issued) });
    tlsa('mx.x.test', 3, 1, 1, Buffer.alloc(32, 7));
    expect(failureOf(await send(engine()))).toBe(
      'deferred certificate_unverified validation-failure',
    );
    expect(to.transcripts.flat().join()).not.toContain('MAIL');
    expect(reports()).toEqual(['tlsa mx.x.test validation-failure']);
  });

  test('STARTTLS stripped by somebody in the middle: the mail waits', async () => {
    mx('x.test', 'mx.x.test');
    secure('x.test');
    const to = await host('mx.x.test', '127.0.0.1');
    tlsa('mx.x.test', 3, 1, 1, keyHash);
    expect(failureOf(await send(engine()))).toBe('deferred tls_failed starttls-not-supported');
    expect(to.transcripts.flat().join()).not.toContain('MAIL');
  });

  test('a trust anchor: the name counts, the domain itself will do', async () => {
    const root = new X509Certificate(authority.cert);
    const anchor = createHash('sha256').update(publicKeyBytes(root)).digest();
    const withRoot = (names: [string, ...string[]]) => {
      const { key, cert } = authority.issue(names);
      return contextOf({ key, cert: cert + authority.cert });
    };
    mx('x.test', 'mx.x.test', 'mx2.x.test', 'mx3.x.test');
    secure('x.test');
    const wrong = await host('mx.x.test', '127.0.0.1', { tls: withRoot(['other.test']) });
    const right = await host('mx2.x.test', '127.0.0.2', { tls: withRoot(['x.test']) });
    for (const name of ['mx.x.test', 'mx2.x.test']) tlsa(name, 2, 1, 1, anchor);
    expect(tally(await send(engine()))).toBe('accepted: 1');
    expect([wrong.ledger.length, right.ledger.length]).toEqual([0, 1]);
    expect(reports()).toEqual(['tlsa mx.x.test certificate-host-mismatch', 'tlsa mx2.x.test ok']);
  });

  test('SNI is the name that the records belong to', async () => {
    const asked: string[] = [];
    mx('x.test', 'mx.x.test');
    secure('x.test');
    dns.zone.records.set('CNAME mx.x.test', [
      { name: 'mx.x.test', type: 'CNAME', data: 'real.x.test', ttl: 300 },
    ]);
    dns.zone.names.add('mx.x.test');
    await host('real.x.test', '127.0.0.1', {
      tls: contextOf(issued),
      onServerName: (name) => void asked.push(name),
    });
    tlsa('real.x.test', 3, 1, 1, keyHash);
    expect(tally(await send(engine()))).toBe('accepted: 1');
    expect(asked).toEqual(['real.x.test']);
  });

  test('records that are all unusable: encrypted, whoever it is', async () => {
    mx('x.test', 'mx.x.test', 'mx2.x.test');
    secure('x.test');
    const clear = await host('mx.x.test', '127.0.0.1');
    await host('mx2.x.test', '127.0.0.2', { tls: contextOf(authority.issue(['other.test'])) });
    for (const name of ['mx.x.test', 'mx2.x.test']) tlsa(name, 1, 1, 1, keyHash);
    const order = await send(engine());
    expect(tally(order)).toBe('accepted: 1');
    expect(order.outcomes[0]).toMatchObject({
      mxHost: 'mx2.x.test',
      tlsPolicy: 'dane',
      tlsVerified: false,
    });
    expect(clear.ledger).toEqual([]);
  });

  test.each([
    ['the MX records', ['mx.y.test', '_tcp.mx.y.test']],
    ['the address', ['x.test']],
  ])('without DNSSEC for %s nobody asks for TLSA', async (_name, signed) => {
    mx('x.test', 'mx.y.test');
    secure(...signed);
    await host('mx.y.test', '127.0.0.1', { tls: contextOf(issued) });
    tlsa('mx.y.test', 3, 1, 1, Buffer.alloc(32));
    expect(tally(await send(engine()))).toBe('accepted: 1');
    expect(dns.asked.filter((line) => line.includes('TLSA'))).toEqual([]);
  });

  test('a TLSA answer that fails (bogus, or held back) keeps us from the host', async () => {
    mx('x.test', 'mx.x.test');
    secure('x.test');
    const to = await host('mx.x.test', '127.0.0.1', { tls: contextOf(issued) });
    dns.zone.faults.set(`TLSA _${smtpPort}._tcp.mx.x.test`, 'SERVFAIL');
    expect(failureOf(await send(engine()))).toBe('deferred dns_temporary dnssec-invalid');
    expect(to.transcripts).toEqual([]);
    expect(reports()).toEqual(['tlsa mx.x.test dnssec-invalid']);
  });

  test('a TLSA answer that is not signed is none', async () => {
    mx('x.test', 'mx.x.test');
    secure('mx.x.test');
    dns.zone.secure.add('x.test');
    await host('mx.x.test', '127.0.0.1', { tls: contextOf(issued) });
    tlsa('mx.x.test', 3, 1, 1, Buffer.alloc(32));
    dns.zone.insecure.add('_tcp.mx.x.test');
    const order = await send(engine());
    expect(tally(order)).toBe('accepted: 1');
    expect(order.outcomes[0]).not.toHaveProperty('tlsPolicy');
  });

  test('wins over MTA-STS, both ways', async () => {
    mx('x.test', 'mx.x.test');
    secure('x.test');
    await host('mx.x.test', '127.0.0.1', { tls: contextOf(issued) });
    tlsa('mx.x.test', 3, 1, 1, keyHash);
    // The policy names another host, and would keep us from this one.
    const sts = await publish(policyText('enforce', ['other.x.test']), 'x.test');
    const order = await send(engine({ sts }));
    expect(order.outcomes[0]).toMatchObject({ result: 'accepted', tlsPolicy: 'dane' });

    mx('y.test', 'mx.y.test');
    secure('y.test');
    const other = await host('mx.y.test', '127.0.0.2', {
      tls: contextOf(authority.issue(['mx.y.test'])),
    });
    tlsa('mx.y.test', 3, 1, 1, Buffer.alloc(32));
    const good = await publish(policyText('enforce', ['mx.y.test']), 'y.test');
    expect(failureOf(await send(engine({ sts: good }), { domain: 'y.test' }))).toContain(
      'deferred',
    );
    expect(other.ledger).toEqual([]);
  });

  test('is not asked for when the operator has switched it, or TLS, off', async () => {
    mx('x.test', 'mx.x.test');
    secure('x.test');
    await host('mx.x.test', '127.0.0.1', { tls: contextOf(issued) });
    tlsa('mx.x.test', 3, 1, 1, Buffer.alloc(32));
    for (const setup of [{ dane: false }, { mode: 'none' as const }]) {
      expect(tally(await send(engine(setup)))).toBe('accepted: 1');
    }
    expect(dns.asked.filter((line) => line.includes('TLSA'))).toEqual([]);
  });

  test('verified by the operator: DANE vouches where it can, an authority elsewhere', async () => {
    mx('x.test', 'mx.x.test');
    mx('y.test', 'mx.y.test');
    secure('x.test');
    const selfMade = contextOf(authority.issue(['elsewhere.test']));
    await host('mx.x.test', '127.0.0.1', { tls: contextOf(issued) });
    await host('mx.y.test', '127.0.0.2', { tls: selfMade });
    tlsa('mx.x.test', 3, 1, 1, keyHash);
    const by = engine({ mode: 'verified' });
    expect(tally(await send(by))).toBe('accepted: 1');
    expect(failureOf(await send(by, { domain: 'y.test' }))).toContain('certificate_unverified');
  });
});

describe('REQUIRETLS', () => {
  const requiring = { extensions: ['PIPELINING', 'REQUIRETLS'] };

  test('an MX host that only plain DNS names is not trusted: 5.7.10', async () => {
    mx('x.test', 'mx.x.test');
    const to = await host('mx.x.test', '127.0.0.1', {
      ...requiring,
      tls: contextOf(authority.issue(['mx.x.test'])),
    });
    const order = await send(engine(), { protection: 'required' });
    expect(failureOf(order)).toBe('rejected encryption_needed');
    expect(to.transcripts).toEqual([]);
  });

  test('while nobody can say whether there is a policy the mail waits', async () => {
    mx('x.test', 'mx.x.test');
    await host('mx.x.test', '127.0.0.1', {
      ...requiring,
      tls: contextOf(authority.issue(['mx.x.test'])),
    });
    const sts = await publish(policyText('testing', ['mx.x.test']), 'x.test');
    dns.zone.faults.set('TXT _mta-sts.x.test', 'SERVFAIL');
    const order = await send(engine({ sts }), { protection: 'required' });
    expect(failureOf(order)).toBe('deferred dns_temporary');
  });

  test('an MTA-STS policy, testing too, names the host', async () => {
    mx('x.test', 'mx.x.test');
    const to = await host('mx.x.test', '127.0.0.1', {
      ...requiring,
      tls: contextOf(authority.issue(['mx.x.test'])),
    });
    const sts = await publish(policyText('testing', ['mx.x.test']), 'x.test');
    expect(tally(await send(engine({ sts }), { protection: 'required' }))).toBe('accepted: 1');
    expect(to.ledger[0]?.mail).toContain('REQUIRETLS');
  });

  test('a host without it is passed over for one that has it', async () => {
    const context = contextOf(authority.issue(['mx.x.test', 'mx2.x.test']));
    mx('x.test', 'mx.x.test', 'mx2.x.test');
    await host('mx.x.test', '127.0.0.1', { tls: context });
    const second = await host('mx2.x.test', '127.0.0.2', { ...requiring, tls: context });
    const sts = await publish(policyText('enforce', ['*.x.test']), 'x.test');
    expect(tally(await send(engine({ sts }), { protection: 'required' }))).toBe('accepted: 1');
    expect(second.ledger).toHaveLength(1);
  });

  test('a certificate that does not verify is never good enough', async () => {
    mx('x.test', 'mx.x.test');
    await host('mx.x.test', '127.0.0.1', {
      ...requiring,
      tls: contextOf(authority.issue(['other.test'])),
    });
    const sts = await publish(policyText('testing', ['mx.x.test']), 'x.test');
    const order = await send(engine({ sts }), { protection: 'required' });
    expect(failureOf(order)).toContain('deferred certificate_unverified');
  });
});
