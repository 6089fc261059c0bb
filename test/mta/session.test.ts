/** The session against a scripted receiver, no sockets: what is said, and what follows from it. */
import { describe, expect, test } from 'vitest';
import { BLOCK_BYTES } from '../../src/mta/exchange.ts';
import { DEFAULT_TIMEOUTS } from '../../src/mta/timeouts.ts';
import { ALL_EXTENSIONS } from './receiver.ts';
import type { Answer, Asked, Script } from './receiver.ts';
import { Driver, makeWork, MESSAGE } from './session-driver.ts';

const one = () => makeWork(1n, ['a@x.test']);
const three = () => makeWork(1n, ['a@x.test', 'b@x.test', 'c@x.test']);
const without = (...names: string[]) =>
  ALL_EXTENSIONS.filter((extension) => !names.some((name) => extension.startsWith(name)));

/** Answers `verb` (or `RCPT2`, or `MAIL@2` for the second transaction) with `answer`. */
function on(key: string, answer: Answer): Script {
  return ({ verb, recipient, transaction }: Asked) =>
    [verb, `${verb}${recipient}`, `${verb}@${transaction}`].includes(key) ? answer : undefined;
}
const both =
  (...scripts: Script[]): Script =>
  (asked) =>
    scripts.map((script) => script(asked)).find((answer) => answer !== undefined);

describe('handshake', () => {
  test('EHLO, then ready with what is offered', () => {
    const driver = new Driver().connect();
    expect(driver.receiver.transcript).toEqual(['EHLO client.test']);
    expect(driver.actions.at(-1)).toMatchObject({ type: 'ready', capabilities: { dsn: true } });
    expect(driver.session.demand()).toBe('now');
    expect(driver.session.deadlineMs()).toBe(null);
  });

  test('HELO when EHLO is refused', () => {
    const driver = new Driver({ script: on('EHLO', '502 5.5.1 no') }).connect();
    expect(driver.receiver.transcript).toEqual(['EHLO client.test', 'HELO client.test']);
    driver.send(one());
    expect(driver.summary()).toBe('1:accepted@dot(250)');
    expect(driver.receiver.ledger[0]).toMatchObject({ mail: 'MAIL FROM:<b+token@bounce.test>' });
  });

  test.each<[string, Script, unknown]>([
    ['421 greeting', on('CONNECT', '421 4.3.2 busy'), { stage: 'greeting', reply: { code: 421 } }],
    ['554 greeting', on('CONNECT', '554 go away'), { stage: 'greeting', reply: { code: 554 } }],
    ['garbage greeting', on('CONNECT', 'hi'), { stage: 'greeting', failure: 'protocol_error' }],
    ['closed', on('CONNECT', { close: '' }), { stage: 'greeting', failure: 'connection_lost' }],
    ['EHLO 421', on('EHLO', '421 4.3.2 no'), { stage: 'ehlo', reply: { code: 421 } }],
    [
      'HELO refused too',
      both(on('EHLO', '502 no'), on('HELO', '550 no')),
      { stage: 'ehlo', reply: { code: 550 } },
    ],
  ])('fails: %s', (_name, script, end) => {
    const driver = new Driver({ script }).connect();
    expect(driver.actions.at(-1)).toMatchObject({ type: 'end', end });
    expect(driver.has('ready')).toBe(false);
  });

  test.each([
    ['CONNECT', '220 mx.test\r\n250 mx.test', 'protocol_error', null],
    ['CONNECT', '220 mx.test\r\n421 4.3.2 busy', null, 421],
    ['EHLO', '500 what?\r\n250 mx.test', 'protocol_error', null],
  ])(
    'a reply to what was not asked yet, %s %j, is not taken for its answer',
    (verb, reply, failure, code) => {
      const script: Script = (asked) => (asked.verb === verb ? reply : undefined);
      const driver = new Driver({ script }).connect();
      expect(driver.has('ready')).toBe(false);
      const [end] = driver.actions.flatMap((action) => (action.type === 'end' ? [action.end] : []));
      expect(end?.failure ?? null).toBe(failure);
      expect(end?.reply?.code ?? null).toBe(code);
    },
  );

  test('silence is a timeout of its stage', () => {
    const driver = new Driver({ script: on('CONNECT', null) }).connect();
    expect(driver.session.deadlineMs()).toBe(driver.nowMs + DEFAULT_TIMEOUTS.greetingMs);
    driver.timeOut();
    expect(driver.actions.at(-1)).toMatchObject({
      end: { stage: 'greeting', failure: 'reply_timeout' },
    });
  });

  test('a reply that comes drop by drop does not prolong the timeout', () => {
    const driver = new Driver({ script: on('CONNECT', null) }).connect();
    const deadline = driver.session.deadlineMs();
    driver.nowMs += 60_000;
    driver.feed({ type: 'bytes', bytes: Buffer.from('220-hel') });
    expect(driver.session.deadlineMs()).toBe(deadline);
  });
});

