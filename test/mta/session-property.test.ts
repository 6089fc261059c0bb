/** Whatever a receiver does: every recipient is accounted for once, and the ledger agrees. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SessionEvent, Work } from '../../src/mta/session.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Answer, Asked, Script } from './receiver.ts';
import { Driver, makeWork } from './session-driver.ts';
import { bytesOf } from '../harness/message.ts';

interface Plan {
  extensions: string[];
  /** One number per question; 0..59 is the usual answer. */
  moods: number[];
  works: { recipients: number; mark: 'early' | 'late' | 'fails'; attempts: number }[];
  mad: boolean;
  protocol: 'smtp' | 'lmtp';
}

const plan: fc.Arbitrary<Plan> = fc.record({
  extensions: fc.subarray([...ALL_EXTENSIONS, 'CHUNKING', 'STARTTLS', 'LIMITS RCPTMAX=2']),
  moods: fc.array(fc.nat(99), { minLength: 1, maxLength: 60 }),
  works: fc.array(
    fc.record({
      recipients: fc.integer({ min: 1, max: 4 }),
      mark: fc.constantFrom('early', 'early', 'late', 'fails'),
      attempts: fc.nat(3),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  mad: fc.boolean(),
  protocol: fc.constantFrom('smtp', 'smtp', 'lmtp'),
});

/** Honest receivers answer each question once, or hang up, or fall silent for good. */
function scriptOf({ moods, mad }: Plan): Script {
  let index = 0;
  let silent = false;
  return ({ usual }: Asked): Answer => {
    const mood = moods[index % moods.length] ?? 0;
    index += 1;
    if (silent) return null;
    if (mad && mood > 95) return { raw: Buffer.from(`${usual}\r\n250 2.0.0 once more\r\n`) };
    if (mad && mood > 93) return { raw: Buffer.from([0, 255, 10, 13, 50, 53, 48]) };
    if (mad && mood > 90) return '354 what now';
    if (mood >= 88) {
      silent = true;
      return null;
    }
    if (mood >= 84) return { close: mood % 2 === 0 ? '' : '2' };
    if (mood >= 80) return { close: '421 4.3.2 bye\r\n' };
    if (mood >= 74) return '452 4.5.3 too many recipients';
    if (mood >= 68) return '450 4.2.0 later\r\n'.trim();
    if (mood >= 60) return '550-5.1.1 no\r\n550 5.1.1 never';
    return usual;
  };
}

function run(one: Plan): { driver: Driver; works: Work[] } {
  const driver = new Driver({
    extensions: one.extensions,
    protocol: one.protocol,
    script: scriptOf(one),
    mark: false,
  });
  const works = one.works.map(({ recipients, attempts }, i) => {
    const names = Array.from({ length: recipients }, (_, n) => `w${i}r${n}@x.test`);
    return makeWork(BigInt(i * 10), names, { sender: `s${i}@b.test`, attempts });
  });
  driver.connect();
  const late: SessionEvent[] = [];
  const giveMarks = (): void => {
    for (let event = late.shift(); event !== undefined; event = late.shift()) driver.feed(event);
  };
  for (const [i, work] of works.entries()) {
    if (driver.session.demand() === 'none') giveMarks();
    if (driver.session.demand() === 'none') driver.timeOut();
    driver.feed({ type: 'work', work, maxRecipients: null });
    const mark = one.works[i]?.mark;
    const event: SessionEvent = { type: 'marked', work, durable: mark !== 'fails' };
    if (mark === 'early') driver.feed(event);
    else late.push(event);
  }
  giveMarks();
  driver.feed({ type: 'quit' });
  for (let i = 0; i < 5 && driver.session.deadlineMs() !== null; i += 1) driver.timeOut();
  return { driver, works };
}

test('accounting, ledger and order hold', () => {
  fc.assert(
    fc.property(plan, (one) => {
      const { driver, works } = run(one);
      const actions = driver.actions;
      expect(actions.filter(({ type }) => type === 'end').length).toBeLessThanOrEqual(1);
      const held = new Set(
        driver.receiver.ledger.flatMap(({ sender, recipients }) =>
          recipients.map((recipient) => `${sender} ${recipient}`),
        ),
      );
      for (const work of works) {
        const done = actions.filter((action) => action.type === 'done' && action.work === work);
        expect(done).toHaveLength(1);
        for (const { id, address } of work.recipients) {
          const results = actions.flatMap((action) => {
            if (action.type === 'outcome' && action.outcome.recipientId === id) {
              return [action.outcome.result];
            }
            const back = action.type === 'returned' && action.work === work;
            return back && action.recipients.some((recipient) => recipient.id === id)
              ? ['returned']
              : [];
          });
          expect(results).toHaveLength(1);
          if (one.mad || results[0] === 'ambiguous') continue;
          expect(held.has(`${work.transaction.envelopeSender} ${address}`)).toBe(
            results[0] === 'accepted',
          );
        }
      }
      // Nobody ever gets a message that is not the one we sent.
      for (const { content } of driver.receiver.ledger) {
        expect(content.equals(bytesOf(works[0]!.transaction.message))).toBe(true);
      }
    }),
    { numRuns: 1_500 },
  );
});

test('random bytes at any time do not throw, and the session ends', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 20 }),
      fc.nat(4),
      (chunks, answered) => {
        let asked = 0;
        const driver = new Driver({
          script: () => {
            asked += 1;
            return asked > answered + 2 ? null : undefined;
          },
        });
        driver.connect();
        driver.send(makeWork(1n, ['a@x.test', 'b@x.test']));
        for (const bytes of chunks) driver.feed({ type: 'bytes', bytes });
        driver.feed({ type: 'closed' });
        expect(driver.has('end')).toBe(true);
        const returned = driver.returned() === '' ? 0 : driver.returned().split(' ').length;
        expect(driver.outcomes().length + returned).toBe(2);
      },
    ),
    { numRuns: 1_000 },
  );
});
