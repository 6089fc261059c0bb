/** The engine against a practice world in which something goes wrong at every stage, with odds. */
import { afterEach, expect, test } from 'vitest';
import type { Incident, Trouble } from '../../src/range/incident.ts';
import { INCIDENT_STAGES } from '../../src/range/incident.ts';
import { COMMON_EXTENSIONS, profile } from '../../src/range/profile.ts';
import type { Extension } from '../../src/range/profile.ts';
import { startRange } from '../../src/range/range.ts';
import { makeMta } from './orders.ts';
import type { RecipientOutcome } from '../../src/mta/outcome.ts';
import type { DeliveryRequest } from '../../src/mta/transaction.ts';
import { messageOfLines } from '../harness/message.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const TROUBLES: readonly Trouble[] = [
  { kind: 'reply', text: '451-4.3.0 not\r\n451 4.3.0 now' },
  { kind: 'reply', text: '554 5.7.1 never' },
  { kind: 'busy' },
  { kind: 'close' },
  { kind: 'garbage' },
  { kind: 'delay', delayMs: 3 },
];

function troubles(percent: number): Incident[] {
  return INCIDENT_STAGES.flatMap((at) => TROUBLES.map((trouble) => ({ at, percent, trouble })));
}

interface Copy {
  id: bigint;
  address: string;
}

/** A request for copies of three recipients each, told what became of them. */
function requestFor(
  domain: string,
  todo: readonly Copy[],
  told: RecipientOutcome[],
): DeliveryRequest {
  const rest = [...todo];
  return {
    domain,
    maxLanes: 3,
    next() {
      const recipients = rest.splice(0, 3);
      if (recipients.length === 0) return Promise.resolve(null);
      const envelopeSender = `b+${recipients.map(({ id }) => id).join('-')}@bounce.example`;
      const message = messageOfLines(
        `Subject: x\r\nMessage-ID: <${envelopeSender}>\r\n\r\n.hello\r\n`,
      );
      const marked = Promise.resolve();
      return Promise.resolve({ envelopeSender, envelopeId: null, recipients, message, marked });
    },
    onOutcome: (outcome) => void told.push(outcome),
    onSiteFailure: () => undefined,
  };
}

test.each<[string, readonly Extension[], number]>([
  ['pipelined', COMMON_EXTENSIONS, 1],
  ['BDAT', [...COMMON_EXTENSIONS, 'CHUNKING'], 2],
  ['one command at a time, in clear', ['SIZE'], 3],
])('%s: nobody is lost, doubled or told the wrong thing', async (_name, extensions, seed) => {
  const domain = 'mad.example';
  const world = await startRange({
    seed,
    profiles: [profile(domain, 1, { extensions, incidents: troubles(2), maxRecipients: 2 })],
    tls: 'selfsigned',
    keepMessages: 'hash',
  });
  cleanups.push(() => world.stop());
  const [dnsHost = '', dnsPort = ''] = world.dnsServer.split(':');
  const engine = makeMta({
    dnsServer: { host: dnsHost, port: Number(dnsPort) },
    smtpPort: world.smtpPort,
    memory: { failureMs: 0 },
  });
  cleanups.push(() => engine.close());

  const copies = Array.from({ length: 150 }, (_, i) => {
    return { id: BigInt(i), address: `accept+r${i}@${domain}` };
  });
  const ends = new Map<bigint, RecipientOutcome['result']>();
  for (let round = 0; round < 1_000 && ends.size < copies.length; round += 1) {
    const told: RecipientOutcome[] = [];
    await engine.deliver(
      requestFor(
        domain,
        copies.filter(({ id }) => !ends.has(id)),
        told,
      ),
    );
    expect(new Set(told.map(({ recipientId }) => recipientId)).size).toBe(told.length);
    for (const { recipientId, result } of told) {
      if (result !== 'deferred') ends.set(recipientId, result);
    }
  }
  expect(ends.size).toBe(copies.length);
  const got = new Map<string, number>();
  for (const { recipients } of world.ledger.messages()) {
    for (const address of recipients) got.set(address, (got.get(address) ?? 0) + 1);
  }
  for (const { id, address } of copies) {
    // Its hosts never take a message whose dot they do not answer with 250.
    expect(got.get(address) ?? 0, `${address} ${ends.get(id)}`).toBe(
      ends.get(id) === 'accepted' ? 1 : 0,
    );
  }
  const results = [...ends.values()];
  expect(results.filter((result) => result === 'accepted').length).toBeGreaterThan(75);
  expect(results.filter((result) => result === 'rejected').length).toBeGreaterThan(0);
  expect([...world.ledger.faults().keys()]).toEqual([]);
});
