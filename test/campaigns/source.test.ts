import fc from 'fast-check';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import MailComposer from 'nodemailer/lib/mail-composer';
import PostalMime from 'postal-mime';
import { beforeAll, describe, expect, test } from 'vitest';
import type { CampaignInput, Campaign } from '../../src/campaigns/campaigns.ts';
import type { Sender } from '../../src/campaigns/senders.ts';
import { createMessageSource } from '../../src/campaigns/source.ts';
import { compileTemplate } from '../../src/campaigns/templates/render.ts';
import type { BatchRecipient, Rendered } from '../../src/scheduler/ports.ts';
import { parseReturnAddress } from '../../src/verp/address.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { verifyToken } from '../../src/verp/token.ts';
import { useDatabase } from '../harness/database.ts';
import { makeCampaign, makeSender, SECRET, testDeps } from './fixture.ts';
import { bytesOf } from '../harness/message.ts';

const database = useDatabase();
const NOW = new Date('2026-03-01T12:00:00Z');
const deps = () => ({ ...testDeps(database.sql), clock: () => NOW });
const ring = createKeyRing([SECRET]);
const CONTENT = {
  subject: 'Hello {{name}}',
  format: 'html' as const,
  source: '<p>Dear {{name}}, {{note}}</p>\n<a href="{{unsubscribe_url}}">Leave</a>',
  text: 'Dear {{name}},\n{{note}}\n-- \n{{unsubscribe_url}}\n',
};
let sender: Sender;

beforeAll(async () => {
  sender = await makeSender(deps(), 'https://shop.example/mail');
});

const make = (changes: Partial<CampaignInput> = {}): Promise<Campaign> =>
  makeCampaign(deps(), { senderId: sender.id, content: CONTENT, ...changes });

type Changes = Partial<BatchRecipient> & { variables?: Record<string, unknown> };

function recipient({
  variables = { note: 'how are you?' },
  ...changes
}: Changes = {}): BatchRecipient {
  return {
    deliveryId: 77n,
    recipientId: 5n,
    address: 'ann@one.example',
    name: 'Ann',
    variablesJson: JSON.stringify(variables),
    ...changes,
  };
}

function good(rendered: Rendered) {
  if (!rendered.ok) throw new Error(rendered.reason);
  const { envelopeSender, envelopeId } = rendered;
  return { envelopeSender, envelopeId, message: bytesOf(rendered.message) };
}

async function render(changes: Partial<CampaignInput>, to: Changes = {}) {
  const campaign = await make(changes);
  const messages = await createMessageSource(deps()).open(campaign.id);
  const rendered = good(await messages.render(recipient(to)));
  return { ...rendered, mail: await PostalMime.parse(rendered.message), campaign };
}

const headerOf = (mail: { headers: { key: string; value: string }[] }, key: string) =>
  mail.headers.filter((header) => header.key === key).map((header) => header.value);

/** What every message must be, whatever its content. */
function expectWire(message: Buffer): void {
  const text = message.toString('latin1');
  expect(/[^\x00-\x7f]/.test(text), '7-bit').toBe(false);
  expect(/\r(?!\n)|(?<!\r)\n|\0/.test(text), 'CRLF only').toBe(false);
  const [head = '', ...rest] = text.split('\r\n\r\n');
  for (const line of head.split('\r\n')) expect(line).toMatch(/^(?:[A-Za-z0-9-]+: ?\S|[ \t]+\S)/);
  for (const line of rest.join('\r\n\r\n').split('\r\n')) expect(line.length).toBeLessThan(77);
  expect(Math.max(...head.split('\r\n').map((line) => line.length))).toBeLessThan(300);
}

async function verifyDkim(message: Buffer): Promise<string[]> {
  const { results } = (await dkimVerify(message, {
    resolver: async (name: string) => {
      const record = sender.dnsRecords.find((entry) => entry.name === name);
      if (record === undefined) throw Object.assign(new Error(name), { code: 'ENOTFOUND' });
      return [[record.value]];
    },
  })) as { results: { selector?: string; status: { result: string; aligned?: string } }[] };
  return results.map(
    (one) => `${one.selector ?? ''} ${one.status.result} ${one.status.aligned ?? ''}`,
  );
}

