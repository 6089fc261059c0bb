/**
 * bench/mta-process — the sending engine (src/mta) alone in a process: prebuilt messages, no database.
 *
 *     fork('mta-process.ts', [JSON.stringify(SenderOptions)])   tells 'ready', then a sample
 */
import { SETTINGS } from '../../src/kernel/settings.ts';
import { createMta } from '../../src/mta/deliver.ts';
import { createRoutes, staticRules } from '../../src/mta/routes.ts';
import type { DeliveryRequest, Transaction } from '../../src/mta/transaction.ts';
import { untilTold } from '../harness/child.ts';
import { DOMAINS, recipientsOf, senderOf } from '../harness/message.ts';
import { createPrebuilt } from '../harness/prebuilt.ts';
import type { SenderOptions } from '../harness/prebuilt.ts';
import { measureHere } from '../harness/usage.ts';
import { wholeMessage } from '../../src/mta/message.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as SenderOptions;
const build = createPrebuilt(options);
const messages = Math.ceil(options.n / options.recipientsEach);
const marked = Promise.resolve();
let begun = 0;
let accepted = 0;
let firstMs = 0;
let lastMs = 0;

const order: DeliveryRequest = {
  // Of the recipients' domains only one is named: the route is one.
  domain: 'd0.example',
  maxLanes: options.connections,
  async next(): Promise<Transaction | null> {
    if (begun >= messages) return null;
    const n = begun;
    begun += 1;
    const first = n * options.recipientsEach;
    return {
      envelopeSender: senderOf(n),
      envelopeId: null,
      xverp: options.xverp === true,
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
await untilTold();
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
