import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BEHAVIOURS, behaviourAt, forcedBehaviour } from '../../src/range/behaviour.ts';
import { DEFAULT_PROFILES } from '../../src/range/default-world.ts';
import { FATES, fateFacts } from '../../src/range/fate.ts';
import type { Fate } from '../../src/range/fate.ts';
import { checkProfiles, profile } from '../../src/range/profile.ts';
import { chance, createRandom, hash32 } from '../../src/range/random.ts';
import { behaviourOf, createWorld, expectedFate } from '../../src/range/world.ts';

const world = createWorld(7, DEFAULT_PROFILES);

test('the same seed and text give the same number on every machine', () => {
  expect(hash32(1, 'ann@qq.example')).toBe(hash32(1, 'ann@qq.example'));
  expect([hash32(1, 'ann@qq.example'), hash32(2, 'ann@qq.example'), hash32(1, 'ann@qq.examplf')])
    .toMatchInlineSnapshot(`
    [
      1001456353,
      1712317433,
      905451374,
    ]
  `);
  const [one, two] = [createRandom(3), createRandom(3)];
  expect([one(), one(), one()]).toEqual([two(), two(), two()]);
});

test('chance is spread evenly', () => {
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i += 1) {
    const bucket = Math.floor(chance(5, `user${i}@qq.example`) * 10);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

test.each(BEHAVIOURS)('%s+… forces it, in any case', (behaviour) => {
  expect(forcedBehaviour(`${behaviour}+ann`)).toBe(behaviour);
  expect(forcedBehaviour(`${behaviour.toUpperCase()}+ann`)).toBe(behaviour);
});

test.each(['ann', 'ann+late', 'latex+ann', 'toString+ann', '+late', 'late'])(
  '%s forces nothing',
  (localPart) => {
    expect(forcedBehaviour(localPart)).toBeNull();
  },
);

test('a mix gives each behaviour its share, and the rest is accepted', () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 50_000; i += 1) {
    const behaviour = behaviourAt({ unknown: 10, late: 5 }, chance(11, String(i)));
    counts.set(behaviour, (counts.get(behaviour) ?? 0) + 1);
  }
  expect((counts.get('unknown') ?? 0) / 500).toBeCloseTo(10, 0);
  expect((counts.get('late') ?? 0) / 500).toBeCloseTo(5, 0);
  expect([...counts.keys()].sort()).toEqual(['accept', 'late', 'unknown']);
});

test('behaviour does not depend on the case of an address', () => {
  const [qq] = DEFAULT_PROFILES;
  fc.assert(
    fc.property(fc.emailAddress(), (address) => {
      expect(behaviourOf(world, qq!, address.toUpperCase())).toBe(behaviourOf(world, qq!, address));
    }),
  );
});

test.each<[string, Fate]>([
  ['late+ann@qq.example', 'late_unknown_mailbox'],
  ['late+ann@MOVED-AWAY.example', 'no_such_domain'],
  ['ann@nobody-knows-it.example', 'no_such_domain'],
  ['ann@a.b.tail.example', 'no_such_domain'],
  ['full+ann@metal-1.tail.example', 'mailbox_full'],
  ['ann@parked.example', 'null_mx'],
  ['ann@broken-dns.example', 'dns_failure'],
  ['ann@dead-host.example', 'connection_refused'],
])('%s: %s', (address, fate) => {
  expect(expectedFate(world, address)).toBe(fate);
});

test('only what is the fault of the recipient or of a dead domain must be suppressed', () => {
  const must = Object.keys(FATES).filter((name) => fateFacts(name as Fate).suppression === 'must');

  expect(must).toEqual(['unknown_mailbox', 'late_unknown_mailbox', 'no_such_domain', 'null_mx']);
});

test('profiles that cannot work are refused, all at once', () => {
  const check = () =>
    checkProfiles([
      profile('a.example', 1, { mix: { late: 60, unknown: 50 } }),
      profile('b.example', 1, { routing: { kind: 'mx', hosts: 2, dead: 2 } }),
      profile('c.example', 1, { routing: { kind: 'alias', of: 'nowhere.example' } }),
      profile('not a name', 1),
      profile('d.example', -1),
      profile('d.example', 1),
    ]);
  expect(check).toThrow(
    /a\.example has a mix of 110 percent; b\.example .*; c\.example .*; not a name/,
  );
  expect(check).toThrow(/twice/);
});
