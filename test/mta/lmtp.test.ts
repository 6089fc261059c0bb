/** LMTP: LHLO, and an answer for every recipient after the dot (RFC 2033). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createRoutes } from '../../src/mta/routes.ts';
import { PLAIN_SESSION } from '../../src/mta/transport.ts';
import { isBalanced, makeMta, makeOrder, tally } from './orders.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Answer, Script } from './receiver.ts';
import { Driver, makeWork } from './session-driver.ts';
import { startSmtpHost } from './smtp-host.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const four = () => makeWork(1n, ['a@x.test', 'b@x.test', 'c@x.test', 'd@x.test']);

/** By recipient, after the dot or BDAT. */
function afterDot(answers: Record<string, Answer>): Script {
  return ({ verb, line }) => (verb === 'DOT' || verb === 'BDAT' ? answers[line] : undefined);
}

describe('a session', () => {
  test.each([[ALL_EXTENSIONS], [[...ALL_EXTENSIONS, 'CHUNKING']], [[]]])(
    'each recipient has his own answer, in order; extensions: %j',
    (extensions) => {
      const script = afterDot({
        'b@x.test': '550 5.1.1 gone',
        'c@x.test': '452 4.2.2 over quota',
      });
      const driver = new Driver({ protocol: 'lmtp', extensions, script }).connect();
      driver.send(four()).send(makeWork(10n, ['e@x.test']));
      expect(driver.receiver.transcript[0]).toBe('LHLO client.test');
      expect(driver.summary()).toBe(
        '1:accepted@dot(250) 2:rejected@dot(550) 3:deferred@dot(452) 4:accepted@dot(250) 10:accepted@dot(250)',
      );
      expect(driver.actions.filter(({ type }) => type === 'done')).toHaveLength(2);
    },
  );

  test('only those that RCPT accepted are answered', () => {
    const script: Script = ({ verb, line }) =>
      verb === 'RCPT' && line.includes('b@') ? '550 5.1.1 no' : undefined;
    const driver = new Driver({ protocol: 'lmtp', script }).connect().send(four());
    expect(driver.summary()).toBe(
      '2:rejected@rcpt(550) 1:accepted@dot(250) 3:accepted@dot(250) 4:accepted@dot(250)',
    );
  });

  test('lost between the answers: those without one are ambiguous, the others are not', () => {
    const script = afterDot({ 'b@x.test': { close: '' } });
    const driver = new Driver({ protocol: 'lmtp', script }).connect().send(four());
    expect(driver.summary()).toBe(
      '1:accepted@dot(250) 2:ambiguous@dot(connection_lost) 3:ambiguous@dot(connection_lost) 4:ambiguous@dot(connection_lost)',
    );
  });

  test('421 for one recipient does not take the answers of the others away', () => {
    const script = afterDot({ 'a@x.test': '421 4.3.2 full' });
    const driver = new Driver({ protocol: 'lmtp', script }).connect().send(four());
    expect(driver.summary()).toBe(
      '1:deferred@dot(421) 2:accepted@dot(250) 3:accepted@dot(250) 4:accepted@dot(250)',
    );
  });

  test('LHLO refused: no HELO', () => {
    const script: Script = ({ verb }) => (verb === 'LHLO' ? '502 5.5.1 what' : undefined);
    const driver = new Driver({ protocol: 'lmtp', script }).connect();
    expect(driver.receiver.transcript).toEqual(['LHLO client.test']);
    expect(driver.actions.at(-1)).toMatchObject({ end: { stage: 'ehlo', reply: { code: 502 } } });
  });

  test('DATA granted without a recipient: hung up, no dot', () => {
    const script: Script = ({ verb }) =>
      verb === 'RCPT' ? '550 5.1.1 no' : verb === 'DATA' ? '354 go' : undefined;
    const driver = new Driver({ protocol: 'lmtp', script }).connect().send(four());
    expect(driver.actions.at(-1)).toMatchObject({ end: { failure: 'protocol_error' } });
    expect(driver.receiver.transcript).not.toContain('.');
  });
});

test('over TCP and over a Unix socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'volley-lmtp-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = join(folder, 'lmtp.sock');
  const script = afterDot({ 'r3@x.test': '550 5.1.1 gone' });
  const hosts = [
    await startSmtpHost({ lmtp: true, script }),
    await startSmtpHost({ lmtp: true, script, socketPath }),
  ] as const;
  for (const [i, one] of hosts.entries()) {
    cleanups.push(() => one.close());
    const to = i === 0 ? { host: one.host, port: one.port } : { socketPath };
    const transport = { type: 'lmtp', to, ...PLAIN_SESSION } as const;
    const engine = makeMta({
      routes: createRoutes([{ id: 'r', pattern: '*', transport, pool: null }]),
    });
    cleanups.push(() => engine.close());
    const order = makeOrder(0, { recipients: [5, 5] });
    await engine.deliver(order.request);
    expect(isBalanced(order)).toBe(true);
    expect(tally(order)).toBe('accepted: 9, rejected@dot(550): 1');
    expect(order.outcomes[0]?.mxAddress).toBe(i === 0 ? one.route : socketPath);
    expect(one.ledger.flatMap(({ recipients }) => recipients)).toHaveLength(9);
  }
});

test('a Unix socket nobody listens at', async () => {
  const transport = {
    type: 'lmtp',
    to: { socketPath: '/nowhere/lmtp' },
    ...PLAIN_SESSION,
  } as const;
  const engine = makeMta({
    routes: createRoutes([{ id: 'r', pattern: '*', transport, pool: null }]),
  });
  cleanups.push(() => engine.close());
  const order = makeOrder(1);
  await engine.deliver(order.request);
  expect(order.siteFailures).toMatchObject([
    { result: 'deferred', failure: 'connect_failed', mxAddress: '/nowhere/lmtp' },
  ]);
});
