/** Smart hosts and mail stores we did not write: nodemailer's smtp-server with logins, TLS and LMTP. */
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerOptions } from 'smtp-server';
import { afterEach, describe, expect, test } from 'vitest';
import type { MtaOptions } from '../../src/mta/deliver.ts';
import { createRoutes } from '../../src/mta/routes.ts';
import { AUTH_MECHANISMS, PLAIN_SESSION } from '../../src/mta/transport.ts';
import type { Login, SessionNeeds } from '../../src/mta/transport.ts';
import { isBalanced, makeMta, makeOrder, tally } from './orders.ts';
import type { Order } from './orders.ts';
import { certificateFor } from './smtp-host.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const USER = { user: 'mailer@shop.example', secret: 'pässword=+ /' };

interface Relay {
  port: number;
  ca: string;
  /** `PLAIN secure`, one for each login seen. */
  logins: string[];
  taken: number;
}

async function startRelay(options: SMTPServerOptions = {}): Promise<Relay> {
  const { ca, key } = await certificateFor('localhost');
  const relay: Relay = { port: 0, ca, logins: [], taken: 0 };
  const server = new SMTPServer({
    cert: ca,
    key,
    authMethods: [...AUTH_MECHANISMS],
    onAuth(auth, session, done) {
      relay.logins.push(`${auth.method} ${session.secure ? 'secure' : 'clear'}`);
      const { username, password, accessToken, validatePassword } = auth;
      const known =
        auth.method === 'CRAM-MD5'
          ? validatePassword(USER.secret)
          : (password ?? accessToken) === USER.secret;
      if (username === USER.user && known) done(null, { user: username });
      else done(new Error('who are you'));
    },
    onData(stream, _session, done) {
      stream.on('end', () => {
        relay.taken += 1;
        done();
      });
      stream.resume();
    },
    ...options,
  });
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(() => resolve())));
  relay.port = (server.server.address() as AddressInfo).port;
  return relay;
}

async function sendTo(
  relay: Relay,
  needs: Partial<SessionNeeds>,
  type: 'smarthost' | 'lmtp' = 'smarthost',
  options: Partial<MtaOptions> = {},
): Promise<Order> {
  const to = { host: 'localhost', port: relay.port };
  const transport = { type, to, ...PLAIN_SESSION, ...needs };
  const engine = makeMta({
    routes: createRoutes([{ id: 'r', pattern: '*', transport, pool: null }]),
    tls: { mode: 'opportunistic', ca: relay.ca },
    ...options,
  });
  cleanups.push(() => engine.close());
  const order = makeOrder(2, { maxLanes: 1 });
  await engine.deliver(order.request);
  expect(isBalanced(order)).toBe(true);
  return order;
}

describe('logins', () => {
  test.each(AUTH_MECHANISMS)('%s behind TLS', async (mechanism) => {
    const relay = await startRelay();
    const login: Login = { mechanism, ...USER };
    const order = await sendTo(relay, { login, tls: 'verified' });
    expect(tally(order)).toBe('accepted: 2');
    expect(relay.logins).toEqual([`${mechanism} secure`]);
    expect(relay.taken).toBe(2);
  });

  test('a wrong password: everything waits, nothing is pulled', async () => {
    const relay = await startRelay();
    const login: Login = { mechanism: null, user: USER.user, secret: 'wrong' };
    const order = await sendTo(relay, { login });
    expect(order.pulled).toEqual([]);
    expect(order.siteFailures).toMatchObject([
      { result: 'deferred', stage: 'auth', failure: 'auth_failed', reply: { code: 535 } },
    ]);
    expect(relay.taken).toBe(0);
  });

  test('without TLS nothing is shown, unless the route says that there is none', async () => {
    const relay = await startRelay({ hideSTARTTLS: true, allowInsecureAuth: true });
    const login: Login = { mechanism: 'PLAIN', ...USER };
    const careful = await sendTo(relay, { login });
    expect(careful.siteFailures).toMatchObject([{ failure: 'auth_failed', reply: null }]);
    expect(relay.logins).toEqual([]);
    const told = await sendTo(relay, { login, tls: 'none' });
    expect(tally(told)).toBe('accepted: 2');
    expect(relay.logins).toEqual(['PLAIN clear']);
  });
});

describe('TLS of the route', () => {
  test('from the first byte, verified or not', async () => {
    const relay = await startRelay({ secure: true });
    const login: Login = { mechanism: null, ...USER };
    for (const tls of [null, 'verified'] as const) {
      const order = await sendTo(relay, { implicitTls: true, tls, login });
      expect(tally(order)).toBe('accepted: 2');
      expect(order.outcomes[0]?.tls).toMatch(/^TLSv1/);
    }
    expect(relay.logins).toEqual(['PLAIN secure', 'PLAIN secure']);
  });

  test('from the first byte to a host that speaks in clear: it waits', async () => {
    const relay = await startRelay({ authOptional: true });
    const order = await sendTo(relay, { implicitTls: true });
    expect(order.siteFailures).toMatchObject([
      { result: 'deferred', stage: 'starttls', failure: 'tls_failed' },
    ]);
  });

  test('verified: another authority is not trusted; none: STARTTLS is not used', async () => {
    const relay = await startRelay({ authOptional: true });
    const strange = await sendTo(relay, { tls: 'verified' }, 'smarthost', {
      tls: { mode: 'opportunistic' },
    });
    expect(strange.siteFailures).toMatchObject([{ failure: 'certificate_unverified' }]);
    const clear = await sendTo(relay, { tls: 'none' });
    expect(clear.outcomes[0]).toMatchObject({ result: 'accepted', tls: null });
  });
});

test('LMTP into smtp-server', async () => {
  const relay = await startRelay({ lmtp: true, authOptional: true });
  const order = await sendTo(relay, {}, 'lmtp');
  expect(tally(order)).toBe('accepted: 2');
  expect(relay.taken).toBe(2);
});
