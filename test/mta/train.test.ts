/** Several messages in a round trip, over a line with time in it: who gets what, whatever is said. */
import { describe, expect, test } from 'vitest';
import type { Work } from '../../src/mta/session.ts';
import { LongLine } from './long-line.ts';
import type { LongLineOptions } from './long-line.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Answer, Asked, Script } from './receiver.ts';
import { makeWork } from './session-driver.ts';

const CHUNKING = [...ALL_EXTENSIONS, 'CHUNKING'];

/** Message `n` has recipient `n`, and a sender of its own. */
const work = (n: number, message?: string): Work =>
  makeWork(BigInt(n), [`r${n}@x.test`], {
    sender: `s${n}@b.test`,
    ...(message === undefined ? {} : { message }),
  });
const works = (from: number, to: number): Work[] =>
  Array.from({ length: to - from + 1 }, (_, i) => work(from + i));

/** A session that has sent message 1 alone, so that a train may follow. */
function warm(options: LongLineOptions = {}): LongLine {
  const line = new LongLine(options).connect().send(work(1)).travel(2);
  expect(line.summary()).toBe('1:accepted');
  return line;
}

/** `answer` to `verb` of the message with this number; what it says of RSET counts as the next one's. */
function on(verb: string, n: number, answer: Answer): Script {
  return (asked: Asked) => {
    const current = asked.verb === 'RSET' ? asked.transaction + 1 : asked.transaction;
    return asked.verb === verb && current === n ? answer : undefined;
  };
}

/** Who the receiver has, and under whose sender. */
const held = (line: LongLine): string[] =>
  line.receiver.ledger.map(({ sender, recipients }) => `${sender} ${recipients.join()}`);
const holds = (...numbers: number[]): string[] => numbers.map((n) => `s${n}@b.test r${n}@x.test`);

describe('a train', () => {
  test('eight messages, one round trip, each after the first behind RSET', () => {
    const line = warm()
      .send(...works(2, 9))
      .travel();
    expect(line.outcomes().map(({ result }) => result)).toEqual(Array(9).fill('accepted'));
    expect(held(line)).toEqual(holds(1, 2, 3, 4, 5, 6, 7, 8, 9));
    const verbs = line.receiver.transcript.map((one) => one.split(' ')[0]);
    expect(verbs.slice(5).join(' ')).toBe(
      `MAIL RCPT BDAT <39 ${Array(7).fill('RSET MAIL RCPT BDAT <39').join(' ')}`.replaceAll(
        '<39',
        verbs[4] ?? '',
      ),
    );
    expect(line.session.demand()).toBe('now');
  });

  test('asks for the next one while there is room, and sends it when it has some', () => {
    const line = warm({ maxInTrain: 3 }).send(work(2));
    expect(line.session.demand()).toBe('ahead');
    line.send(work(3), work(4));
    expect(line.session.demand()).toBe('ahead');
    line.send(work(5));
    expect(line.session.demand()).toBe('none');
    line.travel();
    expect(held(line)).toEqual(holds(1, 2, 3, 4));
    expect(held(line.travel())).toEqual(holds(1, 2, 3, 4, 5));
  });

  test.each<[string, LongLineOptions]>([
    ['on a short line', { roundTripMs: 10 }],
    ['when it is this process that is slow', { idleShare: 0.1 }],
    ['when it is switched off', { maxInTrain: 1 }],
    ['without CHUNKING', { extensions: ALL_EXTENSIONS }],
    ['with LMTP', { protocol: 'lmtp' }],
  ])('not %s', (_name, options) => {
    const line = warm(options).send(work(2), work(3));
    expect(line.session.demand()).toBe('none');
    line.travel();
    expect(held(line)).toEqual(holds(1));
    expect(line.travel(4).summary()).toBe('1:accepted 2:accepted 3:accepted');
  });

  test('a wait in which this process was busy is no word against a long line', () => {
    const options: LongLineOptions = { idleShare: 0.1 };
    const line = warm(options);
    options.idleShare = 1;
    // Idle from here on: the next wait with nothing before it tells.
    line.feed({ type: 'drained' }).send(work(2)).travel(4);
    line.send(...works(3, 6));
    expect(line.session.demand()).toBe('ahead');
    expect(held(line.travel())).toEqual(holds(1, 2, 3, 4, 5, 6));
  });

  test('not without PIPELINING', () => {
    const extensions = CHUNKING.filter((one) => one !== 'PIPELINING');
    const line = new LongLine({ extensions }).connect().send(work(1)).travel(3).send(work(2));
    expect(held(line.travel())).toEqual(holds(1));
    expect(line.session.demand()).toBe('none');
    expect(held(line.travel(2))).toEqual(holds(1, 2));
  });

  test('not for a message before BDAT was seen to work', () => {
    const line = new LongLine().connect().send(work(1));
    line.travel(2);
    expect(line.summary()).toBe('1:accepted');
    const refused = new LongLine({ script: on('BDAT', 1, '451 4.3.0 later') }).connect();
    refused.send(work(1)).travel(2).send(work(2));
    expect(refused.travel().receiver.ledger).toEqual([]);
    expect(refused.travel().summary()).toBe('1:deferred@dot(451) 2:accepted');
  });

  test('not for many recipients, nor for a big message: they wait for their turn', () => {
    const many = makeWork(20n, ['a@x.test', 'b@x.test'], { sender: 'many@b.test' });
    const line = warm().send(work(2), many).travel();
    expect(held(line)).toEqual(holds(1, 2));
    expect(line.travel().summary()).toBe('1:accepted 2:accepted 20:accepted 21:accepted');
    const big = `Subject: big\r\n\r\n${'x'.repeat(78)}\r\n`.repeat(2_000);
    const alone = warm().send(work(2), work(3, big)).travel();
    expect(held(alone)).toEqual(holds(1, 2));
    expect(alone.travel(2).summary()).toBe('1:accepted 2:accepted 3:accepted');
  });

  test('at most a megabyte at one time', () => {
    const text = `Subject: x\r\n\r\n${`${'x'.repeat(78)}\r\n`.repeat(1_500)}`;
    const line = warm({ maxInTrain: 20 });
    for (let n = 2; line.session.demand() !== 'none'; n += 1) line.send(work(n, text));
    line.travel();
    expect(line.receiver.ledger).toHaveLength(1 + Math.floor(1_048_576 / text.length));
  });

  test('not into a connection that has been quiet: it may be closed already', () => {
    const line = warm();
    line.nowMs += 1_500;
    line.send(work(2)).travel();
    expect(held(line)).toEqual(holds(1));
    line.send(work(3)).travel();
    expect(held(line)).toEqual(holds(1, 2, 3));
  });

  test('no message is written before its mark, none behind it either', () => {
    const line = warm();
    const [second, third] = [work(2), work(3)];
    line.give(second);
    expect(line.isUnderWay()).toBe(false);
    expect(line.session.deadlineMs()).not.toBe(null);
    line.give(third).mark(third).travel();
    expect(held(line)).toEqual(holds(1));
    line.mark(second).travel();
    expect(held(line)).toEqual(holds(1, 2, 3));
  });

  test('a mark that fails: not written, the others are', () => {
    const line = warm();
    const [second, third] = [work(2), work(3)];
    line.send(second).give(third).mark(third, false).send(work(4)).travel();
    expect(line.summary()).toBe('1:accepted 3:deferred@data(aborted) 2:accepted 4:accepted');
    expect(held(line)).toEqual(holds(1, 2, 4));
  });

  test('what cannot be sent is refused without a question', () => {
    const bad = makeWork(3n, ['evil\r\n@x.test'], { sender: 's3@b.test' });
    const line = warm().send(work(2), bad, work(4)).travel();
    expect(line.summary()).toBe('1:accepted 3:rejected@rcpt(bad_address) 2:accepted 4:accepted');
  });
});

