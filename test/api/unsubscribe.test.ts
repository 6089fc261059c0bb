import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { signToken } from '../../src/verp/token.ts';
import { createCampaign, SECRET, useApi } from './harness.ts';
import type { Answer } from './harness.ts';

const api = useApi();
const ring = createKeyRing([SECRET]);
const ONE_CLICK = 'List-Unsubscribe=One-Click';
let nextId = 1n;

/** A delivery of a marketing campaign to each address, in one batch; as expansion leaves them. */
async function deliveries(emails: readonly string[]): Promise<{ batch: string; links: string[] }> {
  const { sql } = api.database;
  const campaign = await createCampaign(api, { stream: 'marketing' });
  const [row] = await sql<{ id: bigint }[]>`select max(id) as id from campaigns`;
  const campaignId = row?.id ?? 0n;
  expect(campaign).toMatch(/^cmp_/);
  const first = nextId;
  nextId += BigInt(emails.length);
  await sql`
    with list as (
      insert into recipients (campaign_id, address, address_key, domain)
      select ${campaignId}, email, email, 'example.com' from unnest(${emails as string[]}::text[]) email
      returning id
    )
    insert into deliveries (id, campaign_id, recipient_id, state)
    select ${first} + row_number() over (order by id) - 1, ${campaignId}, id, 'accepted' from list`;
  const [batch] = await sql<{ id: bigint }[]>`
    insert into batches (campaign_id, domain, first_delivery_id, last_delivery_id, state)
    values (${campaignId}, 'example.com', ${first}, ${nextId - 1n}, 'done') returning id`;
  return {
    batch: `/u/${signToken(ring, 'unsubscribe_batch', batch?.id ?? 0n)}`,
    links: emails.map((_email, i) => `/u/${signToken(ring, 'unsubscribe', first + BigInt(i))}`),
  };
}

function post(path: string, body: string | FormData, headers: Record<string, string> = {}) {
  const type =
    typeof body === 'string' ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {};
  return api.call('POST', path, { body, headers: { ...type, ...headers } }, { as: null });
}

async function suppressions(email: string) {
  return (await api.get(`/v1/suppressions?email=${email}`)).body.data;
}

function linkOf(made: { links: string[] }, i = 0): string {
  const link = made.links[i];
  if (link === undefined) throw new Error('no such link');
  return link;
}

test('the button is one click, and so is a mail client', async () => {
  const link = linkOf(await deliveries(['click@example.com']));

  const page = await api.get(link, { as: null });
  const done = await post(link, ONE_CLICK);

  expect([page.status, done.status]).toEqual([200, 200]);
  expect(page.text).toContain('name="List-Unsubscribe" value="One-Click"');
  expect(await suppressions('click@example.com')).toMatchObject([
    {
      reason: 'unsubscribe',
      scope: 'stream',
      scope_value: 'example.com/marketing',
      origin: 'recipient',
    },
  ]);
});

test('multipart, and the same again, are fine', async () => {
  const link = linkOf(await deliveries(['multi@example.com']));
  const form = new FormData();
  form.set('List-Unsubscribe', 'One-Click');

  expect((await post(link, form)).status).toBe(200);
  expect((await post(link, ONE_CLICK)).status).toBe(200);
  expect(await suppressions('multi@example.com')).toHaveLength(1);
});

test('a thousand GETs and HEADs of scanners unsubscribe nobody', async () => {
  const link = linkOf(await deliveries(['scanned@example.com']));
  const { sql } = api.database;
  const before =
    await sql`select (select count(*) from events), (select count(*) from suppressions)`;

  for (let i = 0; i < 500; i += 1) {
    expect(
      (await api.call('GET', `${link}?List-Unsubscribe=One-Click`, {}, { as: null })).status,
    ).toBe(200);
    expect((await api.call('HEAD', link, {}, { as: null })).status).toBe(200);
  }

  expect(
    await sql`select (select count(*) from events), (select count(*) from suppressions)`,
  ).toEqual(before);
});

