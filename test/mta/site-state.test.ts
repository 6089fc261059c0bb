/** When a connection is closed for its age or for doing nothing: never all at one moment. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDialer } from '../../src/mta/dialer.ts';
import { createPool } from '../../src/mta/pool.ts';
import { createLink, createSite, move } from '../../src/mta/site-state.ts';
import type { Site } from '../../src/mta/site-state.ts';
import { MX } from '../../src/mta/transport.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function siteWith(random: () => number): Site {
  const now = (): Date => new Date(1_000_000);
  const { dialer } = createDialer({ heloName: 'client.test', connectTimeoutMs: 1, now, random });
  const pool = createPool(10);
  const destination = {
    domain: 'x.test',
    transport: MX,
    protection: 'policy',
    pool: null,
  } as const;
  return createSite(
    { key: 'x.test', name: 'x.test', destination },
    {
      dialer,
      pool,
      limits: {
        maxConnections: 10,
        maxMessagesPerConnection: 10,
        maxMessagesPerRoundTrip: 8,
        maxAgeMs: 300_000,
        idleMs: 5_000,
      },
      random,
      nowMs: () => 1_000_000,
      isClosing: () => false,
      fairShare: () => 10,
      onEmpty: () => undefined,
    },
  );
}

test.each([
  [0, 270_000, 3_750],
  [0.5, 300_000, 5_000],
  [0.999_999, 329_999, 6_249],
])('drawn %d: %d ms old, or %d ms idle', (drawn, ageMs, idleMs) => {
  const site = siteWith(() => drawn);
  const link = createLink(site);
  expect(Math.floor(link.retireAtMs - 1_000_000)).toBe(ageMs);
  move(site, link, 'idle');
  vi.advanceTimersByTime(idleMs - 1);
  expect(link.state).toBe('idle');
  vi.advanceTimersByTime(2);
  expect(link.state).toBe('closing');
  expect([site.links.idle.size, site.links.closing.size]).toEqual([0, 1]);
});
