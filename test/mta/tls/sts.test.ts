/** Policies as they are fetched, kept and given up: real DNS packets, real HTTPS, the test's clock. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAuthority } from '../../../src/kernel/certificate.ts';
import { createDnsClient } from '../../../src/mta/dns.ts';
import type { StsPolicy } from '../../../src/mta/tls/sts-policy.ts';
import { createStsPolicies } from '../../../src/mta/tls/sts.ts';
import type { StsPolicies } from '../../../src/mta/tls/sts.ts';
import { startDnsServer } from '../dns-server.ts';
import type { DnsTestServer } from '../dns-server.ts';
import { policyText, startStsHost } from './sts-host.ts';
import type { StsHost } from './sts-host.ts';

const DAY_MS = 86_400_000;
let dns: DnsTestServer;
let web: StsHost;
let saved: StsPolicy[];
let nowMs: number;

beforeEach(async () => {
  dns = await startDnsServer();
  web = await startStsHost(['x.test']);
  web.text = policyText('enforce', ['mx.x.test']);
  saved = [];
  nowMs = Date.parse('2026-03-01T00:00:00Z');
});
afterEach(async () => {
  await dns.close();
  await web.close();
});

function policies(known: readonly StsPolicy[] = []): StsPolicies {
  return createStsPolicies({
    dns: createDnsClient({ servers: [dns], timeoutMs: 300, attempts: 1 }),
    fetch: (domain) => web.fetch(domain),
    known,
    save: async (policy) => void saved.push(policy),
    now: () => new Date(nowMs),
  });
}

function announce(id: string): void {
  dns.zone.records.delete('TXT _mta-sts.x.test');
  dns.add('_mta-sts.x.test', 'TXT', `v=STSv1; id=${id};`, 60);
}

test('a domain without a record is not asked for a policy', async () => {
  expect(await policies().policyOf('x.test')).toEqual({
    policy: null,
    problem: null,
    isKnown: true,
  });
  expect(web.asked).toEqual([]);
});

test('a policy is fetched once, saved, and known again after a restart', async () => {
  announce('1');
  const sts = policies();
  const found = await Promise.all([sts.policyOf('x.test'), sts.policyOf('x.test')]);
  for (const { policy } of found) expect(policy).toMatchObject({ mode: 'enforce', id: '1' });
  expect(web.asked).toEqual([`mta-sts.x.test:${web.port}/.well-known/mta-sts.txt`]);
  expect(saved).toHaveLength(1);

  const again = policies(saved);
  expect((await again.policyOf('x.test')).policy).toEqual(saved[0]);
  expect(web.asked).toHaveLength(1);
});

test('a policy outlives its record and its server, until it expires', async () => {
  announce('1');
  const sts = policies();
  await sts.policyOf('x.test');
  dns.zone.records.clear();
  dns.zone.names.clear();
  await web.close();
  nowMs += DAY_MS - 1;
  expect((await sts.policyOf('x.test')).policy?.mode).toBe('enforce');
  nowMs += 2;
  expect((await sts.policyOf('x.test')).policy).toBe(null);
});

describe('a policy of no life (max_age 0)', () => {
  beforeEach(() => {
    announce('1');
    web.text = policyText('enforce', ['mx.x.test'], 0);
  });

  test('is in force, and fetched once in five minutes', async () => {
    const sts = policies();
    for (let second = 0; second < 300; second += 30) {
      expect((await sts.policyOf('x.test')).policy?.mode).toBe('enforce');
      nowMs += 30_000;
    }
    expect(web.asked).toHaveLength(1);
    expect((await sts.policyOf('x.test')).policy?.mode).toBe('enforce');
    expect(web.asked).toHaveLength(2);
  });

  test('is not in force when it could not be fetched again', async () => {
    const sts = policies();
    expect((await sts.policyOf('x.test')).policy?.mode).toBe('enforce');
    web.text = 'nonsense';
    nowMs += 300_000;
    const { policy, problem } = await sts.policyOf('x.test');
    expect([policy, problem?.type]).toEqual([null, 'sts-policy-invalid']);
  });

  test('is not in force when another id is announced and its fetch fails', async () => {
    const sts = policies();
    await sts.policyOf('x.test');
    announce('2');
    web.text = 'nonsense';
    nowMs += 61_000;
    // The old record is still the answer, and the new one looked up behind it.
    await sts.policyOf('x.test');
    await expect.poll(async () => (await sts.policyOf('x.test')).policy).toBe(null);
    expect(web.asked).toHaveLength(2);
  });

  test('is not in force when its record has gone', async () => {
    const sts = policies();
    await sts.policyOf('x.test');
    dns.zone.records.clear();
    nowMs += 61_000;
    await sts.policyOf('x.test');
    await expect.poll(async () => (await sts.policyOf('x.test')).policy).toBe(null);
    expect(web.asked).toHaveLength(1);
  });
});

test('after a restart without DNS the policy of the last run holds', async () => {
  announce('1');
  await policies().policyOf('x.test');
  dns.zone.faults.set('TXT _mta-sts.x.test', 'SERVFAIL');
  expect((await policies(saved).policyOf('x.test')).policy?.mode).toBe('enforce');
});

test('a new id has it fetched anew, and nobody waits for that', async () => {
  announce('1');
  const sts = policies();
  await sts.policyOf('x.test');
  announce('2');
  web.text = policyText('testing', ['mx2.x.test']);
  // The record is fresh for a minute; then it is stale, and looked up behind the answer.
  nowMs += 61_000;
  expect((await sts.policyOf('x.test')).policy?.id).toBe('1');
  await expect.poll(async () => (await sts.policyOf('x.test')).policy?.id).toBe('2');
  expect((await sts.policyOf('x.test')).policy).toMatchObject({
    mode: 'testing',
    mx: ['mx2.x.test'],
  });
  expect(saved.map(({ id }) => id)).toEqual(['1', '2']);
});

test('mode none ends a policy', async () => {
  announce('1');
  web.text = policyText('none', []);
  expect(await policies().policyOf('x.test')).toEqual({
    policy: null,
    problem: null,
    isKnown: true,
  });
  expect(saved).toMatchObject([{ mode: 'none' }]);
});

test('a policy older than a day is fetched again, by the mail and by refresh', async () => {
  announce('1');
  web.text = policyText('enforce', ['mx.x.test'], 10 * 86_400);
  const sts = policies();
  await sts.policyOf('x.test');
  await sts.refresh();
  expect(web.asked).toHaveLength(1);
  nowMs += DAY_MS;
  await sts.refresh();
  expect(web.asked).toHaveLength(2);
  expect(saved.at(-1)).toMatchObject({ id: '1', fetchedAt: new Date(nowMs) });
  nowMs += DAY_MS;
  await sts.policyOf('x.test');
  await expect.poll(() => web.asked.length).toBe(3);
});

test('a fetch that failed is not repeated for five minutes, unless the id changes', async () => {
  announce('1');
  web.text = 'nonsense';
  const sts = policies();
  const { policy, problem } = await sts.policyOf('x.test');
  expect([policy, problem?.type]).toEqual([null, 'sts-policy-invalid']);
  await sts.policyOf('x.test');
  expect(web.asked).toHaveLength(1);
  nowMs += 300_001;
  await sts.policyOf('x.test');
  expect(web.asked).toHaveLength(2);
});

test('a policy that cannot be saved holds all the same', async () => {
  announce('1');
  const sts = createStsPolicies({
    dns: createDnsClient({ servers: [dns] }),
    fetch: (domain) => web.fetch(domain),
    known: [],
    save: () => Promise.reject(new Error('database away')),
    now: () => new Date(nowMs),
  });
  expect((await sts.policyOf('x.test')).policy?.mode).toBe('enforce');
});

describe('a fetch', () => {
  const GOOD = policyText('enforce', ['mx.x.test']);

  test('gives the text', async () => {
    expect(await web.fetch('x.test')).toEqual({ ok: true, text: GOOD });
  });

  test.each<[string, StsHost['respond'], RegExp]>([
    ['404', (_q, r) => void r.writeHead(404, { 'Content-Type': 'text/plain' }).end(GOOD), /404/],
    [
      'a redirect, which is not followed',
      (_q, r) => void r.writeHead(302, { Location: '/elsewhere' }).end(),
      /302/,
    ],
    ['HTML', (_q, r) => void r.setHeader('Content-Type', 'text/html').end(GOOD), /text\/html/],
    ['no type', (_q, r) => void r.end(GOOD), /missing/],
    [
      'too much',
      (_q, r) => void r.setHeader('Content-Type', 'text/plain').end('x'.repeat(70_000)),
      /65536 bytes/,
    ],
    ['a hang-up', (_q, r) => void r.destroy(), /ECONNRESET|socket hang up/],
  ])('fails: %s', async (_name, respond, detail) => {
    web.respond = respond;
    const fetched = await web.fetch('x.test');
    expect(fetched).toMatchObject({ ok: false, problem: { type: 'sts-policy-fetch-error' } });
    expect(fetched.ok ? '' : fetched.problem.detail).toMatch(detail);
    expect(web.asked).toHaveLength(1);
  });

  test('fails: no end of the answer, within the time', async () => {
    web.respond = (_request, response) => {
      response.setHeader('Content-Type', 'text/plain').write('version: STSv1\r\n');
    };
    expect(await web.fetch('x.test', 200)).toMatchObject({ ok: false });
  });

  test('fails: a certificate for another name', async () => {
    const problem = { type: 'sts-webpki-invalid', detail: 'ERR_TLS_CERT_ALTNAME_INVALID' };
    expect(await web.fetch('y.test')).toEqual({ ok: false, problem });
    expect(web.asked).toEqual([]);
  });

  test('fails: a certificate of an authority that is not trusted', async () => {
    const strange = await startStsHost(['x.test'], createAuthority('Other', new Date()));
    try {
      expect(await strange.fetch('x.test')).toMatchObject({
        problem: { type: 'sts-webpki-invalid' },
      });
    } finally {
      await strange.close();
    }
  });
});
