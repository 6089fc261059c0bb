/** QMTP: packages as netstrings, an answer for every recipient (cr.yp.to/proto/qmtp.txt). */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { MtaEngine } from '../../src/mta/deliver.ts';
import { createNetstringParser, netstring } from '../../src/mta/netstring.ts';
import { createQmtpSession } from '../../src/mta/qmtp.ts';
import { createRoutes } from '../../src/mta/routes.ts';
import type { Session, SessionAction, SessionEvent } from '../../src/mta/session.ts';
import { DEFAULT_TIMEOUTS } from '../../src/mta/timeouts.ts';
import { isBalanced, makeMta, makeOrder, tally } from './orders.ts';
import { startQmtpHost, string } from './qmtp-host.ts';
import type { QmtpHost, QmtpHostOptions } from './qmtp-host.ts';
import { makeWork, SESSION_OPTIONS } from './session-driver.ts';
import { bytesOf } from '../harness/message.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('netstrings', () => {
  test('any chunking gives the same strings', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 8 }), fc.nat(7), (texts, cut) => {
        const parser = createNetstringParser(1_000);
        const bytes = Buffer.from(texts.map(netstring).join(''));
        const found: string[] = [];
        for (let at = 0; at < bytes.length; at += cut + 1) {
          for (const event of parser.push(bytes.subarray(at, at + cut + 1))) {
            found.push(event.type === 'string' ? event.bytes.toString() : 'garbage');
          }
        }
        expect(found).toEqual(texts);
      }),
    );
  });

  test.each(['01:a,', '1:ab', 'x', '1001:', '99999999999:', '-1:,', '1 :a,', ':,'])(
    'garbage: %s',
    (text) => {
      const parser = createNetstringParser(1_000);
      expect(parser.push(Buffer.from(text))).toEqual([{ type: 'garbage' }]);
      expect(parser.push(Buffer.from('1:a,'))).toEqual([]);
    },
  );
});

class Driver {
  readonly session: Session;
  readonly actions: SessionAction[] = [];
  nowMs = 1_000;

  constructor() {
    this.session = createQmtpSession({
      ...SESSION_OPTIONS,
      protocol: 'qmtp',
      mxHost: 'q.test',
      mxAddress: '127.0.0.1:209',
    });
    this.feed({ type: 'connected' });
  }

  feed(event: SessionEvent): this {
    this.actions.push(...this.session.handle(event, this.nowMs));
    return this;
  }

  say(text: string): this {
    return this.feed({ type: 'bytes', bytes: Buffer.from(text) });
  }

  written(): string {
    return this.actions
      .flatMap((action) => (action.type === 'write' ? action.parts : []))
      .map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString('latin1')))
      .join('');
  }

  summary(): string {
    return this.actions
      .flatMap((action) => {
        if (action.type === 'returned') {
          return action.recipients.map(({ id }) => `${id}:returned`);
        }
        if (action.type !== 'outcome') return [];
        const { recipientId, result, failure, reply } = action.outcome;
        return [`${recipientId}:${result}(${failure ?? reply?.enhanced ?? reply?.code ?? ''})`];
      })
      .join(' ');
  }
}

const two = () =>
  makeWork(1n, ['a@qq.example', 'b@163.example'], {
    sender: 'bounce@ds.example',
    message: 'Subject: hi\r\n\r\nhello\r\n',
  });

