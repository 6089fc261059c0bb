import { statfsSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { peerOf } from '../../src/bounce/peers.ts';
import { createRateLimit } from '../../src/bounce/rate-limit.ts';
import { createStorage, isDiskFull } from '../../src/bounce/storage.ts';

describe('who a connection counts for', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '20010db800010002/64'],
    ['2001:db8:1:2::1', '20010db800010002/64'],
    ['', ''],
  ])('%s is %s', (address, peer) => expect(peerOf(address)).toBe(peer));
});

describe('the rate', () => {
  test('a minute\u2019s worth at once, then one by one, each peer for itself', () => {
    let now = 0;
    const rate = createRateLimit(60, () => now);
    const taken = (peer: string, tries: number) =>
      Array.from({ length: tries }, () => rate.take(peer)).filter(Boolean).length;
    expect(taken('a', 100)).toBe(60);
    expect(taken('b', 10)).toBe(10);
    now += 1_000;
    expect(taken('a', 5)).toBe(1);
    now += 3_600_000;
    expect(taken('a', 100)).toBe(60);
  });

  test('whatever the times, never more than the bucket and the time allow; memory stays bounded', () => {
    const steps = fc.array(fc.nat({ max: 5_000 }), { maxLength: 300 });
    fc.assert(
      fc.property(steps, (waits) => {
        let now = 0;
        const rate = createRateLimit(30, () => now);
        let taken = 0;
        for (const wait of waits) {
          now += wait;
          if (rate.take('a')) taken += 1;
        }
        expect(taken).toBeLessThanOrEqual(30 + now / 2_000 + 1);
      }),
    );
    const rate = createRateLimit(10, () => 0);
    for (let i = 0; i < 50_000; i += 1) expect(rate.take(`peer ${i}`)).toBe(true);
  });
});

describe('storage', () => {
  test('is short below the least free bytes, asked again after a second', async () => {
    const { bavail, bsize } = statfsSync('/tmp');
    let now = new Date();
    const free = bavail * bsize;
    const roomy = createStorage('/tmp', Math.floor(free / 2), () => now);
    const tight = createStorage('/tmp', free * 2, () => now);
    expect([await roomy.isShort(), await tight.isShort()]).toEqual([false, true]);
    now = new Date(now.getTime() + 2_000);
    expect([await roomy.isShort(), await tight.isShort()]).toEqual([false, true]);
  });

  test('a disk that cannot be asked is not short', async () => {
    const storage = createStorage('/no/such/folder', 1, () => new Date());
    expect(await storage.isShort()).toBe(false);
  });

  test('PostgreSQL says itself when it is full', () => {
    expect(isDiskFull(Object.assign(new Error('x'), { code: '53100' }))).toBe(true);
    expect(isDiskFull(new Error('x'))).toBe(false);
  });
});
