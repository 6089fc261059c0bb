import { expect, test } from 'vitest';
import { parseAddress } from '../../src/kernel/address.ts';
import { DEFAULT_PROFILES } from '../../src/range/default-world.ts';
import { FATES } from '../../src/range/fate.ts';
import { generateRecipients } from '../../src/range/recipients.ts';
import { createWorld, domainOf, expectedFate } from '../../src/range/world.ts';

const world = createWorld(1, DEFAULT_PROFILES);

test('the same seed gives the same list, another seed another', () => {
  const list = (seed: number) => [...generateRecipients(50, seed, world)];
  expect(list(3)).toEqual(list(3));
  expect(list(3)).not.toEqual(list(4));
});

test('no address comes twice, and every one is a valid address', () => {
  const keys = new Set<string>();
  for (const row of generateRecipients(60_000, 9, world)) {
    const parsed = parseAddress(row.email);
    expect(parsed.ok, row.email).toBe(true);
    if (parsed.ok) keys.add(parsed.value.key);
  }
  expect(keys.size).toBe(60_000);
});

test('ten thousand recipients meet every fate of the default world, most are accepted', () => {
  const counts = new Map<string, number>();
  for (const row of generateRecipients(10_000, 1, world)) {
    const fate = expectedFate(world, row.email);
    counts.set(fate, (counts.get(fate) ?? 0) + 1);
  }
  const missing = Object.keys(FATES).filter((fate) => !counts.has(fate));
  // `dropmid` leaves the sender in doubt whether it was the dot: not for a demo that has to agree.
  expect(missing).toEqual(['dropped_in_content']);
  expect(counts.get('accepted')).toBeGreaterThan(8_500);
});

test('domains come by weight', () => {
  const domains = [...generateRecipients(20_000, 2, world)].map((row) => domainOf(row.email));
  const total = DEFAULT_PROFILES.reduce((sum, item) => sum + item.weight, 0);
  for (const item of DEFAULT_PROFILES.filter(({ weight }) => weight >= 100)) {
    const share = domains.filter((domain) => domain === item.domain).length / domains.length;
    expect(share, item.domain).toBeCloseTo(item.weight / total, 1);
  }
  expect(
    new Set(domains.filter((domain) => domain.endsWith('.tail.example'))).size,
  ).toBeGreaterThan(100);
});

test('nothing in an address gives its fate away', () => {
  for (const row of generateRecipients(5_000, 1, world)) expect(row.email).not.toContain('+');
});