test.each(['', 'x=1', 'List-Unsubscribe=Yes', `a=${'x'.repeat(100)}`])(
  'POST of %j is not one click',
  async (body) => {
    const link = linkOf(await deliveries([`not-${body.length}@example.com`]));

    expect((await post(link, body)).status).toBe(422);
    expect(await suppressions(`not-${body.length}@example.com`)).toEqual([]);
  },
);

test('a form of 20 KB is refused', async () => {
  const link = linkOf(await deliveries(['big@example.com']));

  expect((await post(link, `${ONE_CLICK}&x=${'x'.repeat(20_000)}`)).status).toBe(413);
});

test.each(['qqq', 'a'.repeat(36), '%00', '..%2f..%2fv1', 'x'.repeat(5_000)])(
  'the link /u/%.30s is not ours',
  async (token) => {
    const page = await api.get(`/u/${token}`, { as: null });
    const done = await post(`/u/${token}`, ONE_CLICK);

    expect([page.status, done.status]).toEqual([404, 404]);
    expect(page.text).not.toContain(token);
  },
);

test('a token of another kind is not a link', async () => {
  for (const kind of ['delivery', 'batch', 'feedback'] as const) {
    expect((await post(`/u/${signToken(ring, kind, 1n)}`, ONE_CLICK)).status).toBe(404);
  }
});

