/** Every pulled recipient gets one outcome, over real sockets, whatever the receiver does. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allTo, isBalanced, makeMta, makeOrder, QUICK } from './orders.ts';
import type { Order } from './orders.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Answer, Asked, Script } from './receiver.ts';
import { selfSigned, startSmtpHost } from './smtp-host.ts';
import type { SmtpHost } from './smtp-host.ts';

const plan = fc.record({
  extensions: fc.subarray([...ALL_EXTENSIONS, 'CHUNKING', 'LIMITS RCPTMAX=3', 'LIMITS MAILMAX=2']),
  tls: fc.constantFrom('none', 'none', 'good', 'broken'),
  /** Answers in the order of questions; below 70 is the usual one. */
  moods: fc.array(fc.nat(99), { minLength: 5, maxLength: 80 }),
  refuse: fc.array(fc.boolean(), { maxLength: 6 }),
  orders: fc.array(
    fc.record({
      recipients: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 8 }),
      maxLanes: fc.integer({ min: 1, max: 4 }),
      marks: fc.array(fc.constantFrom('now', 'later', 'fails'), { minLength: 1, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  maxConnections: fc.integer({ min: 1, max: 4 }),
  maxMessages: fc.integer({ min: 1, max: 5 }),
  /** Answers each question once, or hangs up: then its ledger can be held against us. */
  honest: fc.boolean(),
});

function scriptOf(moods: readonly number[], honest: boolean): Script {
  let index = 0;
  return ({ usual }: Asked): Answer => {
    const mood = moods[index % moods.length] ?? 0;
    index += 1;
    if (mood < 70 || (honest && mood >= 95)) return usual;
    if (mood < 76) return '550 5.1.1 no such user';
    if (mood < 82) return '450 4.2.0 later';
    if (mood < 85) return '452 4.5.3 too many recipients';
    if (mood < 89) return { close: '421 4.3.2 shutting down\r\n' };
    if (mood < 93) return { close: '' };
    if (mood < 95) return { close: '25' };
    if (mood < 96) return null;
    if (mood < 98) return 'what?';
    return { raw: Buffer.from(`${usual}\r\n250 and one more\r\n`) };
  };
}

/** Accepted: has it once. Ambiguous: once or not at all. Everything else: has it not. */
function compareLedger(host: SmtpHost, orders: readonly Order[]): void {
  const held = host.ledger.flatMap(({ recipients }) => recipients);
  for (const { pulled, outcomes } of orders) {
    const results = new Map(outcomes.map(({ recipientId, result }) => [recipientId, result]));
    for (const { id, address } of pulled.flatMap(({ recipients }) => recipients)) {
      const copies = held.filter((one) => one === address).length;
      const result = results.get(id);
      if (result === 'ambiguous') expect(copies).toBeLessThanOrEqual(1);
      else expect([result, copies]).toEqual([result, result === 'accepted' ? 1 : 0]);
    }
  }
}

test('the balance closes, and the receiver agrees', { timeout: 120_000 }, async () => {
  const secure = await selfSigned();
  await fc.assert(
    fc.asyncProperty(plan, async (one) => {
      const host = await startSmtpHost({
        extensions: one.extensions,
        script: scriptOf(one.moods, one.honest),
        accept: (count) => one.refuse[count - 1] !== true,
        ...(one.tls === 'good' ? { tls: secure } : one.tls === 'broken' ? { tls: 'broken' } : {}),
      });
      const times = Object.fromEntries(Object.keys(QUICK).map((name) => [name, 60]));
      const engine = makeMta({
        routes: allTo(host.route),
        timeouts: times,
        idleMs: 5,
        maxConnections: one.maxConnections,
        maxMessagesPerConnection: one.maxMessages,
        memory: { failureMs: 20 },
      });
      const orders = one.orders.map(({ recipients, maxLanes, marks }, i) => {
        let made = 0;
        return makeOrder(0, {
          recipients,
          maxLanes,
          firstId: BigInt(i * 1_000 + 1),
          domain: i === 2 ? 'other.test' : 'x.test',
          marked: () => {
            made += 1;
            const mark = marks[made % marks.length];
            if (mark === 'fails') return Promise.reject(new Error('database away'));
            return mark === 'now'
              ? Promise.resolve()
              : new Promise((resolve) => setTimeout(resolve, 3));
          },
        });
      });
      await Promise.all(orders.map(({ request }) => engine.deliver(request)));
      await engine.close();
      expect(engine.openConnections()).toBe(0);
      for (const order of orders) {
        expect(isBalanced(order)).toBe(true);
        expect(order.siteFailures.length).toBeLessThanOrEqual(1);
        const sent = order.pulled.reduce((sum, { recipients }) => sum + recipients.length, 0);
        const all = one.orders[orders.indexOf(order)]!.recipients.reduce((sum, n) => sum + n, 0);
        if (order.siteFailures.length === 0) expect(sent).toBe(all);
      }
      if (one.honest) compareLedger(host, orders);
      await host.close();
    }),
    { numRuns: 150 },
  );
});
