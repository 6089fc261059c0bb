/** Which rule a domain's mail follows. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createNameGuard } from '../../src/mta/name-guard.ts';
import { isPublic } from '../../src/mta/public-address.ts';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import type { RouteRule } from '../../src/mta/routes.ts';
import { formatEndpoint, parseEndpoint } from '../../src/mta/transport.ts';

function rule(pattern: string, id = pattern): RouteRule {
  return { id, pattern, transport: { type: 'discard' }, pool: null };
}

function matched(patterns: readonly string[], domain: string): string | null {
  return createRoutes(patterns.map((pattern) => rule(pattern))).find(domain).rule?.pattern ?? null;
}

describe('rules', () => {
  test.each([
    ['shop.example', 'shop.example'],
    ['www.shop.example', '*.shop.example'],
    ['a.b.shop.example', '*.b.shop.example'],
    ['x.a.b.shop.example', '*.b.shop.example'],
    ['example', '*'],
    ['other.example', '*.example'],
    ['myshop.example', '*.example'],
    ['qq.com', '*'],
  ])('%s follows %s', (domain, expected) => {
    const patterns = ['*', '*.example', '*.shop.example', '*.b.shop.example', 'shop.example'];
    expect(matched(patterns, domain)).toBe(expected);
  });

  test('a suffix is not the domain itself; without a rule it is MX', () => {
    expect(matched(['*.shop.example'], 'shop.example')).toBe(null);
    expect(createRoutes([]).find('shop.example')).toMatchObject({
      rule: null,
      transport: { type: 'smtp', to: null },
      pool: null,
    });
  });

  test('of two rules with one pattern the first wins: static ones stand in front', () => {
    const rules = [...staticRules({ 'x.test': '127.0.0.1:26' }), rule('x.test'), rule('*')];
    expect(createRoutes(rules).find('x.test').rule?.id).toBe('static');
    expect(createRoutes(rules).find('y.test').rule?.id).toBe('*');
  });

  test('says the same as trying every rule', () => {
    const label = fc.constantFrom('a', 'b', 'c');
    const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
    const pattern = fc.oneof(
      name,
      name.map((text) => `*.${text}`),
      fc.constant('*'),
    );
    const length = (text: string): number => (text.startsWith('*') ? text.length : 1_000);
    fc.assert(
      fc.property(fc.uniqueArray(pattern, { maxLength: 8 }), name, (patterns, domain) => {
        const fitting = patterns
          .filter((one) => one === domain || (one.startsWith('*') && domain.endsWith(one.slice(1))))
          .sort((a, b) => length(b) - length(a));
        expect(matched(patterns, domain)).toBe(fitting[0] ?? null);
      }),
    );
  });

  test('ten thousand rules cost a look-up no more than its labels', () => {
    const rules = Array.from({ length: 10_000 }, (_, i) => rule(`*.d${i}.example`));
    const routes = createRoutes(rules);
    expect(routes.find('a.b.c.d9999.example').rule?.pattern).toBe('*.d9999.example');
  });
});

test('endpoints', () => {
  for (const text of ['mx.test:25', '127.0.0.1:2525', '[::1]:26', 'localhost:1']) {
    const endpoint = parseEndpoint(text);
    expect(endpoint === null ? null : formatEndpoint(endpoint)).toBe(text);
  }
  for (const text of [
    'mx.test',
    ':25',
    'mx.test:0',
    'mx.test:65536',
    '::1:25',
    'a b:25',
    '[x]:1',
  ]) {
    expect([text, parseEndpoint(text)]).toEqual([text, null]);
  }
});

describe('public addresses', () => {
  test.each(['8.8.8.8', '2606:4700::1', '::ffff:8.8.8.8', '64:ff9b::808:808'])('%s', (address) => {
    expect(isPublic(address)).toBe(true);
  });

  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '::127.0.0.1',
    '::7f00:1',
    '2001:db8::1',
    'mx.test',
  ])('not %s', (address) => {
    expect(isPublic(address)).toBe(false);
  });
});

describe('a DNS server that denies everything', () => {
  test('is noticed after five domains when no other was ever found', () => {
    const guard = createNameGuard();
    const verdicts = [1, 2, 3, 4, 5].map((n) => {
      guard.observe(`d${n}.test`, true);
      return guard.isAbsurd();
    });
    expect(verdicts).toEqual([false, false, false, false, true]);
  });

  test('a list with many dead domains is not', () => {
    const guard = createNameGuard();
    for (let i = 0; i < 500; i += 1) {
      guard.observe(`d${i}.test`, i % 5 !== 0);
      expect(guard.isAbsurd()).toBe(false);
    }
    expect(guard.counts()).toEqual({ domains: 200, denied: 160 });
  });

  test('nor is one dead domain that is asked for again and again', () => {
    const guard = createNameGuard();
    for (let i = 0; i < 100; i += 1) guard.observe('dead.test', true);
    expect(guard.isAbsurd()).toBe(false);
  });

  test('breaks in the middle of a list, and is believed again when it works again', () => {
    const guard = createNameGuard();
    for (let i = 0; i < 200; i += 1) guard.observe(`good${i}.test`, false);
    let asked = 0;
    while (!guard.isAbsurd()) guard.observe(`d${(asked += 1)}.test`, true);
    expect(asked).toBe(180);
    for (let i = 0; i < 20; i += 1) guard.observe(`d${asked - i}.test`, false);
    expect(guard.isAbsurd()).toBe(false);
  });
});
