import { expect, test } from 'vitest';
import { demandOf } from '../../../src/mta/tls/demand.ts';
import type { HostPolicy } from '../../../src/mta/tls/policies.ts';

/** DANE of one MX host, for mail to `domain`. */
function policyFor(domain: string): HostPolicy {
  const data = Buffer.alloc(32, 7);
  return {
    name: 'dane',
    asks: 'certificate',
    dane: {
      records: [{ usage: 2, selector: 1, matchingType: 1, data }],
      names: ['mx.test', domain],
      baseDomain: 'mx.test',
    },
    testing: false,
    authentic: 'yes',
    problem: null,
    facts: { domain, type: 'tlsa', strings: [], mxHosts: [] },
  };
}

test('what is learned under a demand is kept for its names: a certificate may be right for one domain alone', () => {
  const keyFor = (domain: string): string =>
    demandOf('opportunistic', 'mx.test', policyFor(domain)).key;
  expect(keyFor('a.test')).not.toBe(keyFor('b.test'));
  expect(keyFor('a.test')).toBe(keyFor('a.test'));
});

test('without DANE it is the mode alone', () => {
  expect(demandOf('required', 'mx.test', null).key).toBe(
    demandOf('required', 'mx2.test', null).key,
  );
});