describe('a session', () => {
  test('a package is what the protocol says, written when it is marked', () => {
    const driver = new Driver();
    const work = two();
    expect(driver.session.demand()).toBe('now');
    driver.feed({ type: 'work', work, maxRecipients: null });
    expect(driver.written()).toBe('');
    driver.feed({ type: 'marked', work, durable: true });
    expect(driver.written()).toBe(
      '23:\rSubject: hi\r\n\r\nhello\r\n,17:bounce@ds.example,33:12:a@qq.example,13:b@163.example,,',
    );
    expect(driver.session.deadlineMs()).toBe(driver.nowMs + DEFAULT_TIMEOUTS.dotMs);
    driver.say('20:Kok 1700000000 qp 42,20:Zqueue full (#4.3.1),');
    expect(driver.summary()).toBe('1:accepted(250) 2:deferred(4.3.1)');
    expect(driver.actions.at(-1)).toMatchObject({ type: 'done', work });
    expect(driver.session.deadlineMs()).toBe(null);
  });

  test('an answer for good', () => {
    const driver = new Driver();
    const work = two();
    driver.feed({ type: 'work', work, maxRecipients: null });
    driver.feed({ type: 'marked', work, durable: true });
    driver.say(
      "66:Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1),9:Dno (#5.1,",
    );
    expect(driver.summary()).toBe('1:rejected(5.7.1) 2:rejected(554)');
  });

  test('ten packages are under way at most; answers go to them in order', () => {
    const driver = new Driver();
    const works = Array.from({ length: 10 }, (_, i) => makeWork(BigInt(i), ['a@x.test']));
    for (const [i, work] of works.entries()) {
      expect(driver.session.demand()).toBe(i === 0 ? 'now' : 'ahead');
      driver.feed({ type: 'work', work, maxRecipients: null });
      driver.feed({ type: 'marked', work, durable: true });
    }
    expect(driver.session.demand()).toBe('none');
    driver.say(`${string('Kok')}${string('Zno')}`);
    expect(driver.summary()).toBe('0:accepted(250) 1:deferred(451)');
    expect(driver.session.demand()).toBe('ahead');
  });

  test('lost: what was written is ambiguous, what was not comes back', () => {
    const driver = new Driver();
    const [first, second] = [two(), makeWork(5n, ['c@x.test'])];
    driver.feed({ type: 'work', work: first, maxRecipients: null });
    driver.feed({ type: 'work', work: second, maxRecipients: null });
    driver.feed({ type: 'marked', work: first, durable: true });
    driver.say(string('Kok')).feed({ type: 'closed' });
    expect(driver.summary()).toBe('1:accepted(250) 2:ambiguous(connection_lost) 5:returned');
    expect(driver.actions.at(-1)).toMatchObject({ type: 'end' });
    expect(driver.session.demand()).toBe('none');
  });

  test('silence', () => {
    const driver = new Driver();
    const work = two();
    driver.feed({ type: 'work', work, maxRecipients: null });
    driver.feed({ type: 'marked', work, durable: true }).feed({ type: 'timeout' });
    expect(driver.summary()).toBe('1:ambiguous(reply_timeout) 2:ambiguous(reply_timeout)');
  });

  test('a mark that fails: nothing is written', () => {
    const driver = new Driver();
    const work = two();
    driver.feed({ type: 'work', work, maxRecipients: null });
    driver.feed({ type: 'marked', work, durable: false });
    expect([driver.written(), driver.summary()]).toEqual([
      '',
      '1:deferred(aborted) 2:deferred(aborted)',
    ]);
  });

  test('UTF-8 and unsafe addresses do not go into a package', () => {
    const driver = new Driver();
    const work = makeWork(1n, ['ä@x.test', 'a\r\n@x.test', 'b@x.test']);
    driver.feed({ type: 'work', work, maxRecipients: null });
    driver.feed({ type: 'marked', work, durable: true });
    expect(driver.written()).toContain('11:8:b@x.test,,');
    expect(driver.summary()).toBe('1:rejected(smtputf8_unsupported) 2:rejected(bad_address)');
  });

  test('quit waits for the answers', () => {
    const driver = new Driver();
    const work = makeWork(1n, ['a@x.test']);
    driver.feed({ type: 'work', work, maxRecipients: null });
    driver.feed({ type: 'quit' }).feed({ type: 'marked', work, durable: true });
    expect(driver.actions.at(-1)?.type).toBe('write');
    driver.say(string('Kok'));
    expect(driver.actions.at(-1)).toEqual({ type: 'end', end: null });
  });

  test('whatever comes: everybody has one outcome or comes back, and nothing throws', () => {
    const event = fc.oneof(
      fc.constantFrom('Kok', 'Zlater (#4.2.0)', 'Dnever').map((text) => ({ text: string(text) })),
      fc.string({ maxLength: 6 }).map((text) => ({ text })),
      fc.constantFrom('work', 'mark', 'fail', 'quit', 'drained').map((step) => ({ step })),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const driver = new Driver();
        const works: ReturnType<typeof makeWork>[] = [];
        let marked = 0;
        for (const one of events) {
          if ('text' in one) driver.say(one.text);
          else if (one.step === 'work' && driver.session.demand() !== 'none') {
            const id = works.length * 10;
            const work = makeWork(BigInt(id), [`a${id}@x.test`, `b${id}@x.test`]);
            works.push(work);
            driver.feed({ type: 'work', work, maxRecipients: null });
          } else if (one.step === 'mark' || one.step === 'fail') {
            const work = works[marked];
            marked += 1;
            if (work !== undefined) {
              driver.feed({ type: 'marked', work, durable: one.step === 'mark' });
            }
          } else if (one.step === 'quit' || one.step === 'drained') driver.feed({ type: one.step });
        }
        driver.feed({ type: 'closed' });
        const ids = driver
          .summary()
          .split(' ')
          .filter((text) => text !== '')
          .map((text) => text.split(':')[0]);
        const expected = works.flatMap(({ recipients }) => recipients.map(({ id }) => String(id)));
        expect(ids.sort()).toEqual(expected.sort());
        const done = driver.actions.filter(({ type }) => type === 'done');
        expect(done).toHaveLength(works.length);
      }),
      { numRuns: 500 },
    );
  });
});

