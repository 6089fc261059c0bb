/**
 * interop/features — what the engine must be able to do with any receiver, one test each.
 *
 * The names of the tests are the rows of the table that `npm run test:interop` prints. A feature that
 * a receiver does not offer has no test there, and a dash in the table.
 */
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import {
  startCampaign,
  statesOf,
  suppressedAddresses,
  until,
  untilState,
} from '../harness/world.ts';
import type { CampaignPlan } from '../harness/world.ts';
import { describeBigMessages } from './big-messages.ts';
import { keysOf, renderAgain } from './messages.ts';
import { KEYWORDS } from './receiver.ts';
import type { Arrival, DoorName, ReceiverKind } from './receiver.ts';
import { enterRoom } from './room.ts';
import { addressesAt, closeAccounts, keywordsAt, startStand, untilArrived } from './stand.ts';
import type { Stand } from './stand.ts';
import type { Tap } from './tap.ts';
import { dkimpy, mailauth, opendkim, withOneSignatureEach } from './verifiers.ts';
import type { Verifier } from './verifiers.ts';

const PERSONAL = {
  subject: 'News for {{email}}',
  html: '<p>Dear {{email}},</p>\n<p>.</p>\n..\n<p>Grüße, 你好, {{email}}</p>',
  mode: 'parallel',
};
const SAME = {
  subject: 'Notice',
  html: '<p>The office is closed on Monday.</p>\n.\n<p>你好</p>',
  stream: 'statement',
  mode: 'single_copy',
};

export function describeReceiver(kind: ReceiverKind): void {
  describe(kind.name, () => {
    const reason = inject('missing')[kind.name];
    if (reason !== undefined) {
      test.skip(`not here: ${reason}`);
      return;
    }
    let stand: Stand | undefined;
    const started = (): Stand => {
      if (stand === undefined) throw new Error(`${kind.name} has not started`);
      return stand;
    };
    beforeAll(async () => {
      stand = await startStand(kind);
    });
    afterEach(({ task }) => {
      if (task.result?.state !== 'fail') return;
      console.log(started().room.read(kind.log).split('\n').slice(-40).join('\n'));
    });
    afterAll(() => stand?.stop());
    describeModes(kind, started);
    describeSignatures(started);
    describeExtensions(kind, started);
    describeRefusals(kind, started);
    describeBigMessages(kind, started);
    describeLateBounces(started);
  });
}

function describeModes(kind: ReceiverKind, stand: () => Stand): void {
  const title = kind.brokenTls === true ? 'parallel, broken TLS: in clear' : 'parallel, over TLS';
  test(title, async () => {
    const recipients = addressesAt(stand(), 'tls', 'parallel', 40);
    const { id, arrivals } = await send(stand(), { ...PERSONAL, recipients });
    await expectSameBytes(stand(), id, arrivals);
    expect(new Set(arrivals.map(({ sender }) => sender)).size).toBe(40);
    expect(saidByUs(stand(), 'tls')).toContain('\nSTARTTLS\n');
    const secured = await attemptsOf(stand(), id, 'tls');
    if (kind.brokenTls === true) {
      expect(secured).toEqual(Array(40).fill(null));
    } else {
      for (const tls of secured) expect(tls).toMatch(/^TLSv1\.[23] \S+$/);
      for (const { trace } of arrivals) expect(trace).toMatch(/TLS ?v?1\.[23]/);
    }
  });

  test('single copy, in clear', async () => {
    const tap = stand().taps.get('clear');
    tap?.rinse();
    const recipients = addressesAt(stand(), 'clear', 'copy', 60);
    const { id, arrivals } = await send(stand(), { ...SAME, recipients });
    await expectSameBytes(stand(), id, arrivals);
    await expectSigned(stand(), id, arrivals.slice(0, 2), mailauth);
    // Fifty recipients a copy.
    expect(saidByUs(stand(), 'clear').match(/^MAIL FROM:/gm)).toHaveLength(2);
    expect(await attemptsOf(stand(), id, 'tls')).toEqual(Array(60).fill(null));
  });

  test('500 messages over reused connections', async () => {
    const tap = stand().taps.get('tls');
    tap?.rinse();
    const recipients = addressesAt(stand(), 'tls', 'many', 500);
    const { id, arrivals } = await send(stand(), { ...PERSONAL, recipients });
    await expectSameBytes(stand(), id, arrivals);
    expect(tap?.conversations().length).toBeLessThanOrEqual(20);
  });
}

function describeSignatures(stand: () => Stand): void {
  const verify = async (name: string, verifier: Verifier): Promise<void> => {
    const recipients = addressesAt(stand(), 'tls', name, 10);
    const { id, arrivals } = await send(stand(), { ...PERSONAL, recipients });
    await expectSigned(stand(), id, arrivals, verifier);
  };
  test('DKIM, verified by mailauth', () => verify('mailauth', mailauth));
  for (const [name, make] of Object.entries({ opendkim, dkimpy })) {
    const root = inject('rooms')[name];
    const title = `DKIM, verified by ${name}`;
    if (root === undefined) test.skip(`${title}: not here: ${inject('missing')[name] ?? ''}`);
    else test(title, () => verify(name, make(enterRoom(root, []))));
  }
}

