/**
 * What the range says beforehand of an address is what its servers do: for every fate, in the manner
 * of every provider, one recipient a transaction or fifty, on many addresses or on one.
 */
import { SMTPServer } from 'smtp-server';
import { afterEach, describe, expect, test } from 'vitest';
import { BEHAVIOURS } from '../../src/range/behaviour.ts';
import { DEFAULT_PROFILES } from '../../src/range/default-world.ts';
import { FATES, fateFacts } from '../../src/range/fate.ts';
import type { End } from '../../src/range/fate.ts';
import { FAMILIES, profile } from '../../src/range/profile.ts';
import { startRange } from '../../src/range/range.ts';
import type { Range, RangeOptions } from '../../src/range/range.ts';
import { generateRecipients } from '../../src/range/recipients.ts';
import { domainOf } from '../../src/range/world.ts';
import { message } from './client.ts';
import { attempt } from './sender.ts';

interface Returned {
  kind: 'dsn' | 'complaint';
  to: string;
}

let time = Date.parse('2030-01-01T00:00:00Z');
let range: Range | undefined;
let listener: SMTPServer | undefined;

afterEach(async () => {
  await range?.stop();
  await new Promise<void>((resolve) => {
    if (listener === undefined) resolve();
    else listener.close(() => resolve());
  });
});