describe('a message for one recipient', () => {
  test('names him, is signed by both keys of the sender, and comes home by its tokens', async () => {
    const { mail, message, envelopeSender, envelopeId } = await render({});
    expectWire(message);
    expect(mail).toMatchObject({
      from: { name: 'The Shop', address: 'news@shop.example' },
      to: [{ name: 'Ann', address: 'ann@one.example' }],
      subject: 'Hello Ann',
      messageId: '<dlv_000000000002d@shop.example>',
      date: '2026-03-01T12:00:00.000Z',
    });
    expect(mail.html).toContain('<p>Dear Ann, how are you?</p>');
    expect(await verifyDkim(message)).toEqual(
      sender.dkimSelectors.map((selector) => `${selector} pass shop.example`),
    );
    expect(envelopeId).toBe('dlv_000000000002d');
    const bounce = parseReturnAddress(envelopeSender);
    expect(bounce).toMatchObject({ purpose: 'bounce', domain: 'bounce.shop.example' });
    expect(verifyToken(ring, bounce?.token ?? '')).toEqual({ kind: 'delivery', id: 77n });
    const [trace = ''] = headerOf(mail, 'x-volley-trace');
    expect(verifyToken(ring, trace)).toEqual({ kind: 'feedback', id: 77n });
    expect(headerOf(mail, 'cfbl-address')).toEqual([
      `fbl+${trace}@bounce.shop.example; report=arf`,
    ]);
  });

  test('is the same at every attempt and in every process, but for the date', async () => {
    const campaign = await make();
    const attempt = async (now: Date): Promise<string> => {
      const source = createMessageSource({ ...deps(), clock: () => now });
      const messages = await source.open(campaign.id);
      return good(await messages.render(recipient())).message.toString();
    };
    const one = await attempt(NOW);
    const two = await attempt(new Date('2026-03-02T12:00:00Z'));
    const without = (text: string) =>
      text.replace(/^(?:DKIM-Signature: (?:.*\r\n[ \t])*.*|Date: .*)\r\n/gm, '');
    expect(without(two)).toBe(without(one));
    expect(two).toContain('Date: Mon, 02 Mar 2026 12:00:00 +0000');
  });

  test.each(['transactional', 'statement'] as const)(
    '%s has no List-Unsubscribe',
    async (stream) => {
      const { mail } = await render({ stream });
      expect(headerOf(mail, 'list-unsubscribe')).toEqual([]);
      expect(mail.text).toMatch(/https:\/\/shop\.example\/mail\/u\/[a-z2-7]+/);
    },
  );

  test('marketing can be left with one click (RFC 8058), signed', async () => {
    const { mail, message } = await render({ stream: 'marketing' });
    const [list = ''] = headerOf(mail, 'list-unsubscribe');
    const parts =
      /^<https:\/\/shop\.example\/mail\/u\/(\w+)>, <mailto:u\+(\w+)@bounce\.shop\.example\?subject=unsubscribe>$/.exec(
        list,
      );
    expect(parts?.[1]).toBe(parts?.[2]);
    expect(verifyToken(ring, parts?.[1] ?? '')).toEqual({ kind: 'unsubscribe', id: 77n });
    expect(headerOf(mail, 'list-unsubscribe-post')).toEqual(['List-Unsubscribe=One-Click']);
    expect(mail.html).toContain(`href="https://shop.example/mail/u/${parts?.[1] ?? ''}"`);
    for (const signature of headerOf(mail, 'dkim-signature')) {
      const signed = /\bh=([^;]+);/
        .exec(signature)?.[1]
        ?.replace(/\s+/g, '')
        .toLowerCase()
        .split(':');
      expect(signed).toContain('list-unsubscribe');
      expect(signed).toContain('list-unsubscribe-post');
    }
    expectWire(message);
  });

  test('without a link the mail address is the way out', async () => {
    const plain = await makeSender(deps());
    const { mail } = await render({ stream: 'marketing', senderId: plain.id });
    expect(headerOf(mail, 'list-unsubscribe')[0]).toMatch(/^<mailto:u\+\w+@bounce/);
    expect(headerOf(mail, 'list-unsubscribe-post')).toEqual([]);
    expect(mail.html).toMatch(
      /href="mailto:u\+\w+@bounce\.shop\.example\?subject&#x3D;unsubscribe"/,
    );
  });

  test('an address in UTF-8 stays in the envelope', async () => {
    const { mail, message } = await render(
      {},
      { address: '用户@xn--fiqs8s.example', name: '用户' },
    );
    expectWire(message);
    expect(mail.to).toEqual([{ name: 'undisclosed-recipients', group: [] }]);
  });

  test('content over the bounds is no message, and says why without data', async () => {
    const campaign = await make({
      content: {
        ...CONTENT,
        source: '{{#each a}}{{#each @root.a}}{{#each @root.a}}x{{/each}}{{/each}}{{/each}}',
      },
    });
    const messages = await createMessageSource(deps()).open(campaign.id);
    const variables = { a: Array.from({ length: 1_000 }, (_, i) => i) };
    expect(await messages.render(recipient({ variables }))).toEqual({
      ok: false,
      reason: 'lists have more than 10000 items',
    });
  });
});