describe('on real sockets', () => {
  async function host(options: QmtpHostOptions = {}): Promise<QmtpHost> {
    const one = await startQmtpHost(options);
    cleanups.push(() => one.close());
    return one;
  }

  function engineTo({ host: name, port }: QmtpHost): MtaEngine {
    const transport = { type: 'qmtp', to: { host: name, port } } as const;
    const engine = makeMta({
      routes: createRoutes([{ id: 'r', pattern: '*', transport, pool: null }]),
    });
    cleanups.push(() => engine.close());
    return engine;
  }

  test('everybody once, byte for byte, over one connection', async () => {
    const to = await host({
      script: (address) => (address === 'r7@x.test' ? string('Dgone (#5.1.1)') : undefined),
    });
    const order = makeOrder(0, { recipients: [1, 10, 1, 30], maxLanes: 1 });
    await engineTo(to).deliver(order.request);
    expect(isBalanced(order)).toBe(true);
    expect(tally(order)).toBe('accepted: 41, rejected@dot(554): 1');
    expect(to.ledger.flatMap(({ recipients }) => recipients)).toHaveLength(41);
    expect(to.ledger.map(({ sender }) => sender)).toEqual(
      order.pulled.map(({ envelopeSender }) => envelopeSender),
    );
    for (const { content } of to.ledger) {
      expect(content.equals(bytesOf(order.pulled[0]!.message))).toBe(true);
    }
    expect(to.connections()).toBe(1);
  });

  test('packages do not wait for the answers of those before', async () => {
    const to = await host({ delayMs: 20 });
    const order = makeOrder(40, { maxLanes: 1 });
    await engineTo(to).deliver(order.request);
    expect(tally(order)).toBe('accepted: 40');
    expect(to.mostUnanswered()).toBeGreaterThan(4);
    expect(to.mostUnanswered()).toBeLessThanOrEqual(10);
  });

  test('a receiver that hangs up in the middle', async () => {
    let count = 0;
    const to = await host({ script: () => ((count += 1) === 5 ? 'close' : undefined) });
    const order = makeOrder(12, { maxLanes: 1 });
    await engineTo(to).deliver(order.request);
    expect(isBalanced(order)).toBe(true);
    const accepted = order.outcomes.filter(({ result }) => result === 'accepted');
    const others = order.outcomes.filter(({ result }) => result === 'ambiguous');
    expect(accepted.length + others.length).toBe(12);
    expect(others.length).toBeGreaterThan(0);
  });
});