describe('a refusal in the middle is of one message', () => {
  test.each<[string, string, string]>([
    ['MAIL', '451 4.7.1 not now', '3:deferred@mail(451)'],
    ['MAIL', '550 5.7.1 no', '3:rejected@mail(550)'],
    ['RCPT', '550 5.1.1 unknown', '3:rejected@rcpt(550)'],
    ['RCPT', '452 4.2.2 full', '3:deferred@rcpt(452)'],
    ['BDAT', '554 5.7.1 spam', '3:rejected@dot(554)'],
    ['BDAT', '452 4.3.1 no room', '3:deferred@dot(452)'],
  ])('%s: %s', (verb, answer, outcome) => {
    for (const staysOpen of [false, true]) {
      const line = warm({ script: on(verb, 3, answer), staysOpen });
      line.send(...works(2, 5)).travel();
      expect(line.summary()).toBe(`1:accepted 2:accepted ${outcome} 4:accepted 5:accepted`);
      expect(held(line)).toEqual(holds(1, 2, 4, 5));
      line.send(work(6), work(7)).travel(2);
      expect(held(line)).toEqual(holds(1, 2, 4, 5, 6, 7));
    }
  });

  test('of the last one: the next waits for RSET', () => {
    const line = warm({ script: on('RCPT', 3, '550 5.1.1 unknown'), staysOpen: true });
    line.send(work(2), work(3)).travel().send(work(4), work(5)).travel();
    expect(held(line)).toEqual(holds(1, 2));
    expect(held(line.travel())).toEqual(holds(1, 2, 4, 5));
  });

  test('503 behind a message: sent again, and one by one from then on', () => {
    const script: Script = ({ verb, transaction }) =>
      transaction >= (verb === 'RSET' ? 2 : 3) &&
      ['RSET', 'MAIL', 'RCPT'].includes(verb) &&
      !line.isQuiet
        ? '503 5.5.1 not behind a message'
        : undefined;
    const line = Object.assign(warm({ script: (asked) => script(asked) }), { isQuiet: false });
    line.send(...works(2, 4)).travel();
    expect(line.returned()).toBe('3/0 4/0');
    expect(held(line)).toEqual(holds(1, 2));
    line.isQuiet = true;
    line.send(work(3)).travel();
    expect(line.session.demand()).toBe('none');
    expect(held(line.travel())).toEqual(holds(1, 2, 3));
  });

  test.each<[string, Script]>([
    [
      'MAIL refused, RCPT accepted',
      (asked) => on('MAIL', 3, '550 5.7.1 no')(asked) ?? on('RCPT', 3, '250 2.1.5 ok')(asked),
    ],
    ['a message read as commands', on('MAIL', 3, '500 5.5.2 what?')],
    ['354', on('BDAT', 3, '354 go')],
    ['RSET refused', on('RSET', 3, '550 5.0.0 no')],
  ])('nothing an honest receiver says, %s: the session ends', (_name, script) => {
    const line = warm({ script })
      .send(...works(2, 5))
      .travel();
    expect(line.summary()).toBe(
      '1:accepted 2:accepted 3:ambiguous@dot(protocol_error) ' +
        '4:ambiguous@dot(protocol_error) 5:ambiguous@dot(protocol_error)',
    );
    expect(line.actions.at(-1)).toMatchObject({ type: 'end' });
  });
});

