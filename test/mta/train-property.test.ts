/** Whatever is answered on a long line: every recipient is accounted for once, and the ledger agrees. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Work } from '../../src/mta/session.ts';
import { LongLine } from './long-line.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Answer, Asked, Script } from './receiver.ts';
import { makeWork } from './session-driver.ts';

const plan = fc.record({
  /** One number per question; 0..79 is the usual answer. */
  moods: fc.array(fc.nat(99), { minLength: 1, maxLength: 120 }),
  works: fc.array(
    fc.record({
      recipients: fc.constantFrom(1, 1, 1, 1, 1, 2),
      mark: fc.constantFrom('now', 'now', 'now', 'later', 'fails'),
    }),
    { minLength: 1, maxLength: 25 },
  ),
  maxInTrain: fc.integer({ min: 2, max: 8 }),
  staysOpen: fc.boolean(),
  roundTripMs: fc.constantFrom(20, 100, 400),
});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

/** Answers each question once, or hangs up, or falls silent for good. */
function scriptOf(moods: readonly number[]): Script {
  let index = 0;
  let silent = false;
  return ({ verb, usual }: Asked): Answer => {
    const mood = moods[index % moods.length] ?? 0;
    index += 1;
    if (silent) return null;
    if (mood < 80 || (index < 8 && mood < 97)) return usual;
    if (mood >= 99) {
      silent = true;
      return null;
    }
    if (mood >= 98) return { close: '' };
    if (mood >= 97) return { close: '421 4.3.2 bye\r\n' };
    if (mood >= 96) return '421 4.7.0 slow down, and it goes on';
    if (mood >= 94 && verb !== 'BDAT') return '503 5.5.1 not behind a message';
    if (mood >= 90) return '452 4.5.3 too many';
    if (mood >= 85) return '450 4.2.0 later';
    return '550 5.1.1 no';
  };
}

function run(one: Plan): { line: LongLine; works: Work[] } {
  const line = new LongLine({ ...one, script: scriptOf(one.moods) }).connect();
  const works = one.works.map(({ recipients }, i) => {
    const names = Array.from({ length: recipients }, (_, n) => `w${i}r${n}@x.test`);
    return makeWork(BigInt(i * 10), names, { sender: `s${i}@b.test` });
  });
  const late: Work[] = [];
  for (const [i, work] of works.entries()) {
    for (let waits = 0; line.session.demand() === 'none' && waits < 6; waits += 1) {
      for (const one of late.splice(0)) line.mark(one);
      if (line.isUnderWay()) line.travel();
      else line.timeOut();
    }
    line.give(work);
    const mark = one.works[i]?.mark;
    if (mark === 'later') late.push(work);
    else line.mark(work, mark === 'now');
  }
  for (const one of late) line.mark(one);
  line.feed({ type: 'quit' });
  for (let i = 0; i < 40 && line.actions.at(-1)?.type !== 'end'; i += 1) {
    if (line.isUnderWay()) line.travel();
    else line.timeOut();
  }
  return { line, works };
}

/** Of each recipient: his one result. */
function resultsOf(line: LongLine, work: Work): Map<string, string> {
  const results = new Map<string, string>();
  for (const { id, address } of work.recipients) {
    const told = line.actions.flatMap((action) => {
      if (action.type === 'outcome' && action.outcome.recipientId === id) {
        return [action.outcome.result];
      }
      const back = action.type === 'returned' && action.work === work;
      return back && action.recipients.some((recipient) => recipient.id === id) ? ['returned'] : [];
    });
    expect(told).toHaveLength(1);
    results.set(address, told[0] ?? '');
  }
  return results;
}

test('accounting and ledger hold, and a doubt has a lost link for a reason', () => {
  let longest = 0;
  fc.assert(
    fc.property(plan, (one) => {
      const { line, works } = run(one);
      const ends = line.actions.filter(({ type }) => type === 'end');
      expect(ends).toHaveLength(1);
      const held = line.receiver.ledger.flatMap(({ sender, recipients }) =>
        recipients.map((recipient) => `${sender} ${recipient}`),
      );
      expect(new Set(held).size).toBe(held.length);
      let doubted = 0;
      for (const work of works) {
        const done = line.actions.filter(
          (action) => action.type === 'done' && action.work === work,
        );
        expect(done).toHaveLength(1);
        for (const [address, result] of resultsOf(line, work)) {
          const has = held.includes(`${work.transaction.envelopeSender} ${address}`);
          if (result === 'ambiguous') doubted += 1;
          else expect([address, result, has]).toEqual([address, result, result === 'accepted']);
        }
      }
      expect(doubted).toBeLessThanOrEqual(one.maxInTrain + 1);
      if (doubted > 0) expect(line.actions.at(-1)).not.toMatchObject({ end: null });
      longest = Math.max(longest, ...lengths(line));
    }),
    { numRuns: 1_500 },
  );
  // The plans do make trains.
  expect(longest).toBeGreaterThan(4);
});

/** Messages between two answers. */
function lengths(line: LongLine): number[] {
  const counts = [0];
  for (const action of line.actions) {
    if (action.type === 'done') counts.push(0);
    const parts = action.type === 'write' ? action.parts : [];
    const begun = parts.filter((part) => typeof part === 'string' && part.startsWith('BDAT'));
    counts.push((counts.pop() ?? 0) + begun.length);
  }
  return counts;
}

test('random bytes in the middle of a train do not throw, and the session ends', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 10 }),
      fc.nat(8),
      (chunks, count) => {
        const line = new LongLine({ extensions: [...ALL_EXTENSIONS, 'CHUNKING'] }).connect();
        line.send(makeWork(1n, ['r@x.test'])).travel(2);
        for (let n = 0; n < count; n += 1) line.send(makeWork(BigInt(n + 2), [`r${n}@x.test`]));
        for (const bytes of chunks) line.feed({ type: 'bytes', bytes });
        line.feed({ type: 'closed' });
        const returned = line.returned() === '' ? 0 : line.returned().split(' ').length;
        expect(line.outcomes().length + returned).toBe(count + 1);
        expect(line.actions.at(-1)?.type).toBe('end');
      },
    ),
    { numRuns: 500 },
  );
});
