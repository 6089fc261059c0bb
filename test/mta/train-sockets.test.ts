/** Trains over real sockets: the engine against receivers that take 25 ms for each answer. */
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { MtaOptions } from '../../src/mta/deliver.ts';
import { allTo, isBalanced, makeMta, makeOrder, tally } from './orders.ts';
import type { Order } from './orders.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Answer, Script } from './receiver.ts';
import { startSmtpHost } from './smtp-host.ts';
import type { SmtpHost, SmtpHostOptions } from './smtp-host.ts';

const FAR = { extensions: [...ALL_EXTENSIONS, 'CHUNKING'], delayMs: 25 };

async function deliver(
  count: number,
  host: SmtpHostOptions,
  options: Partial<MtaOptions> = {},
): Promise<{ to: SmtpHost; order: Order }> {
  const to = await startSmtpHost({ ...FAR, ...host });
  onTestFinished(() => to.close());
  const engine = makeMta({ routes: allTo(to.route), idleMs: 5, ...options });
  const order = makeOrder(count, { maxLanes: 1 });
  await engine.deliver(order.request);
  await engine.close();
  expect(isBalanced(order)).toBe(true);
  return { to, order };
}

/** Accepted: has it once, from its own sender. Ambiguous: once or not at all. Else: has it not. */
function compareLedger(to: SmtpHost, order: Order): void {
  const held = to.ledger.flatMap(({ sender, recipients }) =>
    recipients.map((recipient) => `${sender} ${recipient}`),
  );
  expect(new Set(held).size).toBe(held.length);
  const results = new Map(order.outcomes.map(({ recipientId, result }) => [recipientId, result]));
  for (const { envelopeSender, recipients } of order.pulled) {
    for (const { id, address } of recipients) {
      const has = held.includes(`${envelopeSender} ${address}`);
      if (results.get(id) !== 'ambiguous')
        expect([id, has]).toEqual([id, results.get(id) === 'accepted']);
    }
  }
  expect(to.ledger.every(({ recipients }) => recipients.length === 1)).toBe(true);
}

test('most of sixty messages are written behind one that is not answered', async () => {
  const { to, order } = await deliver(60, {});
  expect(tally(order)).toBe('accepted: 60');
  compareLedger(to, order);
  // Whatever was written behind a message without an answer began with RSET.
  const rsets = to.transcripts.flat().filter((line) => line === 'RSET');
  expect(rsets.length).toBeGreaterThan(40);
});

test('switched off, none is written behind one that is not answered', async () => {
  const { to, order } = await deliver(8, {}, { maxMessagesPerRoundTrip: 1 });
  expect(tally(order)).toBe('accepted: 8');
  expect(to.transcripts.flat()).not.toContain('RSET');
});

test('refusals in the middle are of their own messages', async () => {
  const said: Record<string, Answer> = {
    'MAIL 7': '451 4.7.1 later',
    'RCPT 9': '550 5.1.1 unknown',
    'BDAT 12': '554 5.7.1 no',
    'RCPT 13': '452 4.2.2 full',
  };
  for (const staysOpen of [false, true]) {
    const script: Script = ({ verb, transaction }) => said[`${verb} ${transaction}`];
    const { to, order } = await deliver(40, { script, staysOpen });
    expect(tally(order)).toBe(
      'accepted: 36, deferred@mail(451): 1, deferred@rcpt(452): 1, rejected@dot(554): 1, rejected@rcpt(550): 1',
    );
    compareLedger(to, order);
  }
});

test('a receiver that says 421 and closes after nine messages: all delivered once', async () => {
  const script: Script = ({ verb, transaction }) =>
    verb === 'MAIL' && transaction === 10 ? { close: '421 4.3.2 enough for now\r\n' } : undefined;
  const { to, order } = await deliver(40, { script });
  compareLedger(to, order);
  expect(order.outcomes.filter(({ result }) => result === 'accepted').length).toBeGreaterThan(30);
});

test.each(['RSET', 'MAIL', 'RCPT', 'BDAT'])(
  'the link is lost at %s: at most eight in doubt, and one by one from then on',
  async (verb) => {
    let lost = 0;
    const script: Script = (asked) => {
      if (asked.verb !== verb || asked.transaction < 10 || lost > 0) return undefined;
      lost += 1;
      return { close: '' };
    };
    const { to, order } = await deliver(60, { script });
    compareLedger(to, order);
    const doubted = order.outcomes.filter(({ result }) => result === 'ambiguous').length;
    expect(doubted).toBeGreaterThan(1);
    expect(doubted).toBeLessThanOrEqual(8);
    expect(order.outcomes.filter(({ result }) => result === 'accepted').length).toBe(60 - doubted);
    expect(to.transcripts.length).toBeGreaterThan(1);
    expect(to.transcripts.slice(1).flat()).not.toContain('RSET');
  },
);

test(
  'whatever is answered, the balance closes and the receiver agrees',
  { timeout: 120_000 },
  async () => {
    const plan = fc.record({
      moods: fc.array(fc.nat(99), { minLength: 5, maxLength: 150 }),
      staysOpen: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ moods, staysOpen }) => {
        let index = 0;
        const script: Script = ({ usual }) => {
          const mood = moods[index % moods.length] ?? 0;
          index += 1;
          if (mood < 88 || index < 12) return usual;
          if (mood < 92) return '550 5.1.1 no such user';
          if (mood < 95) return '450 4.2.0 later';
          if (mood < 97) return '421 4.7.0 slow down, and it goes on';
          return { close: mood === 97 ? '421 4.3.2 shutting down\r\n' : mood === 98 ? '' : '25' };
        };
        const to = await startSmtpHost({ ...FAR, script, staysOpen });
        const engine = makeMta({
          routes: allTo(to.route),
          idleMs: 5,
          memory: { failureMs: 20, brokenTrainMs: 1 },
        });
        const order = makeOrder(25, { maxLanes: 2 });
        await engine.deliver(order.request);
        await engine.close();
        expect(isBalanced(order)).toBe(true);
        compareLedger(to, order);
        await to.close();
      }),
      { numRuns: 12 },
    );
  },
);