describe('421 in the middle', () => {
  test.each([
    ['RSET', '3/1 4/0 5/0', ''],
    ['MAIL', '3/1 4/0 5/0', ''],
    ['RCPT', '3/1 4/0 5/0', ''],
    ['BDAT', '4/0 5/0', ' 3:deferred@dot(421)'],
  ])('to %s, then closed: who is behind it comes back, nobody is in doubt', (verb, back, more) => {
    const line = warm({ script: on(verb, 3, { close: '421 4.3.2 enough\r\n' }) });
    line.send(...works(2, 5)).travel();
    expect(line.summary()).toBe(`1:accepted 2:accepted${more}`);
    expect(line.returned()).toBe(back);
    expect(held(line)).toEqual(holds(1, 2));
    expect(line.actions.at(-1)).toMatchObject({ type: 'end', end: { reply: { code: 421 } } });
  });

  test('which went down three times already: deferred', () => {
    const line = warm({ script: on('MAIL', 2, { close: '421 4.3.2 enough\r\n' }) });
    line.send(makeWork(2n, ['r2@x.test'], { attempts: 3 }), work(3)).travel();
    expect(line.summary()).toBe('1:accepted 2:deferred@mail(421)');
    expect(line.returned()).toBe('3/0');
  });

  test('and the receiver goes on: its answers count, nothing more is sent', () => {
    const line = warm({ script: on('RCPT', 3, '421 4.7.0 slow down') });
    line.send(...works(2, 5));
    line.give(work(6)).travel();
    expect(line.summary()).toBe('1:accepted 2:accepted 3:deferred@rcpt(421) 4:accepted 5:accepted');
    expect(line.returned()).toBe('6/0');
    expect(held(line)).toEqual(holds(1, 2, 4, 5));
    expect(line.actions.at(-1)).toMatchObject({ type: 'end' });
  });

  test('and the receiver goes on, then hangs up: what it had not answered is in doubt', () => {
    const script: Script = (asked) =>
      on('MAIL', 3, '421 4.7.0 slow')(asked) ?? on('RCPT', 4, { close: '' })(asked);
    const line = warm({ script })
      .send(...works(2, 5))
      .travel();
    expect(line.summary()).toBe(
      '1:accepted 2:accepted 3:deferred@mail(421) ' +
        '4:ambiguous@dot(421) 5:ambiguous@dot(421)'.replaceAll('421', 'connection_lost'),
    );
  });

  test('and silence: what is behind it is in doubt', () => {
    const line = warm({
      script: ({ transaction, verb }) =>
        transaction < 3 ? undefined : transaction === 3 && verb === 'MAIL' ? '421 4.7.0 x' : null,
    });
    line
      .send(...works(2, 4))
      .travel()
      .timeOut();
    expect(line.summary()).toMatch(/4:ambiguous@dot\(reply_timeout\)/);
  });
});

describe('a lost link', () => {
  test.each([
    ['RSET', '3 4 5'],
    ['MAIL', '3 4 5'],
    ['RCPT', '3 4 5'],
    ['BDAT', '3 4 5'],
  ])('at %s: all that was written and not answered is in doubt', (verb, doubted) => {
    const line = warm({ script: on(verb, 3, { close: '' }) });
    const last = work(6);
    line
      .send(...works(2, 5))
      .give(last)
      .travel();
    const inDoubt = line.outcomes().filter(({ result }) => result === 'ambiguous');
    expect(inDoubt.map(({ recipientId }) => recipientId).join(' ')).toBe(doubted);
    // It was not marked, so not written.
    expect(line.returned()).toBe('6/0');
    expect(held(line)).toEqual(holds(1, 2));
  });

  test('who was refused before is refused, not in doubt', () => {
    const script: Script = (asked) =>
      on('RCPT', 3, '550 5.1.1 unknown')(asked) ?? on('BDAT', 3, { close: '' })(asked);
    const line = warm({ script })
      .send(...works(2, 4))
      .travel();
    expect(line.summary()).toBe(
      '1:accepted 2:accepted 3:rejected@rcpt(550) 4:ambiguous@dot(connection_lost)',
    );
  });
});