describe('data of a row', () => {
  const HOSTILE = [
    'x\r\nBcc: evil@evil.example\r\n\r\nbody',
    '\u2028Bcc: evil@evil.example',
    '=?utf-8?q?=0D=0ABcc:_x?=',
    '"Ann" <evil@evil.example>, Bob',
    '<script>alert(1)</script>&"\'`=',
    '\n----_NmP-x-Part_1\n.\n..\nFrom me\n-- \n',
    '{{constructor}} {{@root}} {{{email}}}',
    '\ud800half',
  ];

  test.each(HOSTILE)('stays data: %j', async (value) => {
    const { mail, message } = await render(
      { stream: 'marketing' },
      { name: value, variables: { note: value } },
    );
    expectWire(message);
    expect(headerOf(mail, 'bcc')).toEqual([]);
    expect(mail.to).toHaveLength(1);
    expect(mail.to?.[0]?.address).toBe('ann@one.example');
    const line = `Hello ${value.toWellFormed()}`.replace(/[\p{Cc}\u2028\u2029\s]+/gu, ' ').trim();
    expect(mail.subject).toBe(line);
    expect(mail.attachments).toEqual([]);
    expect(mail.html).not.toContain('<script>');
    expect(mail.text).toContain(value.toWellFormed().replace(/\r\n/g, '\n').trim());
    expect(await verifyDkim(message)).toHaveLength(2);
  });

  test('cannot reach what is not its own', async () => {
    const { mail } = await render(
      {
        content: {
          ...CONTENT,
          source: '<p>[{{note.length}}{{note.trim}}{{a.b.c}}{{a.toString}}]</p>',
        },
      },
      { variables: { note: 'abc', a: {} } },
    );
    expect(mail.html?.trim()).toBe('<p>[3]</p>');
  });

  test('a message is what nodemailer composes from the same parts', async () => {
    const word = fc.string({
      unit: fc.constantFrom(...Array.from('aZ9 .-=<&"\\@\t\n漢é😀')),
      maxLength: 60,
    });
    const name = fc.string({
      unit: fc.constantFrom(...Array.from('aZ9 .,;-=<&"\\@()[]漢é😀')),
      maxLength: 60,
    });
    const campaign = await make({ stream: 'marketing' });
    const messages = await createMessageSource(deps()).open(campaign.id);
    await fc.assert(
      fc.asyncProperty(
        name.map((s) => s.trim()),
        fc.array(word, { maxLength: 20 }),
        async (who, words) => {
          const variables = { note: words.join(' ') };
          const { message } = good(await messages.render(recipient({ name: who, variables })));
          expectWire(message);
          const mail = await PostalMime.parse(message);
          const link =
            /<(https:[^>]+)>/.exec(headerOf(mail, 'list-unsubscribe')[0] ?? '')?.[1] ?? '';
          const all = { ...variables, name: who, unsubscribe_url: link };
          const composed = await PostalMime.parse(
            await new MailComposer({
              from: { name: 'The Shop', address: 'news@shop.example' },
              to: { name: who, address: 'ann@one.example' },
              subject: compileTemplate(CONTENT.subject, 'none')(all).replace(/\s+/g, ' ').trim(),
              text: compileTemplate(CONTENT.text, 'none')(all),
              html: compileTemplate(CONTENT.source, 'html')(all),
              newline: 'win',
            })
              .compile()
              .build(),
          );
          for (const part of ['from', 'subject', 'text', 'html'] as const) {
            expect(mail[part]).toEqual(composed[part]);
          }
          expect(mail.to?.[0]?.address).toBe('ann@one.example');
          expect(mail.to?.[0]?.name).toBe(who);
          expect(await verifyDkim(message)).toEqual(
            sender.dkimSelectors.map((selector) => `${selector} pass shop.example`),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a single copy', () => {
  const SAME = {
    ...CONTENT,
    subject: 'Notice',
    source: '<p>Closed on Monday. {{unsubscribe_url}}</p>',
    text: null,
  };

  test('names nobody and carries the batch', async () => {
    const campaign = await make({ content: SAME, stream: 'marketing', mode: 'single_copy' });
    const messages = await createMessageSource(deps()).open(campaign.id);
    expect(messages.mode).toBe('single_copy');
    const { message, envelopeSender } = good(await messages.renderCopy(9n));
    const mail = await PostalMime.parse(message);
    expectWire(message);
    expect(mail.to).toEqual([{ name: 'undisclosed-recipients', group: [] }]);
    expect(verifyToken(ring, parseReturnAddress(envelopeSender)?.token ?? '')).toEqual({
      kind: 'batch',
      id: 9n,
    });
    const [list = ''] = headerOf(mail, 'list-unsubscribe');
    const token = /\/u\/(\w+)>/.exec(list)?.[1] ?? '';
    expect(verifyToken(ring, token)).toEqual({ kind: 'unsubscribe_batch', id: 9n });
    expect(mail.html).toContain(token);
    // A link that cannot say who clicked must not promise one click.
    expect(headerOf(mail, 'list-unsubscribe-post')).toEqual([]);
    expect(await verifyDkim(message)).toHaveLength(2);
    const again = good(await messages.renderCopy(10n)).message;
    expect(again.toString()).not.toContain(token);
  });

  test('auto: one copy when nothing varies, except for marketing', async () => {
    const source = createMessageSource(deps());
    for (const [stream, content, mode] of [
      ['statement', SAME, 'single_copy'],
      ['marketing', SAME, 'parallel'],
      ['statement', CONTENT, 'parallel'],
    ] as const) {
      const campaign = await make({ content, stream, mode: 'auto' });
      expect(campaign).toMatchObject({ mode: 'auto', effectiveMode: mode });
      expect((await source.open(campaign.id)).mode).toBe(mode);
    }
  });
});

test('mostly Chinese content goes as base64, and reads the same', async () => {
  const source = '<p>尊敬的{{name}}，您好！这是一封很长的信。</p>'.repeat(20);
  const { mail, message } = await render(
    { content: { ...CONTENT, source, text: null } },
    { name: '陈大文' },
  );
  expectWire(message);
  expect(message.toString()).toContain('Content-Transfer-Encoding: base64');
  expect(mail.html?.trim()).toBe(source.replaceAll('{{name}}', '陈大文'));
  expect(mail.subject).toBe('Hello 陈大文');
});

test('keys sealed under a former secret still sign; an unknown secret is said so', async () => {
  const campaign = await make();
  const rotated = {
    ...deps(),
    secret: 'the new secret, of at least 32 characters',
    previousSecrets: [SECRET],
  };
  const messages = await createMessageSource(rotated).open(campaign.id);
  const { message } = good(await messages.render(recipient()));
  expect(await verifyDkim(message)).toEqual(
    sender.dkimSelectors.map((selector) => `${selector} pass shop.example`),
  );
  await expect(
    createMessageSource({ ...rotated, previousSecrets: [] }).open(campaign.id),
  ).rejects.toMatchObject({ code: 'config_invalid' });
});