function describeExtensions(kind: ReceiverKind, stand: () => Stand): void {
  const offers = new Set(kind.offers);

  test('EHLO offers what the table says', async ({ task }) => {
    task.meta.version = inject('versions')[kind.name] ?? '';
    const greeted = await keywordsAt(stand().taps.get('clear')?.port ?? 0);
    expect(KEYWORDS.filter((keyword) => greeted.includes(keyword))).toEqual(
      KEYWORDS.filter((keyword) => offers.has(keyword)),
    );
  });

  test(offers.has('PIPELINING') ? 'PIPELINING' : 'one command at a time', async () => {
    const { turns } = await converse(stand(), 'clear', 'pipelined', 100);
    const ours = turns.filter(({ from }) => from === 'us').map(({ text }) => text);
    // The next envelope travels behind the end of a message.
    const ahead = ours.filter((text) => /^(?!MAIL)[^]*\r\nMAIL FROM:[^]*\r\nRCPT TO:/.test(text));
    expect(ahead.length > 0).toBe(offers.has('PIPELINING'));
  });

  test(offers.has('CHUNKING') ? 'CHUNKING' : 'DATA', async () => {
    const { text } = await converse(stand(), 'clear', 'chunked', 5);
    expect(/^BDAT \d+ LAST$/m.test(text)).toBe(offers.has('CHUNKING'));
    expect(/^DATA$/m.test(text)).toBe(!offers.has('CHUNKING'));
  });

  if (offers.has('CHUNKING') && offers.has('PIPELINING')) {
    test('several messages in a round trip', async () => {
      const recipients = addressesAt(stand(), 'far', 'train', 400);
      const { id, arrivals } = await send(stand(), { ...PERSONAL, recipients });
      await expectSameBytes(stand(), id, arrivals);
      expect(saidInOneTurn(stand().taps.get('far'))).toBeGreaterThan(1);
    });
  }
  if (kind.doors.includes('data')) {
    test('DATA', () => converse(stand(), 'data', 'data', 5));
  }
  if (kind.doors.includes('bare')) {
    test('no extension at all', async () => {
      const { text } = await converse(stand(), 'bare', 'bare', 5);
      expect(text).toMatch(/^MAIL FROM:<[^>]+>$/m);
      expect(text).toMatch(/^RCPT TO:<[^>]+>$/m);
    });
  }
  if (offers.has('DSN')) {
    test('DSN', async () => {
      const { text } = await converse(stand(), 'clear', 'dsn', 2);
      expect(text).toMatch(/^MAIL FROM:<[^>]+> .*RET=HDRS ENVID=dlv_[0-9a-z]+$/m);
      expect(text).toMatch(/^RCPT TO:<dsn0@[^>]+> NOTIFY=FAILURE ORCPT=rfc822;dsn0@\S+$/m);
    });
  }
  describeUtf8(kind, stand);
}

function describeUtf8(kind: ReceiverKind, stand: () => Stand): void {
  const addresses = (): string[] =>
    ['用户', 'grüße'].map((who) => `${who}@${stand().domain('tls')}`);
  if (kind.offers.includes('SMTPUTF8')) {
    test('SMTPUTF8', async () => {
      const { id, arrivals } = await send(stand(), { ...PERSONAL, recipients: addresses() });
      await expectSameBytes(stand(), id, arrivals);
    });
    return;
  }
  test('no SMTPUTF8: refused with 5.6.7', async () => {
    const id = await startCampaign(stand().world.api, { ...PERSONAL, recipients: addresses() });
    await untilState(stand().world.api, id, 'completed');
    expect(await closeAccounts(stand(), id)).toMatchObject({ accepted: 0, bounced: 2 });
    expect(await attemptsOf(stand(), id, 'enhanced_code')).toEqual(['5.6.7', '5.6.7']);
    expect(await suppressedAddresses(stand().world.api)).not.toContain(addresses()[0]);
  });
}

function describeRefusals(kind: ReceiverKind, stand: () => Stand): void {
  test('refuses at RCPT: suppressed', async () => {
    const unknown = addressesAt(stand(), 'tls', 'unknown', 3);
    const known = addressesAt(stand(), 'tls', 'known', 3);
    const id = await startCampaign(stand().world.api, {
      ...PERSONAL,
      recipients: [...unknown, ...known],
    });
    await untilState(stand().world.api, id, 'completed');
    await untilArrived(stand(), known);
    expect(await closeAccounts(stand(), id)).toMatchObject({ accepted: 3, bounced: 3 });
    const suppressed = await suppressedAddresses(stand().world.api);
    for (const address of unknown) expect(suppressed.get(address)).toBe('hard_bounce');
  });

  if (!kind.doors.includes('few')) return;
  test('too many recipients: the rest goes at once', async () => {
    const recipients = addressesAt(stand(), 'few', 'few', 50);
    const { id, arrivals } = await send(stand(), { ...SAME, recipients });
    await expectSameBytes(stand(), id, arrivals);
    expect(await attemptsOf(stand(), id, 'attempt')).toEqual(Array(50).fill(1));
  });
}

