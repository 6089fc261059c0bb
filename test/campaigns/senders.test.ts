import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createSender, getSender, listSenders } from '../../src/campaigns/senders.ts';
import type { SenderInput } from '../../src/campaigns/senders.ts';
import { openPrivateKey } from '../../src/campaigns/senders/dkim-keys.ts';
import { useDatabase } from '../harness/database.ts';
import { makeSender, testDeps } from './fixture.ts';

const database = useDatabase();
const deps = () => testDeps(database.sql);
const INPUT: SenderInput = {
  fromAddress: 'News@Shop.Example',
  displayName: 'Der “Laden”, GmbH',
  bounceDomain: 'Bounce.Mail.Shop.example',
  unsubscribeBaseUrl: 'https://shop.example/mail/',
};

test('a sender comes with what its owner has to publish', async () => {
  const sender = await createSender(deps(), INPUT);
  expect(sender).toMatchObject({
    fromAddress: 'News@shop.example',
    domain: 'shop.example',
    bounceDomain: 'bounce.mail.shop.example',
    unsubscribeBaseUrl: 'https://shop.example/mail',
  });
  expect(sender.dkimSelectors).toHaveLength(2);
  const byName = Map.groupBy(sender.dnsRecords, ({ type, name }) => `${type} ${name}`);
  const value = (key: string) => byName.get(key)?.[0]?.value;
  const [rsa = '', ed25519 = ''] = sender.dkimSelectors;
  const rsaRecord = value(`TXT ${rsa}._domainkey.shop.example`) ?? '';
  const key = createPublicKey({
    key: Buffer.from(/p=(.+)$/.exec(rsaRecord)?.[1] ?? '', 'base64'),
    format: 'der',
    type: 'spki',
  });
  expect(key.asymmetricKeyDetails?.modulusLength).toBe(2048);
  expect(value(`TXT ${ed25519}._domainkey.shop.example`)).toMatch(
    /^v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=$/,
  );
  expect(value('MX bounce.mail.shop.example')).toBe('10 mx.bounce.mail.shop.example');
  expect(value('TXT bounce.mail.shop.example')).toBe('v=spf1 mx ~all');
  expect(value('TXT _dmarc.shop.example')).toBe('v=DMARC1; p=none');
  expect(await getSender(deps(), sender.id)).toEqual(sender);
  await expect(getSender(deps(), 999_999n)).rejects.toMatchObject({ code: 'not_found' });
});

test('private keys are sealed at rest, and selectors never repeat', async () => {
  const [one, two] = [await makeSender(deps()), await makeSender(deps())];
  expect(new Set([...one.dkimSelectors, ...two.dkimSelectors]).size).toBe(4);
  const rows = await database.sql<{ privateKeySealed: Uint8Array }[]>`
    select private_key_sealed from dkim_keys`;
  for (const { privateKeySealed } of rows) {
    expect(Buffer.from(privateKeySealed).toString('latin1')).not.toContain('PRIVATE KEY');
    expect(openPrivateKey(deps(), privateKeySealed)).toContain('BEGIN PRIVATE KEY');
    expect(() =>
      openPrivateKey(
        { secret: 'another secret of 32 characters.', previousSecrets: [] },
        privateKeySealed,
      ),
    ).toThrow('VOLLEY_PREVIOUS_SECRETS');
  }
});

test('lists come newest first, with their records', async () => {
  const made = [];
  for (let i = 0; i < 3; i += 1) made.unshift(await makeSender(deps()));
  const page = await listSenders(deps(), { limit: 2, after: null });
  expect(page.data).toEqual(made.slice(0, 2));
  const next = await listSenders(deps(), { limit: 1, after: page.nextCursor });
  expect(next.data).toEqual(made.slice(2));
});

describe('refused', () => {
  test.each([
    ['fromAddress', 'news', '/from_address'],
    ['fromAddress', 'news@shop.example\r\nBcc: x@y.example', '/from_address'],
    ['fromAddress', '用户@shop.example', '/from_address'],
    ['displayName', 'Shop\r\nBcc: x', '/display_name'],
    ['displayName', 'x'.repeat(201), '/display_name'],
    ['bounceDomain', 'bounce.other.example', '/bounce_domain'],
    ['bounceDomain', 'no domain', '/bounce_domain'],
    ['bounceDomain', 'example', '/bounce_domain'],
    ['unsubscribeBaseUrl', 'http://shop.example/', '/unsubscribe_base_url'],
    ['unsubscribeBaseUrl', 'javascript:alert(1)', '/unsubscribe_base_url'],
    ['unsubscribeBaseUrl', 'https://user:pw@shop.example/', '/unsubscribe_base_url'],
    ['unsubscribeBaseUrl', 'https://shop.example/?a=b', '/unsubscribe_base_url'],
    ['unsubscribeBaseUrl', 'not a url', '/unsubscribe_base_url'],
  ] as const)('%s %j', async (field, value, pointer) => {
    await expect(createSender(deps(), { ...INPUT, [field]: value })).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer }],
    });
  });

  test('all wrong fields at once', async () => {
    await expect(
      createSender(deps(), {
        fromAddress: '',
        displayName: '\0',
        bounceDomain: '',
        unsubscribeBaseUrl: '',
      }),
    ).rejects.toMatchObject({ errors: { length: 4 } });
  });

  test('but a bounce domain may be a sibling or the domain itself, and loopback may be http', async () => {
    for (const bounceDomain of ['example.co.uk', 'b.example.co.uk']) {
      await createSender(deps(), { ...INPUT, fromAddress: 'a@mail.example.co.uk', bounceDomain });
    }
    await expect(
      createSender(deps(), {
        ...INPUT,
        fromAddress: 'a@example.co.uk',
        bounceDomain: 'other.co.uk',
      }),
    ).rejects.toMatchObject({ code: 'invalid_request' });
    const sender = await createSender(deps(), {
      ...INPUT,
      unsubscribeBaseUrl: 'http://127.0.0.1:8080',
    });
    expect(sender.unsubscribeBaseUrl).toBe('http://127.0.0.1:8080');
  });
});
