/** TLS sessions that are resumed: real handshakes, counted where they arrive. */
import { createSecureContext } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { createTickets } from '../../../src/mta/tls/tickets.ts';
import type { Ticket } from '../../../src/mta/tls/tickets.ts';
import { createRoutes, staticRules } from '../../../src/mta/routes.ts';
import { makeMta, makeOrder, tally } from '../orders.ts';
import { startSmtpHost } from '../smtp-host.ts';
import type { SmtpHostOptions } from '../smtp-host.ts';
import { authority } from './sts-host.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A host and an engine that makes a connection for each message. */
async function pair(
  options: SmtpHostOptions,
  mode: 'opportunistic' | 'verified' = 'verified',
): Promise<(count: number) => Promise<ReturnType<typeof makeOrder>>> {
  const to = await startSmtpHost(options);
  cleanups.push(() => to.close());
  const engine = makeMta({
    routes: createRoutes(staticRules({ '*': `localhost:${to.port}` })),
    maxMessagesPerConnection: 1,
    maxConnectionsPerSite: 1,
    tls: { mode, ca: authority.cert },
  });
  cleanups.push(() => engine.close());
  return async (count) => {
    const order = makeOrder(count);
    await engine.deliver(order.request);
    return order;
  };
}
const contextFor = (maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
  createSecureContext({ ...authority.issue(['localhost']), maxVersion });

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  '%s: all but the first handshake are resumed',
  async (version) => {
    const resumed: boolean[] = [];
    const onSecure = (socket: TLSSocket) => void resumed.push(socket.isSessionReused());
    const send = await pair({ tls: contextFor(version), onSecure });
    const order = await send(6);
    expect(tally(order)).toBe('accepted: 6');
    expect(resumed).toEqual([false, true, true, true, true, true]);
    // The verdict of the first handshake goes with the session.
    for (const outcome of order.outcomes) expect(outcome.tlsVerified).toBe(true);
  },
);

test('a session whose certificate did not verify does not verify by being resumed', async () => {
  const resumed: boolean[] = [];
  const onSecure = (socket: TLSSocket) => void resumed.push(socket.isSessionReused());
  const strange = createSecureContext(authority.issue(['other.test']));
  const order = await (await pair({ tls: strange, onSecure }, 'opportunistic'))(3);
  expect(resumed).toEqual([false, true, true]);
  expect(order.outcomes.map(({ tlsVerified }) => tlsVerified)).toEqual([false, false, false]);
});

test('a host that stumbles over a resumed session is asked again without one, in TLS', async () => {
  let connections = 0;
  const resumed: boolean[] = [];
  const send = await pair(
    {
      tls: contextFor('TLSv1.3'),
      accept: () => ((connections += 1), true),
      onSecure(socket) {
        resumed.push(socket.isSessionReused());
        if (socket.isSessionReused()) socket.destroy();
      },
    },
    'opportunistic',
  );
  const order = await send(3);
  expect(tally(order)).toBe('accepted: 3');
  for (const { tls } of order.outcomes) expect(tls).toMatch(/^TLS/);
  expect(resumed.filter((one) => !one)).toHaveLength(3);
  expect(connections).toBe(5);
});

test('tickets are kept per key, the latest one, for an hour, and bounded', () => {
  const tickets = createTickets();
  const ticket = (atMs: number): Ticket => ({ session: Buffer.alloc(1), problem: null, atMs });
  tickets.put('a', ticket(0));
  expect(tickets.get('b', 0)).toBe(null);
  expect(tickets.get('a', 3_599_999)).toEqual(ticket(0));
  tickets.put('a', ticket(1));
  expect(tickets.get('a', 3_600_000)).toEqual(ticket(1));
  expect(tickets.get('a', 3_600_001)).toBe(null);
  for (let i = 0; i < 5_000; i += 1) tickets.put(`k${i}`, ticket(0));
  expect(tickets.get('k0', 1)?.atMs).toBe(0);
  tickets.put('k5000', ticket(0));
  expect(['k0', 'k1', 'k5000'].map((key) => tickets.get(key, 1)?.atMs)).toEqual([0, undefined, 0]);
  tickets.drop('k0');
  expect(tickets.get('k0', 0)).toBe(null);
});
