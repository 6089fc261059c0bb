/**
 * bench/render — messages per second of campaigns/source alone: template, MIME, DKIM.
 *
 *     node bench/render.ts [messages=20000] [template=templates/newsletter.mjml]
 *
 * No database: rows are handed in. Prints messages/s by the clock and by CPU time; signing runs in
 * libuv's threads, so the clock shows what several cores give and CPU time what one would.
 */
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  DKIM_ALGORITHMS,
  generateDkimKeys,
  openPrivateKey,
} from '../src/campaigns/senders/dkim-keys.ts';
import { compileContentParts } from '../src/campaigns/source/content.ts';
import { chooseEncoding } from '../src/campaigns/source/encode.ts';
import { subjectField, toField } from '../src/campaigns/source/headers.ts';
import { composeSkeleton } from '../src/campaigns/source/skeleton.ts';
import { compileContent } from '../src/campaigns/templates/compile.ts';
import { createSigner } from '../src/mta/dkim.ts';
import type { DkimKey, Signer } from '../src/mta/dkim.ts';

const SECRET = 'a secret of more than thirty-two characters';
const LANES = 20;
const count = Number(process.argv[2] ?? 20_000);
const path = process.argv[3] ?? new URL('../templates/newsletter.mjml', import.meta.url).pathname;

const stored = await compileContent({
  subject: '{{name}}, you have {{points}} points',
  format: path.endsWith('.mjml') ? 'mjml' : 'html',
  source: readFileSync(path, 'utf8'),
  text: null,
});
const encoding = chooseEncoding([stored.html, stored.text]);
const skeleton = await composeSkeleton({
  boundary: 'bench',
  fromAddress: 'news@shop.example',
  displayName: 'Corner Shop',
  encoding,
});
const content = compileContentParts(stored, skeleton, encoding);

function render(n: number): { headers: Buffer; body: Buffer; hash: string } {
  const email = `user${n}@domain.example`;
  const variables = {
    name: `Name ${n}`,
    points: n,
    email,
    unsubscribe_url: `https://x.example/${n}`,
  };
  const { bytes, hash } = content.body(variables);
  const headers = `${skeleton.headers}${toField(variables.name, email)}${subjectField(content.subject(variables))}`;
  return { headers: Buffer.from(headers, 'latin1'), body: bytes, hash };
}

async function measure(name: string, signer: Signer | null): Promise<void> {
  const total = signer === null ? count : Math.ceil(count / 4);
  let next = 0;
  let bytes = 0;
  const lane = async (): Promise<void> => {
    while (next < total) {
      const message = render(next++);
      const signature = await signer?.signHeaders(message.headers, message.hash);
      bytes += message.headers.length + message.body.length + (signature?.length ?? 0);
    }
  };
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  await Promise.all(Array.from({ length: LANES }, lane));
  const seconds = (performance.now() - start) / 1_000;
  const used = process.cpuUsage(cpu);
  const row = {
    name,
    per_second: Math.round(total / seconds),
    per_cpu_second: Math.round(total / ((used.user + used.system) / 1e6)),
    message_bytes: Math.round(bytes / total),
  };
  console.log(JSON.stringify(row));
}

const keys = (await generateDkimKeys(SECRET, DKIM_ALGORITHMS)).map((key) => ({
  selector: key.selector,
  algorithm: key.algorithm as DkimKey['algorithm'],
  privateKey: createPrivateKey(
    openPrivateKey({ secret: SECRET, previousSecrets: [] }, key.privateKeySealed),
  ),
}));
const signerOf = (some: DkimKey[]): Signer => createSigner({ domain: 'shop.example', keys: some });
await measure('warm-up', null);
await measure('unsigned', null);
await measure('ed25519', signerOf(keys.slice(1)));
await measure('rsa-2048', signerOf(keys.slice(0, 1)));
await measure('both', signerOf(keys));