function describeLateBounces(stand: () => Stand): void {
  for (const [name, plan] of Object.entries({ parallel: PERSONAL, 'single copy': SAME })) {
    test(`accepts and bounces later, ${name}: suppressed`, async () => {
      const { api } = stand().world;
      const recipients = Array.from(
        { length: 3 },
        (_, n) => `gone.${plan.mode}${n}@${stand().domain('late')}`,
      );
      const id = await startCampaign(api, { ...plan, recipients });
      await untilState(api, id, 'completed');
      await until(async () => {
        const suppressed = await suppressedAddresses(api);
        return recipients.every((address) => suppressed.get(address) === 'hard_bounce');
      });
      expect(await closeAccounts(stand(), id, true)).toMatchObject({
        accepted: 0,
        bounced_late: 3,
      });
      expect([...(await statesOf(api, id)).values()]).toEqual(Array(3).fill('accepted'));
    });
  }
}

/** Sends, waits until all has arrived, closes the accounts. */
async function send(
  stand: Stand,
  plan: CampaignPlan,
): Promise<{ id: string; arrivals: Arrival[] }> {
  const id = await startCampaign(stand.world.api, plan);
  await untilState(stand.world.api, id, 'completed');
  const arrivals = await untilArrived(stand, plan.recipients);
  expect(await closeAccounts(stand, id)).toMatchObject({ accepted: plan.recipients.length });
  return { id, arrivals };
}

/** Personal messages through one door, and what was said on the way. */
async function converse(stand: Stand, door: DoorName, who: string, count: number) {
  stand.taps.get(door)?.rinse();
  const recipients = addressesAt(stand, door, who, count);
  const { id, arrivals } = await send(stand, { ...PERSONAL, recipients });
  await expectSameBytes(stand, id, arrivals);
  return {
    turns: (stand.taps.get(door)?.conversations() ?? []).flat(),
    text: saidByUs(stand, door),
  };
}

function saidByUs(stand: Stand, door: DoorName): string {
  const turns = (stand.taps.get(door)?.conversations() ?? []).flat();
  return turns
    .filter(({ from }) => from === 'us')
    .map(({ text }) => text.replaceAll('\r\n', '\n'))
    .join('');
}

async function expectSameBytes(stand: Stand, id: string, arrivals: Arrival[]): Promise<void> {
  const rendered = await renderAgain(stand, id, arrivals);
  for (const [index, { sender, message }] of arrivals.entries()) {
    expect(message.toString('latin1')).toBe(rendered[index]?.message.toString('latin1'));
    expect(sender).toBe(rendered[index]?.sender);
  }
}

/** Both signatures of each; and the verifier is one: it finds a changed letter. */
async function expectSigned(
  stand: Stand,
  id: string,
  arrivals: Arrival[],
  verify: Verifier,
): Promise<void> {
  const messages = arrivals.flatMap(({ message }) => withOneSignatureEach(message));
  expect(messages).toHaveLength(2 * arrivals.length);
  const keys = await keysOf(stand, id);
  expect(await verify(messages, keys)).toEqual(messages.map(() => 'pass'));
  const forged = messages.slice(0, 2).map((message) => {
    const text = message.toString('latin1').replace('Corner Shop', 'Korner Shop');
    return Buffer.from(text, 'latin1');
  });
  expect(await verify(forged, keys)).not.toContain('pass');
}

/** One column of the attempts of a campaign. */
async function attemptsOf(stand: Stand, id: string, column: string): Promise<unknown[]> {
  const values: unknown[] = [];
  const { api } = stand.world;
  for await (const delivery of api.all<{ id: string }>(`/v1/campaigns/${id}/deliveries`)) {
    const { events } = await api.get<{ events: Record<string, unknown>[] }>(
      `/v1/deliveries/${delivery.id}`,
    );
    const attempts = events.filter(({ attempt }) => attempt !== null);
    values.push(...attempts.map((event) => event[column]));
  }
  return values;
}

/** The most messages that one turn of ours held. */
function saidInOneTurn(tap: Tap | undefined): number {
  const turns = (tap?.conversations() ?? []).flat().filter(({ from }) => from === 'us');
  return Math.max(0, ...turns.map(({ text }) => text.match(/^BDAT \d+ LAST\r$/gm)?.length ?? 0));
}
