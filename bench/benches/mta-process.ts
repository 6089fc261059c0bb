/**
 * bench/mta-process — the sending engine (src/mta) alone in a process: prebuilt messages, no database.
 *
 *     fork('mta-process.ts', [JSON.stringify(MtaProcessOptions)])   tells a sample
 */
import { SETTINGS } from '../../src/kernel/settings.ts';
import { createMta } from '../../src/mta/deliver.ts';
import { hashBody } from '../../src/mta/dkim.ts';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import type { DeliveryRequest, Transaction } from '../../src/mta/transaction.ts';
import { createMessageMaker, recipientOf, recipientsOf, senderOf } from '../harness/message.ts';
import type { Dkim } from '../harness/settings.ts';
import { createBenchSigner } from '../harness/signer.ts';
import { measureHere } from '../harness/usage.ts';
import { wholeMessage } from '../../src/mta/message.ts';

export interface MtaProcessOptions {
  port: number;
  n: number;
  recipientsEach: number;
  connections: number;
  sizeBytes: number;
  dkim: Dkim;
}

const options = JSON.parse(process.argv[2] ?? '{}') as MtaProcessOptions;
const maker = createMessageMaker(options.sizeBytes);
const signer = createBenchSigner(options.dkim);
const messages = Math.ceil(options.n / options.recipientsEach);
const marked = Promise.resolve();
/** Of the recipients; the route is one all the same. */
const DOMAINS = 50;
let begun = 0;
let accepted = 0;
let firstMs = 0;
let lastMs = 0;

async function build(n: number): Promise<Uint8Array> {
  const { headers, body } = maker(n, recipientOf(n, DOMAINS));
  if (signer === null) return Buffer.from(`${headers}\r\n${body}`, 'latin1');
  const rest = Buffer.from(`\r\n${body}`, 'latin1');
  const fields = await signer.signHeaders(headers, hashBody(rest.subarray(2)));
  return Buffer.concat([Buffer.from(fields + headers, 'latin1'), rest]);
}

const order: DeliveryRequest = {
  domain: 'd0.example',
  maxLanes: options.connections,
  async next(): Promise<Transaction | null> {
    if (begun >= messages) return null;
    begun += 1;
    const n = begun;
    const first = n * options.recipientsEach;
    return {
      envelopeSender: senderOf(n),
      envelopeId: null,
      recipients: recipientsOf(n, options.recipientsEach, DOMAINS).map((address, i) => ({
        id: BigInt(first + i),
        address,
      })),
      message: wholeMessage(await build(n)),
      marked,
    };
  },
  onOutcome: ({ result }) => {
    if (result === 'accepted') accepted += 1;
    lastMs = performance.now();
    if (firstMs === 0) firstMs = lastMs;
  },
  onSiteFailure: (failure) => console.error(failure),
};

const mta = createMta({
  heloName: 'bench.example',
  routes: createRoutes(staticRules({ '*': `127.0.0.1:${options.port}` })),
  maxConnections: 20_000,
  maxConnectionsPerSite: options.connections,
  maxMessagesPerConnection: 100_000,
  maxMessagesPerRoundTrip: SETTINGS.maxMessagesPerRoundTrip.schema.parse(undefined),
  connectTimeoutMs: 30_000,
  now: () => new Date(),
  random: Math.random,
});
const result = await measureHere(async () => {
  await mta.deliver(order);
  return options.n;
});
await mta.close();
const faults = accepted === options.n ? [] : [`${accepted} of ${options.n} accepted`];
// From the first outcome on, so that the handshake does not count.
const figures = { flowSeconds: (lastMs - firstMs) / 1_000 };
process.send?.({ ...result, faults, figures });
process.disconnect();
