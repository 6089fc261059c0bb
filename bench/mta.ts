/**
 * bench/mta — messages per second of the sending engine alone, against bench/smtp-sink.ts.
 *
 *     node bench/mta.ts [--messages 40000] [--connections 20] [--bytes 10240] [--recipients 1]
 *                       [--dkim none|rsa|ed25519|both] [--delay 0] [--chunking] [--sites 1]
 *
 * One process sends, one receives. Prints one line of JSON.
 */
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createMta } from '../src/mta/deliver.ts';
import { createSigner, hashBody, splitMessage } from '../src/mta/dkim.ts';
import type { DkimKey, Signer } from '../src/mta/dkim.ts';
import { createRoutes, staticRules } from '../src/mta/routes.ts';
import type { DeliveryRequest, Transaction } from '../src/mta/transaction.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '40000' },
    connections: { type: 'string', default: '20' },
    bytes: { type: 'string', default: '10240' },
    recipients: { type: 'string', default: '1' },
    dkim: { type: 'string', default: 'none' },
    delay: { type: 'string', default: '0' },
    sites: { type: 'string', default: '1' },
    chunking: { type: 'boolean', default: false },
  },
});
const messages = Number(values.messages);
const sites = Number(values.sites);
const connections = Number(values.connections);
const recipientsEach = Number(values.recipients);

const extensions = ['PIPELINING', 'SIZE 50000000', '8BITMIME'];
if (values.chunking) extensions.push('CHUNKING');
const sinkPath = new URL('./smtp-sink.ts', import.meta.url).pathname;
const sink = spawn(process.execPath, [sinkPath, '0', values.delay, ...extensions], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const lines = createInterface({ input: sink.stdout })[Symbol.asyncIterator]();
const port = Number(String((await lines.next()).value).split(' ')[1]);

function makeSigner(): Signer | null {
  const keys: DkimKey[] = [];
  if (values.dkim === 'rsa' || values.dkim === 'both') {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    keys.push({ selector: 'r', algorithm: 'rsa-sha256', privateKey });
  }
  if (values.dkim === 'ed25519' || values.dkim === 'both') {
    const { privateKey } = generateKeyPairSync('ed25519');
    keys.push({ selector: 'e', algorithm: 'ed25519-sha256', privateKey });
  }
  return keys.length === 0 ? null : createSigner({ domain: 'shop.test', keys });
}

const signer = makeSigner();
const body = `${'x'.repeat(76)}\r\n`.repeat(Math.ceil(Number(values.bytes) / 78));
const headersOf = (n: number): string =>
  `From: Shop <news@shop.test>\r\nTo: r${n}@x.test\r\nSubject: News ${n}\r\n` +
  'Date: Mon, 24 Nov 2025 03:36:00 +0000\r\nMIME-Version: 1.0\r\n' +
  `Message-ID: <${n}@shop.test>\r\nList-Unsubscribe: <https://shop.test/u/${n}>\r\n` +
  'List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nContent-Type: text/plain\r\n\r\n';

/** Personalised: the whole message is made, hashed and signed anew. */
async function render(n: number): Promise<Uint8Array> {
  const message = Buffer.from(headersOf(n) + body, 'latin1');
  if (signer === null) return message;
  const parts = splitMessage(message);
  return Buffer.concat([await signer.signHeaders(parts.headers, hashBody(parts.body)), message]);
}

let made = 0;
let accepted = 0;
const marked = Promise.resolve();
function order(site: number): DeliveryRequest {
  const domain = `d${site}.test`;
  let left = Math.floor(messages / sites);
  return {
    domain,
    maxLanes: connections,
    async next(): Promise<Transaction | null> {
      if (left <= 0) return null;
      left -= 1;
      made += 1;
      const n = made;
      const recipients = Array.from({ length: recipientsEach }, (_, i) => ({
        id: BigInt(n * recipientsEach + i),
        address: `r${n}.${i}@${domain}`,
      }));
      return {
        envelopeSender: `b+${n}@bounce.shop.test`,
        envelopeId: null,
        recipients,
        message: await render(n),
        marked,
      };
    },
    onOutcome: ({ result }) => {
      if (result === 'accepted') accepted += 1;
    },
    onSiteFailure: (failure) => console.error(failure),
  };
}

const mta = createMta({
  heloName: 'bench.test',
  routes: createRoutes(staticRules({ '*': `127.0.0.1:${port}` })),
  maxConnections: 20_000,
  maxConnectionsPerSite: connections,
  maxMessagesPerConnection: 1_000,
  connectTimeoutMs: 30_000,
  now: () => new Date(),
  random: Math.random,
});
const startedMs = performance.now();
const cpu = process.cpuUsage();
let peakRss = 0;
const watch = setInterval(() => (peakRss = Math.max(peakRss, process.memoryUsage.rss())), 100);
await Promise.all(Array.from({ length: sites }, (_, i) => mta.deliver(order(i))));
const seconds = (performance.now() - startedMs) / 1_000;
const used = process.cpuUsage(cpu);
clearInterval(watch);
await mta.close();
sink.kill('SIGTERM');
console.log(
  JSON.stringify({
    ...values,
    accepted,
    seconds: Number(seconds.toFixed(2)),
    messagesPerSecond: Math.round(made / seconds),
    recipientsPerSecond: Math.round(accepted / seconds),
    cpuSeconds: Number(((used.user + used.system) / 1e6).toFixed(2)),
    peakRssMb: Math.round(peakRss / 1e6),
  }),
);