describe('STARTTLS', () => {
  const extensions = [...ALL_EXTENSIONS, 'STARTTLS'];

  test('when offered; EHLO again inside', () => {
    const driver = new Driver({ extensions }).connect();
    expect(driver.receiver.transcript).toEqual([
      'EHLO client.test',
      'STARTTLS',
      'EHLO client.test',
    ]);
    driver.send(one());
    expect(driver.outcomes()[0]).toMatchObject({ result: 'accepted', tls: 'TLSv1.3 TEST' });
  });

  test('not when the host is known to be broken', () => {
    const driver = new Driver({ extensions, tls: 'none' }).connect().send(one());
    expect(driver.outcomes()[0]).toMatchObject({ result: 'accepted', tls: null });
  });

  test('refused: goes on in clear', () => {
    const script = on('STARTTLS', '454 4.7.0 not now');
    const driver = new Driver({ extensions, script }).connect().send(one());
    expect(driver.outcomes()[0]).toMatchObject({ result: 'accepted', tls: null });
  });

  test.each<[string, readonly string[], Script, unknown]>([
    ['not offered', ALL_EXTENSIONS, () => undefined, { stage: 'starttls', failure: 'tls_failed' }],
    ['HELO only', [], on('EHLO', '502 no'), { stage: 'starttls', failure: 'tls_failed' }],
    ['refused', extensions, on('STARTTLS', '454 no'), { stage: 'starttls', reply: { code: 454 } }],
  ])('required, and %s: no mail', (_name, offered, script, end) => {
    for (const tls of ['required', 'verified'] as const) {
      const driver = new Driver({ extensions: offered, script, tls }).connect();
      expect(driver.actions.at(-1)).toMatchObject({ type: 'end', end });
      expect(driver.has('ready')).toBe(false);
    }
  });

  test('required, and given', () => {
    const driver = new Driver({ extensions, tls: 'required' }).connect().send(one());
    expect(driver.outcomes()[0]).toMatchObject({ result: 'accepted', tls: 'TLSv1.3 TEST' });
  });

  test('REQUIRETLS: asked for in MAIL when it is offered inside TLS', () => {
    const offered = [...extensions, 'REQUIRETLS'];
    const driver = new Driver({ extensions: offered, tls: 'verified', requireTls: true });
    driver.connect().send(one());
    expect(driver.receiver.ledger[0]?.mail).toContain(' REQUIRETLS');
    expect(driver.summary()).toBe('1:accepted@dot(250)');
  });

  test('REQUIRETLS: no mail to a host that offers it in clear only', () => {
    const script: Script = ({ verb, tls }) =>
      verb === 'EHLO' && !tls ? '250-mx.test\r\n250-STARTTLS\r\n250 REQUIRETLS' : undefined;
    const driver = new Driver({ extensions, script, tls: 'verified', requireTls: true }).connect();
    expect(driver.actions.at(-1)).toMatchObject({
      type: 'end',
      end: { stage: 'ehlo', failure: 'requiretls_unsupported' },
    });
    expect(driver.has('ready')).toBe(false);
  });

  test('capabilities of the clear part are forgotten', () => {
    const script: Script = ({ verb, tls }) => (verb === 'EHLO' && tls ? '250 mx.test' : undefined);
    const driver = new Driver({ extensions, script }).connect().send(one());
    expect(driver.receiver.ledger[0]?.mail).toBe('MAIL FROM:<b+token@bounce.test>');
  });

  test.each([
    ['a whole reply', '220 go\r\n250 injected\r\n'],
    ['half a reply', '220 go\r\n250-inj'],
    ['garbage', '220 go\r\nxyz\r\n'],
  ])('anything after the go-ahead in clear ends the session: %s', (_name, text) => {
    const script = on('STARTTLS', { raw: Buffer.from(text) });
    const driver = new Driver({ extensions, script }).connect();
    expect(driver.actions.at(-1)).toMatchObject({
      end: { stage: 'starttls', failure: 'tls_failed' },
    });
    expect(driver.has('ready')).toBe(false);
  });
});

