/** Signatures, judged by a verifier we did not write. */
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { describe, expect, test } from 'vitest';
import { createSigner, hashBody, splitMessage } from '../../src/mta/dkim.ts';
import type { DkimKey } from '../../src/mta/dkim.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed25519 = generateKeyPairSync('ed25519');
const KEYS: DkimKey[] = [
  { selector: 'r1', algorithm: 'rsa-sha256', privateKey: rsa.privateKey },
  { selector: 'e1', algorithm: 'ed25519-sha256', privateKey: ed25519.privateKey },
];

function published(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  return key.asymmetricKeyType === 'rsa'
    ? `v=DKIM1; k=rsa; p=${der.toString('base64')}`
    : `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString('base64')}`;
}

async function resolve(name: string): Promise<string[][]> {
  if (name === 'r1._domainkey.shop.test') return [[published(rsa.publicKey)]];
  if (name === 'e1._domainkey.shop.test') return [[published(ed25519.publicKey)]];
  throw Object.assign(new Error(`no ${name}`), { code: 'ENOTFOUND' });
}

/** `r1:pass e1:pass` */
async function verify(message: Uint8Array): Promise<string> {
  const { results } = (await dkimVerify(Buffer.from(message), { resolver: resolve })) as {
    results: { selector?: string; status: { result: string } }[];
  };
  return results.map((one) => `${one.selector ?? '-'}:${one.status.result}`).join(' ');
}

const MESSAGE = [
  'From: Shop <news@shop.test>',
  'To: a@x.test',
  'Subject: =?utf-8?q?Hi?=',
  '  folded\ttwice',
  'Date: Mon, 24 Nov 2025 03:36:00 +0000',
  'Message-ID: <1@shop.test>',
  'List-Unsubscribe: <https://shop.test/u/1>',
  'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  '',
  'Hello  there \t',
  '',
  '.',
  '  indented\t\t',
  '',
  '',
  '',
].join('\r\n');

const signer = createSigner({ domain: 'shop.test', keys: KEYS });
const sign = (text: string): Promise<Uint8Array> => signer.sign(Buffer.from(text));

describe('a signed message', () => {
  test('verifies with both keys', async () => {
    const signed = await sign(MESSAGE);
    expect(await verify(signed)).toBe('r1:pass e1:pass');
    expect(Buffer.from(signed).toString().endsWith(MESSAGE)).toBe(true);
  });

  test.each([
    ['no body', 'From: a@shop.test\r\n\r\n'],
    ['no empty line', 'From: a@shop.test\r\n'],
    ['only empty lines', 'From: a@shop.test\r\n\r\n\r\n\r\n\r\n'],
    ['no last line end', 'From: a@shop.test\r\n\r\nHello'],
    ['space at the end', 'From: a@shop.test\r\n\r\nHello '],
    ['two of a name', 'From: a@shop.test\r\nReferences: <1>\r\nReferences: <2>\r\n\r\nx\r\n'],
    ['UTF-8 in a header', 'From: Läden <a@shop.test>\r\nSubject: 你好\r\n\r\n你好\r\n'],
    ['an empty header', 'From: a@shop.test\r\nSubject:\r\n\r\nx\r\n'],
    ['space before the colon', 'From : a@shop.test\r\nSubject :  x \r\n\r\nx\r\n'],
  ])('verifies: %s', async (_name, message) => {
    expect(await verify(await sign(message))).toBe('r1:pass e1:pass');
  });

  test.each([
    ['the body', (text: string) => text.replace('Hello', 'Hullo')],
    ['the subject', (text: string) => text.replace('folded', 'forged')],
    ['a second From', (text: string) => `From: evil@bad.test\r\n${text}`],
    ['a second Subject', (text: string) => `Subject: evil\r\n${text}`],
    ['a Cc', (text: string) => `Cc: evil@bad.test\r\n${text}`],
    ['a Reply-To', (text: string) => `Reply-To: evil@bad.test\r\n${text}`],
    ['a second List-Unsubscribe', (text: string) => `List-Unsubscribe: <http://e>\r\n${text}`],
    ['a second Content-Type', (text: string) => `Content-Type: text/html\r\n${text}`],
  ])('does not when changed: %s', async (_name, change) => {
    const signed = Buffer.from(await sign(MESSAGE)).toString();
    expect(await verify(Buffer.from(change(signed)))).not.toContain('pass');
  });

  test('still does when relays fold, space and trace', async () => {
    const signed = Buffer.from(await sign(MESSAGE)).toString();
    const relayed = `Received: from x\r\n\tby y\r\n${signed}`
      .replace('Subject: ', 'SUBJECT:\r\n   ')
      .replace('Hello  there', 'Hello there');
    expect(await verify(Buffer.from(relayed))).toBe('r1:pass e1:pass');
  });

  test('has short lines', async () => {
    const { headers } = splitMessage(await sign(MESSAGE));
    for (const line of Buffer.from(headers).toString().split('\r\n')) {
      expect(line.length).toBeLessThanOrEqual(110);
    }
  });
});

test('header block and body hash apart give the same as the whole', async () => {
  const now = (): Date => new Date(1_700_000_000_000);
  const one = createSigner({ domain: 'shop.test', keys: KEYS, now });
  const { headers, body } = splitMessage(Buffer.from(MESSAGE));
  const block = Buffer.from(headers).toString('latin1');
  const fields = await one.signHeaders(block, hashBody(body));
  const whole = Buffer.concat([Buffer.from(fields, 'latin1'), Buffer.from(MESSAGE)]);
  expect(Buffer.from(await one.sign(Buffer.from(MESSAGE))).equals(whole)).toBe(true);
});

test('further headers are signed when asked for', async () => {
  const one = createSigner({ domain: 'shop.test', keys: KEYS.slice(0, 1), headers: ['X-Job'] });
  const signed = Buffer.from(await one.sign(Buffer.from(`X-Job: 7\r\n${MESSAGE}`))).toString();
  expect(await verify(Buffer.from(signed))).toBe('r1:pass');
  expect(await verify(Buffer.from(signed.replace('X-Job: 7', 'X-Job: 8')))).not.toContain('pass');
});

test('a key that cannot sign rejects', async () => {
  const keys: DkimKey[] = [{ ...KEYS[0]!, privateKey: rsa.publicKey }];
  await expect(
    createSigner({ domain: 'shop.test', keys }).sign(Buffer.from(MESSAGE)),
  ).rejects.toThrow();
});

test('any body verifies', async () => {
  const word = fc.constantFrom(' ', '\t', '\r\n', 'a', '.', '=', '  ', 'é', '\r\n\r\n', ' \r\n');
  const one = createSigner({ domain: 'shop.test', keys: KEYS.slice(1) });
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 30 }), async (words) => {
      const message = `From: a@shop.test\r\nSubject: s\r\n\r\n${words.join('')}`;
      expect(await verify(await one.sign(Buffer.from(message)))).toBe('e1:pass');
    }),
    { numRuns: 200 },
  );
});