test('the page has choices and works without script; each does what it says', async () => {
  const made = await deliveries(['sender@example.com', 'all@example.com', 'pause@example.com']);
  const page = await api.get(linkOf(made), { as: null });
  for (const choice of ['list', 'pause', 'sender', 'all']) {
    expect(page.text).toMatch(new RegExp(`type="radio"\\s+name="choice"\\s+value="${choice}"`));
  }
  for (const [i, choice] of ['sender', 'all', 'pause'].entries()) {
    const done = await post(linkOf(made, i), `${ONE_CLICK}&choice=${choice}&why=never_asked`);
    expect(done.status).toBe(200);
    expect(done.text).toContain('role="status"');
  }
  expect(await suppressions('sender@example.com')).toMatchObject([
    { scope: 'sender', scope_value: 'example.com', evidence: 'one-click link; why: never_asked' },
  ]);
  expect(await suppressions('all@example.com')).toMatchObject([{ scope: 'global' }]);
  const [pause] = await suppressions('pause@example.com');
  expect(pause).toMatchObject({ scope: 'stream', reason: 'unsubscribe' });
  const days = (Date.parse(String(pause?.['expires_at'])) - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(29.9);
  expect(days).toBeLessThan(30.1);
});

test.each(['choice=everything', 'why=because', 'choice=', 'why=%00'])(
  'a form with %s is not ours',
  async (field) => {
    const link = linkOf(await deliveries([`wrong-${field.length}@example.com`]));

    expect((await post(link, `${ONE_CLICK}&${field}`)).status).toBe(422);
    expect(await suppressions(`wrong-${field.length}@example.com`)).toEqual([]);
  },
);

test('a thousand POSTs without the right body unsubscribe nobody', async () => {
  const link = linkOf(await deliveries(['posted@example.com']));
  const bodies = ['', '{"List-Unsubscribe":"One-Click"}', 'list-unsubscribe=One-Click', '\u0000'];
  for (let i = 0; i < 1_000; i += 1) {
    const { status } = await post(link, bodies[i % bodies.length] ?? '', {
      'Content-Type': i % 2 === 0 ? 'application/json' : 'application/x-www-form-urlencoded',
    });
    expect(status).toBe(422);
  }
  expect(await suppressions('posted@example.com')).toEqual([]);
});

test('one click needs no cookie, no Accept, no redirect; and sets none', async () => {
  const link = linkOf(await deliveries(['bare@example.com']));
  const done = await post(link, ONE_CLICK, { 'User-Agent': '' });

  expect(done.status).toBe(200);
  expect(done.headers.get('Location')).toBeNull();
  expect(done.headers.get('Set-Cookie')).toBeNull();
  expect(await suppressions('bare@example.com')).toHaveLength(1);
});

const mails = () => api.database.sql<{ address: string; variables: Record<string, string> }[]>`
  select r.address, r.variables from recipients r join campaigns c on c.id = r.campaign_id
  where c.purpose = 'notice' order by r.id`;

test('the link of a single copy asks who, does not tell who is on the list, and confirms by mail', async () => {
  const { batch } = await deliveries(['member@example.com', 'other@example.com']);

  const page = await api.get(batch, { as: null });
  const bare = await post(batch, ONE_CLICK);
  const timesMs: number[] = [];
  const ask = async (email: string) => {
    const began = performance.now();
    const answer = await post(batch, `${ONE_CLICK}&email=${encodeURIComponent(email)}`);
    timesMs.push(performance.now() - began);
    return answer;
  };
  const member = await ask('Member@Example.com');
  const stranger = await ask('stranger@example.com');

  expect(page.text).toContain('type="email"');
  expect(bare.status).toBe(422);
  expect(bare.text).toContain('role="alert"');
  expect([member.status, stranger.status]).toEqual([200, 200]);
  expect(member.text).toBe(stranger.text);
  expect(Math.min(...timesMs)).toBeGreaterThan(390);
  expect(await suppressions('member@example.com')).toEqual([]);
  const sent = await mails();
  expect(sent.map(({ address }) => address)).toEqual(['Member@example.com']);
  const link = /https:\/\/mail\.example\.com(\/u\/\S+)/.exec(sent[0]?.variables['text'] ?? '')?.[1];
  expect((await api.get(link ?? '', { as: null })).status).toBe(200);
  expect(await suppressions('member@example.com')).toEqual([]);
  expect((await post(link ?? '', ONE_CLICK)).status).toBe(200);
  expect(await suppressions('member@example.com')).toHaveLength(1);
  expect(await suppressions('other@example.com')).toEqual([]);
});

test('nobody gets more than three such mails a day, in the language of the page', async () => {
  const { batch } = await deliveries(['flooded@example.com']);
  await Promise.all(
    Array.from({ length: 4 }, () =>
      post(batch, `${ONE_CLICK}&email=flooded@example.com`, { 'Accept-Language': 'ko' }),
    ),
  );
  for (let i = 0; i < 2; i += 1) await post(batch, `${ONE_CLICK}&email=flooded@example.com`);

  const sent = (await mails()).filter(({ address }) => address === 'flooded@example.com');
  // Orders at one moment may each see room (notices.ts).
  expect(sent.length).toBeGreaterThanOrEqual(3);
  expect(sent.length).toBeLessThanOrEqual(4);
  expect(sent[0]?.variables['subject']).toBe('수신 거부 링크');
});

test.each([
  ['zh-CN,zh;q=0.9,en;q=0.8', 'zh', '退订'],
  ['en-GB', 'en', 'Unsubscribe'],
  ['fr, zh-TW;q=0.5', 'zh', '退订'],
  ['ko-KR', 'ko', '수신 거부'],
  ['fr', 'en', 'Unsubscribe'],
  ['constructor', 'en', 'Unsubscribe'],
])('Accept-Language %s is answered in %s', async (accept, language, word) => {
  const link = linkOf(await deliveries([`lang-${accept.length}${language}@example.com`]));

  const { text, headers } = await api.get(link, {
    as: null,
    headers: { 'Accept-Language': accept },
  });

  expect(text).toContain(`<html lang="${language}"`);
  expect(text).toContain(word);
  expect(headers.get('Content-Language')).toBe(language);
});

test('the page has no script, no cookie, no address, and may not be framed or indexed', async () => {
  const link = linkOf(await deliveries(['private@example.com']));
  const answers: Answer[] = [await api.get(link, { as: null }), await post(link, ONE_CLICK)];

  for (const { text, headers } of answers) {
    expect(text).not.toMatch(/<script|private|example\.com/);
    expect(headers.get('Set-Cookie')).toBeNull();
    const style = /<style>([^<]*)<\/style>/.exec(text)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(headers.get('Content-Security-Policy')).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    );
    expect(headers.get('X-Robots-Tag')).toBe('noindex');
    expect(headers.get('Cache-Control')).toBe('no-store');
  }
});