describe('XVERP', () => {
  const work = (addresses: string[], xverp = true) => makeWork(1n, addresses, { xverp });
  test.each([
    ['offered and wanted', [...ALL_EXTENSIONS, 'XVERP'], work(['a@x.test', 'b@x.test']), true],
    ['not offered', ALL_EXTENSIONS, work(['a@x.test']), false],
    ['not wanted', [...ALL_EXTENSIONS, 'XVERP'], work(['a@x.test'], false), false],
    [
      'a local part too long',
      [...ALL_EXTENSIONS, 'XVERP'],
      work([`${'a'.repeat(60)}@x.test`]),
      false,
    ],
  ])('%s', (_name, extensions, given, asked) => {
    const driver = new Driver({ extensions }).connect().send(given);
    expect(driver.receiver.ledger[0]?.mail.endsWith(' XVERP')).toBe(asked);
  });
});

describe('one transaction', () => {
  test('pipelined: MAIL, RCPT and DATA are one write; message and dot another', () => {
    const driver = new Driver().connect().send(three());
    expect(driver.writes).toEqual([
      'EHLO client.test\r\n',
      `MAIL FROM:<b+token@bounce.test> SIZE=${MESSAGE.length} RET=HDRS ENVID=cmp+2B1\r\n` +
        'RCPT TO:<a@x.test> NOTIFY=FAILURE ORCPT=rfc822;a@x.test\r\n' +
        'RCPT TO:<b@x.test> NOTIFY=FAILURE ORCPT=rfc822;b@x.test\r\n' +
        'RCPT TO:<c@x.test> NOTIFY=FAILURE ORCPT=rfc822;c@x.test\r\nDATA\r\n',
      `Subject: hi\r\n\r\nHello\r\n...dots\r\n..\r\nbye\r\n.\r\n`,
    ]);
    expect(driver.summary()).toBe('1:accepted@dot(250) 2:accepted@dot(250) 3:accepted@dot(250)');
    expect(driver.receiver.ledger[0]?.content.toString()).toBe(MESSAGE);
    expect(driver.actions.at(-1)).toMatchObject({ type: 'done' });
  });

  test('not pipelined: one command at a time', () => {
    const driver = new Driver({ extensions: [] }).connect().send(three());
    expect(driver.writes.slice(1, -1)).toEqual([
      'MAIL FROM:<b+token@bounce.test>\r\n',
      'RCPT TO:<a@x.test>\r\n',
      'RCPT TO:<b@x.test>\r\n',
      'RCPT TO:<c@x.test>\r\n',
      'DATA\r\n',
    ]);
    expect(driver.receiver.ledger).toHaveLength(1);
  });

  test.each<[string, Script, string]>([
    ['MAIL refused', on('MAIL', '550 5.7.1 no'), '1:rejected@mail(550) 2:rejected@mail(550)'],
    ['MAIL deferred', on('MAIL', '450 4.7.1 no'), '1:deferred@mail(450) 2:deferred@mail(450)'],
    ['one RCPT', on('RCPT1', '550 5.1.1 who'), '1:rejected@rcpt(550) 2:accepted@dot(250)'],
    ['one RCPT later', on('RCPT2', '450 4.2.1 x'), '2:deferred@rcpt(450) 1:accepted@dot(250)'],
    ['all RCPTs', on('RCPT', '550 5.1.1 who'), '1:rejected@rcpt(550) 2:rejected@rcpt(550)'],
    ['DATA refused', on('DATA', '554 5.7.1 no'), '1:rejected@data(554) 2:rejected@data(554)'],
    ['content refused', on('DOT', '554 5.7.1 spam'), '1:rejected@dot(554) 2:rejected@dot(554)'],
    ['content deferred', on('DOT', '451 4.3.0 x'), '1:deferred@dot(451) 2:deferred@dot(451)'],
    ['251 is a yes', on('RCPT', '251 forwards'), '1:accepted@dot(250) 2:accepted@dot(250)'],
  ])('%s', (_name, script, summary) => {
    for (const extensions of [ALL_EXTENSIONS, without('PIPELINING')]) {
      const driver = new Driver({ script, extensions }).connect();
      driver.send(makeWork(1n, ['a@x.test', 'b@x.test']));
      expect(driver.summary()).toBe(summary);
      // Whatever it was, the next message goes through on the same connection.
      expect(driver.session.demand()).toBe('now');
    }
  });

  test('after a transaction that did not reach its dot, RSET comes first', () => {
    for (const extensions of [ALL_EXTENSIONS, []]) {
      const script = on('RCPT@1', '550 no');
      const driver = new Driver({ script, extensions }).connect().send(one()).send(one());
      expect(driver.summary()).toBe('1:rejected@rcpt(550) 1:accepted@dot(250)');
      expect(driver.receiver.transcript.filter((line) => line === 'RSET')).toHaveLength(1);
    }
  });

  test('after a dot, no RSET', () => {
    const driver = new Driver().connect().send(one()).send(one());
    expect(driver.receiver.transcript).not.toContain('RSET');
    expect(driver.receiver.ledger).toHaveLength(2);
  });

  test('354 without a recipient is answered by a lone dot', () => {
    const script = both(on('RCPT', '550 no'), on('DATA', '354 go on'));
    const driver = new Driver({ script }).connect().send(one());
    expect(driver.writes.at(-1)).toBe('.\r\n');
    expect(driver.summary()).toBe('1:rejected@rcpt(550)');
    driver.send(makeWork(5n, ['z@x.test']));
    expect(driver.receiver.ledger).toEqual([]);
    expect(driver.session.demand()).toBe('now');
  });

  test('MAIL refused, but RCPT and DATA granted: hung up, nobody gets an empty message', () => {
    const script = both(on('MAIL', '550 no'), on('RCPT', '250 ok'), on('DATA', '354 go'));
    const driver = new Driver({ script }).connect().send(one());
    expect(driver.summary()).toBe('1:rejected@mail(550)');
    expect(driver.actions.at(-1)).toMatchObject({ type: 'end' });
    expect(driver.writes.join('')).not.toContain('\r\n.\r\n');
  });

  test('without DSN and SIZE nothing of them is said', () => {
    const driver = new Driver({ extensions: ['PIPELINING'] }).connect().send(one());
    expect(driver.receiver.ledger[0]).toMatchObject({
      mail: 'MAIL FROM:<b+token@bounce.test>',
      rcpts: ['RCPT TO:<a@x.test>'],
    });
  });

  test('over the SIZE limit: refused without asking', () => {
    const driver = new Driver({ extensions: ['PIPELINING', 'SIZE 10'] }).connect().send(one());
    expect(driver.summary()).toBe('1:rejected@mail(too_large)');
    expect(driver.receiver.transcript).toEqual(['EHLO client.test']);
  });

  test('8-bit text needs 8BITMIME, and says so', () => {
    const work = () => makeWork(1n, ['a@x.test'], { message: 'Subject: é\r\n\r\n' });
    const driver = new Driver().connect().send(work());
    expect(driver.receiver.ledger[0]?.mail).toContain(' BODY=8BITMIME');
    const seven = new Driver({ extensions: without('8BITMIME') }).connect().send(work());
    expect(seven.summary()).toBe('1:rejected@mail(eight_bit_unsupported)');
  });

  test('an address beyond ASCII needs SMTPUTF8; the others of the message do not suffer', () => {
    const work = () => makeWork(1n, ['用户@x.test', 'b@x.test']);
    const driver = new Driver().connect().send(work());
    expect(driver.receiver.ledger[0]?.mail).toContain(' SMTPUTF8');
    const ascii = new Driver({ extensions: without('SMTPUTF8') }).connect().send(work());
    expect(ascii.summary()).toBe('1:rejected@rcpt(smtputf8_unsupported) 2:accepted@dot(250)');
  });

  test('an address with a line break never reaches the wire', () => {
    const driver = new Driver().connect();
    driver.send(makeWork(1n, ['a@x.test>\r\nRCPT TO:<evil@x.test', 'b@x.test']));
    expect(driver.summary()).toBe('1:rejected@rcpt(bad_address) 2:accepted@dot(250)');
    driver.send(makeWork(3n, ['c@x.test'], { sender: 'a@x.test>\r\nRSET' }));
    expect(driver.summary()).toMatch(/3:rejected@mail\(render_failed\)$/);
    expect(driver.writes.join('')).not.toMatch(/evil|RSET/);
  });

  test('a message that could hide another one is refused', () => {
    const driver = new Driver().connect();
    driver.send(makeWork(1n, ['a@x.test'], { message: 'a\n.\r\nMAIL FROM:<evil@x.test>\r\n' }));
    expect(driver.summary()).toBe('1:rejected@mail(render_failed)');
  });
});