/** Recipient -> what came back about it. */
async function listen(): Promise<{ returned: Map<string, Returned>; port: number }> {
  const returned = new Map<string, Returned>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData(stream, session, callback) {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      stream.on('end', () => {
        const to = session.envelope.rcptTo[0]?.address ?? '';
        const failed = /^Final-Recipient: rfc822; (\S+)\r\n/m.exec(text)?.[1];
        const complains = /^Original-Rcpt-To: <(\S+)>\r\n/m.exec(text)?.[1];
        if (failed !== undefined) returned.set(failed, { kind: 'dsn', to });
        if (complains !== undefined) returned.set(complains, { kind: 'complaint', to });
        callback();
      });
    },
  });
  listener = server;
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.server.address();
  return { returned, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

interface History {
  end: End;
  deferrals: number;
}

const ROUNDS = 8;

/** Sends to all, again and again while they are deferred; two seconds pass between the rounds. */
async function campaign(
  world: Range,
  addresses: readonly string[],
  copySize: number,
): Promise<{ histories: Map<string, History>; senders: Map<string, string> }> {
  const histories = new Map<string, History>();
  const senders = new Map<string, string>();
  const deferrals = new Map<string, number>();
  let open = [...addresses];
  for (let round = 0; round < ROUNDS && open.length > 0; round += 1) {
    const domains = Map.groupBy(open, domainOf);
    const results = await Promise.all(
      [...domains].map(([domain, recipients]) => {
        const transactions = [];
        for (let at = 0; at < recipients.length; at += copySize) {
          const group = recipients.slice(at, at + copySize);
          const sender = `b+${domain}-${round}-${at}@bounce.example`;
          for (const recipient of group) senders.set(recipient, sender);
          transactions.push({ sender, recipients: group, content: message(sender) });
        }
        return attempt(world, domain, transactions);
      }),
    );
    open = [];
    for (const [address, outcome] of results.flatMap((result) => [...result])) {
      const count = deferrals.get(address) ?? 0;
      if (outcome === 'deferred') {
        deferrals.set(address, count + 1);
        open.push(address);
      } else {
        const end = outcome === 'rejected' ? 'bounced' : outcome;
        histories.set(address, { end, deferrals: count });
      }
    }
    time += 2_000;
  }
  for (const address of open) histories.set(address, { end: 'expired', deferrals: ROUNDS });
  return { histories, senders };
}

async function start(options: Partial<RangeOptions>): Promise<Range> {
  const now = (): Date => new Date(time);
  range = await startRange({ seed: 3, now, lateDsnDelayMs: 10, tarpitMs: 5, ...options });
  return range;
}

/** Every disagreement between prediction and deed, as lines. */
async function disagreements(
  world: Range,
  addresses: readonly string[],
  copySize: number,
): Promise<string[]> {
  const { returned, port } = await listen();
  world.setBounceTarget({ host: '127.0.0.1', port });
  const { histories, senders } = await campaign(world, addresses, copySize);
  await world.idle();
  const lines: string[] = [];
  for (const address of addresses) {
    const name = world.expectedFate(address);
    const facts = fateFacts(name);
    const history = histories.get(address);
    const say = (text: string): void => void lines.push(`${address}: ${name}, but ${text}`);
    if (history === undefined) {
      say('no outcome');
      continue;
    }
    if (!facts.ends.includes(history.end)) say(`it was ${history.end}`);
    if (facts.deferred && history.deferrals === 0) say('it never was deferred');
    // A host that is busy at connect defers whoever comes.
    const busy = world.world.profileOf(domainOf(address))?.busy ?? null;
    const calm = copySize === 1 && busy === null && !facts.deferred;
    if (calm && history.deferrals > 0) say('it was deferred');
    const copies = world.ledger.messagesFor(address).length;
    if (facts.received !== null && copies > 0 !== facts.received) say(`${copies} copies`);
    if (copies > 1) say(`${copies} copies`);
    const back = returned.get(address);
    if ((back?.kind ?? null) !== facts.returns) say(`${back?.kind ?? 'nothing'} came back`);
    if (back !== undefined && back.to !== senders.get(address)) say(`it went to ${back.to}`);
  }
  return lines;
}

/** Every behaviour by force, in the manner of every provider, and every failing domain. */
const FORCED_PROFILES = [
  ...FAMILIES.map((family) => profile(`${family}.example`, 1, { family })),
  ...DEFAULT_PROFILES.filter((item) => item.domain !== 'gmail.example'),
].filter((item, i, all) => all.findIndex(({ domain }) => domain === item.domain) === i);
const FORCED = [
  ...FAMILIES.flatMap((family) =>
    BEHAVIOURS.map((behaviour) => `${behaviour}+ann@${family}.example`),
  ),
  'ann@moved-away.example',
  'ann@parked.example',
  'ann@broken-dns.example',
  'ann@dead-host.example',
  'late+ann@metal-9.tail.example',
  'unknown+ann@hotmail.example',
  'accept+ann@bank-5.example',
  'greylist+ann@corp-22.example',
  'accept+ann@daum.example',
];

describe.each([
  ['one recipient a transaction', 1],
  ['fifty recipients a transaction', 50],
])('%s', (_, copySize) => {
  test('every behaviour of every provider', async () => {
    const world = await start({ profiles: FORCED_PROFILES });
    expect(await disagreements(world, FORCED, copySize)).toEqual([]);
    const fates = new Set(FORCED.map((address) => world.expectedFate(address)));
    expect([...fates].sort()).toEqual(Object.keys(FATES).sort());
    expect([...world.ledger.faults()]).toEqual([]);
  });

  test('one address for all hosts', async () => {
    const world = await start({ profiles: FORCED_PROFILES, addressing: 'one' });
    expect(await disagreements(world, FORCED, copySize)).toEqual([]);
    expect([...world.ledger.faults()]).toEqual([]);
  });

  test('two thousand recipients of the default world', async () => {
    const world = await start({});
    const addresses = [...generateRecipients(2_000, 5, world.world)].map((row) => row.email);
    expect(await disagreements(world, addresses, copySize)).toEqual([]);
    expect([...world.ledger.faults()]).toEqual([]);
  });
});

test('another seed is another world, the same seed the same', async () => {
  const one = await start({ seed: 1 });
  const addresses = [...generateRecipients(3_000, 5)].map((row) => row.email);
  const fates = addresses.map((address) => one.expectedFate(address));
  await one.stop();
  const again = await start({ seed: 1 });
  expect(addresses.map((address) => again.expectedFate(address))).toEqual(fates);
  await again.stop();
  const other = await start({ seed: 2 });
  expect(addresses.map((address) => other.expectedFate(address))).not.toEqual(fates);
});
