/**
 * interop/big-messages — what no campaign renders: 25 MB, 8-bit text, lines of dots, long lines.
 *
 * The sending engine alone (mta/deliver.ts), with signed messages of our own making.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { createMta } from '../../src/mta/deliver.ts';
import type { MtaEngine } from '../../src/mta/deliver.ts';
import { createSigner } from '../../src/mta/dkim.ts';
import type { RecipientOutcome } from '../../src/mta/outcome.ts';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import type { DoorName, ReceiverKind } from './receiver.ts';
import { addressesAt, untilArrived } from './stand.ts';
import type { Stand } from './stand.ts';
import { wholeMessage } from '../../src/mta/message.ts';

const MB = 1_000_000;
const HEADERS =
  'From: news@shop.example\r\nTo: undisclosed-recipients:;\r\nMessage-ID: <1@shop.example>\r\n' +
  'Date: Mon, 24 Nov 2025 03:36:00 +0000\r\nMIME-Version: 1.0\r\n' +
  'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n';

const signer = createSigner({
  domain: 'shop.example',
  keys: [
    {
      selector: 'e',
      algorithm: 'ed25519-sha256',
      privateKey: generateKeyPairSync('ed25519').privateKey,
    },
  ],
});
const sign = (body: string | Buffer): Promise<Uint8Array> =>
  signer.sign(Buffer.concat([Buffer.from(HEADERS), Buffer.from(body)]));

const AWKWARD = [
  '.',
  '..',
  '. dot and space',
  '.leading dot',
  '',
  '',
  'From somebody else',
  'a'.repeat(998),
  `.${'b'.repeat(990)}`,
  'trailing space ',
  '\tTab',
  '.',
  '',
].join('\r\n');

export function describeBigMessages(kind: ReceiverKind, stand: () => Stand): void {
  const engines: MtaEngine[] = [];
  const open = (): MtaEngine => {
    const engine = makeEngine(stand());
    engines.push(engine);
    return engine;
  };
  afterAll(async () => {
    for (const engine of engines) await engine.close();
  });

  test('25 MB', async () => {
    const message = await sign(lines(25 * MB));
    for (const door of ['tls', 'data'] as const) {
      if (kind.doors.includes(door)) await expectArrival(stand(), open(), door, 'big', message);
    }
  });

  test('dots, long lines and blank lines', async () => {
    const message = await sign(AWKWARD);
    for (const door of kind.doors) await expectArrival(stand(), open(), door, 'awkward', message);
  });

  test('8-bit text', async () => {
    const message = await sign('Grüße, 你好\r\n');
    for (const door of kind.doors) {
      if (door !== 'bare' && kind.offers.includes('8BITMIME')) {
        await expectArrival(stand(), open(), door, 'eight', message);
      } else {
        const outcomes = await deliver(stand(), open(), door, 'eight', message);
        const refused = { result: 'rejected', failure: 'eight_bit_unsupported' };
        expect(outcomes).toMatchObject([refused, refused]);
      }
    }
  });
}

/** Base64 lines, as an attachment is. */
function lines(sizeBytes: number): Buffer {
  const text = randomBytes(Math.ceil((sizeBytes * 57) / 78)).toString('base64');
  return Buffer.from(text.replace(/.{76}/g, '$&\r\n') + '\r\n', 'latin1');
}

async function expectArrival(
  stand: Stand,
  engine: MtaEngine,
  door: DoorName,
  who: string,
  message: Uint8Array,
): Promise<void> {
  const outcomes = await deliver(stand, engine, door, who, message);
  expect(outcomes.map(({ result, reply }) => [door, result, reply?.code])).toEqual([
    [door, 'accepted', 250],
    [door, 'accepted', 250],
  ]);
  for (const arrival of await untilArrived(stand, addressesAt(stand, door, who, 2))) {
    // A diff of 25 MB helps nobody.
    expect([door, arrival.message.equals(message)]).toEqual([door, true]);
  }
}

async function deliver(
  stand: Stand,
  engine: MtaEngine,
  door: DoorName,
  who: string,
  message: Uint8Array,
): Promise<RecipientOutcome[]> {
  const outcomes: RecipientOutcome[] = [];
  const addresses = addressesAt(stand, door, who, 2);
  let left = 1;
  await engine.deliver({
    domain: stand.domain(door),
    maxLanes: 1,
    async next() {
      left -= 1;
      if (left < 0) return null;
      return {
        envelopeSender: `b+${who}@bounce.shop.example`,
        envelopeId: null,
        recipients: addresses.map((address, index) => ({ id: BigInt(index), address })),
        message: wholeMessage(message),
        marked: Promise.resolve(),
      };
    },
    onOutcome: (outcome) => void outcomes.push(outcome),
    onSiteFailure: (failure) => expect(failure).toBeNull(),
  });
  expect(outcomes.map(({ recipientId }) => recipientId).sort()).toEqual([0n, 1n]);
  return outcomes;
}

function makeEngine(stand: Stand): MtaEngine {
  const routes = [...stand.taps].map(([door, { port }]) => [
    stand.domain(door),
    `127.0.0.1:${port}`,
  ]);
  return createMta({
    heloName: 'mta.shop.example',
    routes: createRoutes(staticRules(Object.fromEntries(routes) as Record<string, string>)),
    maxConnections: 10,
    maxConnectionsPerSite: 10,
    maxMessagesPerConnection: 100,
    connectTimeoutMs: 30_000,
    idleMs: 100,
    now: () => new Date(),
    random: Math.random,
  });
}