describe('too many recipients', () => {
  const limit =
    (k: number, reply: string): Script =>
    ({ verb, recipient }) =>
      verb === 'RCPT' && recipient > k ? reply : undefined;

  test.each(['452 4.5.3 too many', '452 Too many recipients', '552 5.5.3 x', '451 4.5.3 x'])(
    'k is learned and the rest comes back: %s',
    (reply) => {
      const driver = new Driver({ script: limit(2, reply) }).connect().send(three());
      expect(driver.summary()).toBe('1:accepted@dot(250) 2:accepted@dot(250)');
      expect(driver.returned()).toBe('3/0');
      expect(driver.actions).toContainEqual({ type: 'learned', maxRecipients: 2 });
    },
  );

  test('a receiver that counts those it refused as well: they belong to k', () => {
    const script: Script = ({ verb, recipient }) => {
      if (verb !== 'RCPT' || recipient === 2) return undefined;
      return recipient === 1 ? '550 5.1.1 unknown' : '452 4.5.3 too many';
    };
    const driver = new Driver({ script }).connect().send(three());
    expect(driver.summary()).toBe('1:rejected@rcpt(550) 2:accepted@dot(250)');
    expect(driver.returned()).toBe('3/0');
    expect(driver.actions).toContainEqual({ type: 'learned', maxRecipients: 2 });
  });

  test('for the first recipient it is an ordinary deferral', () => {
    const driver = new Driver({ script: limit(0, '452 4.5.3 too many') }).connect().send(three());
    expect(driver.summary()).toBe('1:deferred@rcpt(452) 2:deferred@rcpt(452) 3:deferred@rcpt(452)');
  });

  test('a full mailbox is no limit', () => {
    const driver = new Driver({ script: limit(2, '452 4.2.2 full') }).connect().send(three());
    expect(driver.summary()).toContain('3:deferred@rcpt(452)');
    expect(driver.has('learned')).toBe(false);
  });

  test.each([
    ['LIMITS RCPTMAX', [...ALL_EXTENSIONS, 'LIMITS RCPTMAX=2'], null],
    ['what another session learned', ALL_EXTENSIONS, 2],
  ])('%s is kept to', (_name, extensions, maxRecipients) => {
    const driver = new Driver({ extensions }).connect().send(three(), maxRecipients);
    expect(driver.receiver.ledger[0]?.recipients).toEqual(['a@x.test', 'b@x.test']);
    expect(driver.returned()).toBe('3/0');
  });
});

describe('one answer for many after RCPT took them all', () => {
  test.each([
    ['DATA', '550 5.1.1 User unknown'],
    ['DOT', '550 5.1.1 User unknown'],
    ['DOT', '552 5.2.2 Mailbox full'],
  ])('what is true of one only, %s %s: each goes again by himself', (verb, reply) => {
    const script: Script = (asked) => (asked.verb === verb ? reply : undefined);
    const driver = new Driver({ script }).connect().send(three());
    expect(driver.summary()).toBe('');
    expect(driver.returned()).toBe('1/0 2/0 3/0');
    expect(driver.actions.filter(({ type }) => type === 'returned')).toHaveLength(3);
    driver.send(makeWork(9n, ['a@x.test']));
    expect(driver.outcomes().map(({ result, shared }) => [result, shared])).toEqual([
      ['rejected', undefined],
    ]);
  });

  test.each(['554 5.7.1 spam', '550 Account disabled', '550 5.1.8 bad sender', '450 4.2.1 later'])(
    'what may be true of all, %s: decides for all, and says that it did',
    (reply) => {
      const script: Script = ({ verb }) => (verb === 'DOT' ? reply : undefined);
      const driver = new Driver({ script }).connect().send(three());
      expect(driver.returned()).toBe('');
      expect(driver.outcomes().map(({ shared }) => shared)).toEqual([true, true, true]);
    },
  );

  test('LMTP answers one by one', () => {
    const script: Script = ({ verb }) => (verb === 'DOT' ? '550 5.1.1 User unknown' : undefined);
    const driver = new Driver({ script, protocol: 'lmtp' }).connect().send(three());
    expect(driver.outcomes().map(({ shared }) => shared)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('the write-ahead mark', () => {
  test.each([
    ['DATA', ALL_EXTENSIONS],
    ['BDAT', [...ALL_EXTENSIONS, 'CHUNKING']],
    ['DATA, not pipelined', []],
  ])('the dot waits for it: %s', (_name, extensions) => {
    const driver = new Driver({ mark: false, extensions }).connect();
    const work = one();
    driver.send(work);
    expect(driver.receiver.transcript.join()).not.toContain('bytes');
    expect(driver.session.deadlineMs()).toBe(driver.nowMs + DEFAULT_TIMEOUTS.blockMs);
    driver.feed({ type: 'marked', work, durable: true });
    expect(driver.summary()).toBe('1:accepted@dot(250)');
  });

  test.each([
    ['DATA is granted: hung up', ALL_EXTENSIONS, true],
    ['BDAT: RSET', [...ALL_EXTENSIONS, 'CHUNKING'], false],
  ])('it fails after %s', (_name, extensions, ended) => {
    const driver = new Driver({ mark: false, extensions }).connect();
    const work = three();
    driver.send(work);
    driver.feed({ type: 'marked', work, durable: false });
    expect(driver.summary()).toBe(
      '1:deferred@data(aborted) 2:deferred@data(aborted) 3:deferred@data(aborted)',
    );
    expect(driver.receiver.ledger).toEqual([]);
    expect(driver.has('end')).toBe(ended);
    if (ended) return;
    const next = makeWork(9n, ['z@x.test']);
    driver.send(next);
    driver.feed({ type: 'marked', work: next, durable: true });
    expect(driver.receiver.ledger).toHaveLength(1);
    expect(driver.receiver.transcript).toContain('RSET');
  });

  test('it fails before MAIL is answered', () => {
    const driver = new Driver({ mark: false, script: on('MAIL', null), extensions: [] }).connect();
    const work = one();
    driver.send(work);
    driver.feed({ type: 'marked', work, durable: false });
    driver.feed({ type: 'bytes', bytes: Buffer.from('250 ok\r\n') });
    expect(driver.summary()).toBe('1:deferred@data(aborted)');
    expect(driver.session.demand()).toBe('now');
  });

  test('never settles: aborted after the block timeout', () => {
    const driver = new Driver({ mark: false }).connect();
    driver.send(one());
    driver.timeOut();
    expect(driver.summary()).toBe('1:deferred@data(aborted)');
    expect(driver.has('end')).toBe(true);
  });
});

describe('across messages', () => {
  test('the next envelope is in the write of the dot', () => {
    const driver = new Driver({ mark: false }).connect();
    const [first, second] = [one(), makeWork(2n, ['b@x.test'])];
    driver.send(first);
    expect(driver.session.demand()).toBe('ahead');
    driver.send(second);
    expect(driver.session.demand()).toBe('none');
    driver.feed({ type: 'marked', work: first, durable: true });
    expect(driver.writes[2]).toMatch(/bye\r\n\.\r\nMAIL FROM.*\r\nRCPT TO:<b@.*\r\nDATA\r\n$/);
    driver.feed({ type: 'marked', work: second, durable: true });
    expect(driver.summary()).toBe('1:accepted@dot(250) 2:accepted@dot(250)');
    expect(driver.receiver.ledger).toHaveLength(2);
  });

  /** Both works are on the wire: the first with its dot, the second with its envelope. */
  function inFlight(script: Script, extensions: readonly string[] = ALL_EXTENSIONS): Driver {
    const driver = new Driver({ mark: false, script, extensions }).connect();
    const [first, second] = [one(), makeWork(2n, ['b@x.test'])];
    driver.send(first);
    driver.send(second);
    driver.feed({ type: 'marked', work: first, durable: true });
    driver.feed({ type: 'marked', work: second, durable: true });
    return driver;
  }

  test.each<[string, Script, string, string]>([
    ['refused dot', on('DOT@1', '554 no'), '1:rejected@dot(554) 2:accepted@dot(250)', ''],
    ['421 to the dot', on('DOT', '421 4.3.2 bye'), '1:deferred@dot(421)', '2/1'],
    ['lost at the dot', on('DOT', { close: '' }), '1:ambiguous@dot(connection_lost)', '2/1'],
    ['garbage', on('DOT', 'what'), '1:ambiguous@dot(protocol_error)', '2/1'],
    ['354 for the dot', on('DOT', '354 go'), '1:ambiguous@dot(protocol_error)', '2/1'],
    ['421 to MAIL', on('MAIL@2', '421 4.7.0 enough'), '1:accepted@dot(250)', '2/1'],
    ['closed at MAIL', on('MAIL@2', { close: '' }), '1:accepted@dot(250)', '2/1'],
    [
      'one reply too many',
      on('DOT@1', '250 a\r\n250 b'),
      '1:accepted@dot(250) 2:deferred@data(protocol_error)',
      '',
    ],
  ])('%s', (_name, script, summary, returned) => {
    const driver = inFlight(script);
    expect(driver.summary()).toBe(summary);
    expect(driver.returned()).toBe(returned);
  });

  test.each([
    ['leaves one out', null],
    ['says one twice', '250 2.1.5 ok\r\n250 2.1.5 ok'],
  ])('a receiver that %s among its replies to RCPT blames nobody', (_how, answer) => {
    const script = both(on('RCPT1', answer), on('RCPT2', '550 5.1.1 who'));
    const work = makeWork(1n, ['a@x.test', 'b@x.test', 'c@x.test']);
    const driver = new Driver({ script }).connect().send(work);
    const outcomes = driver.summary().split(' ');
    expect(outcomes).toHaveLength(3);
    expect(outcomes.every((one) => /deferred@\w+\(protocol_error\)/.test(one))).toBe(true);
  });

  test('a receiver that leaves out the reply to the dot is found out by its 354', () => {
    const driver = inFlight(on('DOT', null));
    expect(driver.summary()).toBe('1:accepted@dot(250) 2:deferred@rcpt(protocol_error)');
  });

  test('a receiver that refuses what comes behind a dot costs nobody his mail', () => {
    const behind: Script = ({ verb, transaction }) =>
      transaction === 2 && ['MAIL', 'RCPT', 'DATA'].includes(verb) ? '503 pipelined' : undefined;
    const driver = inFlight(behind);
    expect(driver.summary()).toBe('1:accepted@dot(250)');
    expect(driver.returned()).toBe('2/0');
    // From now on one after the other.
    expect(driver.session.demand()).toBe('now');
    const again = makeWork(2n, ['b@x.test']);
    driver.send(again);
    expect(driver.session.demand()).toBe('none');
    driver.feed({ type: 'marked', work: again, durable: true });
    expect(driver.summary()).toBe('1:accepted@dot(250) 2:accepted@dot(250)');
  });

  test('503 to a MAIL that was sent by itself is the answer', () => {
    const driver = new Driver({ script: on('MAIL', '503 no') }).connect().send(one());
    expect(driver.summary()).toBe('1:rejected@mail(503)');
    expect(driver.returned()).toBe('');
  });

  test('BDAT carries the message and the next MAIL', () => {
    const driver = inFlight(() => undefined, [...ALL_EXTENSIONS, 'CHUNKING']);
    expect(driver.receiver.ledger).toHaveLength(2);
    expect(driver.receiver.ledger[1]?.content.toString()).toBe(MESSAGE);
    expect(driver.writes[2]).toMatch(/^BDAT \d+ LAST\r\n[^]*bye\r\nMAIL FROM/);
  });

  test('a work that has been given back three times is not given back again', () => {
    const script = both(on('MAIL@2', { close: '' }));
    const driver = new Driver({ script }).connect().send(one());
    driver.send(makeWork(2n, ['b@x.test'], { attempts: 3 }));
    expect(driver.summary()).toBe('1:accepted@dot(250) 2:deferred@mail(connection_lost)');
  });

  test('without pipelining nothing is taken ahead', () => {
    const driver = new Driver({ mark: false, extensions: [] }).connect().send(one());
    expect(driver.session.demand()).toBe('none');
    driver.send(makeWork(2n, ['b@x.test']));
    expect(driver.returned()).toBe('2/0');
  });
});

describe('the link breaks', () => {
  test.each<[string, Script, string]>([
    ['at MAIL', on('MAIL', { close: '' }), '1:deferred@mail(connection_lost)'],
    ['at RCPT', on('RCPT', { close: '' }), '1:deferred@rcpt(connection_lost)'],
    ['at DATA', on('DATA', { close: '' }), '1:deferred@data(connection_lost)'],
    ['after the dot', on('DOT', { close: '' }), '1:ambiguous@dot(connection_lost)'],
    ['half a reply to the dot', on('DOT', { close: '250' }), '1:ambiguous@dot(connection_lost)'],
    ['421 at MAIL', on('MAIL', '421 4.7.0 x'), '1:deferred@mail(421)'],
    ['421 at RCPT', on('RCPT', '421 4.7.0 x'), '1:deferred@rcpt(421)'],
    ['421 at DATA', on('DATA', '421 4.7.0 x'), '1:deferred@data(421)'],
    ['421 at the dot', on('DOT', '421 4.7.0 x'), '1:deferred@dot(421)'],
    ['garbage at RCPT', on('RCPT', '???'), '1:deferred@rcpt(protocol_error)'],
    ['garbage at the dot', on('DOT', '???'), '1:ambiguous@dot(protocol_error)'],
    ['354 to RCPT', on('RCPT', '354 go'), '1:deferred@rcpt(protocol_error)'],
    ['250 to DATA', on('DATA', '250 ok'), '1:deferred@data(protocol_error)'],
  ])('%s', (_name, script, summary) => {
    for (const extensions of [ALL_EXTENSIONS, []]) {
      const driver = new Driver({ script, extensions }).connect().send(one());
      expect(driver.summary()).toBe(summary);
      expect(driver.actions.at(-1)).toMatchObject({ type: 'end' });
    }
  });

  test.each([
    ['MAIL', 'mailMs', '1:deferred@mail(reply_timeout)'],
    ['RCPT', 'rcptMs', '1:deferred@rcpt(reply_timeout)'],
    ['DATA', 'dataMs', '1:deferred@data(reply_timeout)'],
    ['DOT', 'dotMs', '1:ambiguous@dot(reply_timeout)'],
  ] as const)('silence at %s', (verb, timeout, summary) => {
    const driver = new Driver({ script: on(verb, null), extensions: [] }).connect().send(one());
    expect(driver.session.deadlineMs()).toBe(driver.nowMs + DEFAULT_TIMEOUTS[timeout]);
    driver.timeOut();
    expect(driver.summary()).toBe(summary);
  });

  test('421 with nothing asked ends an idle session quietly', () => {
    const driver = new Driver().connect().send(one());
    driver.feed({ type: 'bytes', bytes: Buffer.from('421 4.4.2 timeout\r\n') });
    expect(driver.actions.at(-1)).toMatchObject({ end: { reply: { code: 421 } } });
    const late = makeWork(7n, ['z@x.test']);
    driver.send(late);
    expect(driver.returned()).toBe('7/0');
  });

  test('a recipient refused before the break keeps his own answer', () => {
    const script = both(on('RCPT1', '550 5.1.1 who'), on('DATA', { close: '' }));
    const driver = new Driver({ script }).connect().send(makeWork(1n, ['a@x.test', 'b@x.test']));
    expect(driver.summary()).toBe('1:rejected@rcpt(550) 2:deferred@data(connection_lost)');
  });
});

describe('a big message', () => {
  const big = Buffer.from(`Subject: big\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(5_000)}`);

  test('leaves in blocks, and arrives whole', () => {
    for (const extensions of [ALL_EXTENSIONS, [...ALL_EXTENSIONS, 'CHUNKING']]) {
      const driver = new Driver({ extensions }).connect();
      driver.send(makeWork(1n, ['a@x.test'], { message: big }));
      expect(driver.summary()).toBe('1:accepted@dot(250)');
      expect(driver.receiver.ledger[0]?.content.equals(big)).toBe(true);
      const drains = driver.actions.filter((action) => action.type === 'write' && action.drain);
      expect(drains).toHaveLength(Math.floor(big.length / BLOCK_BYTES));
    }
  });

  test('an answer in the middle decides, and a loss in the middle is not ambiguous', () => {
    for (const [bytes, summary] of [
      ['552 5.3.4 too big\r\n', '1:rejected@data(552)'],
      ['421 4.3.2 bye\r\n', '1:deferred@data(421)'],
      ['250 ok\r\n', '1:deferred@data(protocol_error)'],
      [null, '1:deferred@data(connection_lost)'],
    ] as const) {
      const session = new Driver({ mark: false }).connect();
      const work = makeWork(1n, ['a@x.test'], { message: big });
      session.send(work);
      // One block only: the test holds `drained` back.
      const actions = session.session.handle({ type: 'marked', work, durable: true }, 0);
      expect(actions.map((action) => action.type)).toEqual(['write']);
      session.feed(
        bytes === null ? { type: 'closed' } : { type: 'bytes', bytes: Buffer.from(bytes) },
      );
      expect(session.summary()).toBe(summary);
    }
  });
});

describe('quit', () => {
  test('when idle at once, and the reply ends it', () => {
    const driver = new Driver().connect();
    driver.feed({ type: 'quit' });
    expect(driver.receiver.transcript.at(-1)).toBe('QUIT');
    expect(driver.actions.at(-1)).toEqual({ type: 'end', end: null });
    expect(driver.actions.filter((action) => action.type === 'end')).toHaveLength(1);
  });

  test('after the work under way', () => {
    const driver = new Driver({ mark: false }).connect();
    const work = one();
    driver.send(work);
    driver.feed({ type: 'quit' });
    expect(driver.session.demand()).toBe('none');
    driver.feed({ type: 'marked', work, durable: true });
    expect(driver.summary()).toBe('1:accepted@dot(250)');
    expect(driver.receiver.transcript.at(-1)).toBe('QUIT');
  });

  test.each<[string, Answer]>([
    ['bytes after the reply', '221 bye\r\nxx\r\nyy'],
    ['silence', null],
    ['a hang-up', { close: '' }],
  ])('%s is no matter', (_name, answer) => {
    const driver = new Driver({ script: on('QUIT', answer) }).connect();
    driver.feed({ type: 'quit' });
    if (!driver.has('end')) driver.timeOut();
    expect(driver.actions.at(-1)).toEqual({ type: 'end', end: null });
  });
});
