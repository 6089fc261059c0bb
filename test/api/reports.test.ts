import { readXlsx } from 'hucre/xlsx';
import { beforeAll, expect, test } from 'vitest';
import { formatId, parseId } from '../../src/kernel/ids.ts';
import { createCampaign, useApi } from './harness.ts';

const api = useApi();
let campaign = '';

beforeAll(async () => {
  campaign = await createCampaign(api);
  const rows = ['a@one.example', 'b@one.example', 'c@two.example'].map((email) => `${email}\n`);
  await api.call(
    'POST',
    `/v1/campaigns/${campaign}/recipients`,
    { body: `email\n${rows.join('')}` },
    { headers: { 'Content-Type': 'text/csv' } },
  );
  const { sql } = api.database;
  // As expansion and the recorder leave them.
  await sql`
    with listed as (select id, campaign_id, domain, row_number() over (order by domain, id) as n
      from recipients)
    insert into deliveries (id, campaign_id, recipient_id, state, attempts, class)
    select n, campaign_id, id, (case when n = 1 then 'accepted' else 'bounced' end)::delivery_state,
      1, case when n = 1 then null else 'bad_mailbox' end from listed`;
  await sql`
    insert into batches (campaign_id, domain, first_delivery_id, last_delivery_id, state)
    select d.campaign_id, r.domain, min(d.id), max(d.id), 'done'
    from deliveries d join recipients r on r.id = d.recipient_id group by 1, 2`;
  await sql`
    insert into events (at, kind, campaign_id, delivery_id, class, rule, attempt, stage, mx_host,
      mx_address, reply_code, enhanced_code, reply_text, tls, duration_ms)
    select '2026-03-01T10:00:00Z', 'delivery.bounced', campaign_id, id, 'bad_mailbox',
      'enhanced:5.1.1', 1, 'rcpt', 'mx.one.example', '127.0.0.1:25', 550, '5.1.1', 'no such user',
      'TLSv1.3 TLS_AES_256_GCM_SHA384', 12
    from deliveries where state = 'bounced'`;
  await sql`
    insert into daily_rollups (campaign_id, day, domain, kind, class, count)
    select distinct campaign_id, '2026-03-01'::date, 'one.example', 'delivery.accepted', '', 1
    from deliveries union all
    select distinct campaign_id, '2026-03-01'::date, 'one.example', 'delivery.bounced', 'bad_mailbox', 1
    from deliveries union all
    select distinct campaign_id, '2026-03-02'::date, 'two.example', 'delivery.bounced', 'bad_mailbox', 1
    from deliveries`;
  await sql`
    insert into minute_rollups (campaign_id, minute, kind, count)
    select distinct campaign_id, '2026-03-01T10:00:00Z'::timestamptz, 'delivery.accepted', 1
    from deliveries union all
    select distinct campaign_id, '2026-03-01T10:00:00Z'::timestamptz, 'delivery.bounced', 2
    from deliveries`;
});

test('the balance, by domain and by class', async () => {
  const { status, body } = await api.get(`/v1/campaigns/${campaign}/report`, { as: 'read' });

  expect(status).toBe(200);
  expect(body.balance).toMatchObject({
    recipients: 3,
    accepted: 1,
    bounced: 2,
    pending: 0,
    closes: true,
  });
  expect(body.by_domain).toMatchObject([
    { domain: 'one.example', accepted: 1, bounced: 1 },
    { domain: 'two.example', bounced: 1 },
  ]);
  expect(body.by_class).toMatchObject([{ class: 'bad_mailbox', bounced: 2 }]);
  expect(body.timeline).toMatchObject({
    step_minutes: 1,
    points: [{ at: '2026-03-01T10:00:00.000Z', accepted: 1, bounced: 2 }],
  });
});

test.each([
  ['', 3],
  ['?state=bounced', 2],
  ['?domain=ONE.example', 2],
  ['?email=A@one.example', 1],
  ['?state=accepted&domain=two.example', 0],
  ['?email=nobody@one.example', 0],
])('deliveries%s: %i', async (query, found) => {
  const { status, body } = await api.get(`/v1/campaigns/${campaign}/deliveries${query}`);

  expect([status, body.data.length]).toEqual([200, found]);
});

test('a delivery on the wire is shown as sending, and found as that', async () => {
  const other = await createCampaign(api);
  await api.call(
    'POST',
    `/v1/campaigns/${other}/recipients`,
    { body: 'email\na@one.example\nb@one.example\n' },
    { headers: { 'Content-Type': 'text/csv' } },
  );
  const id = parseId('cmp', other) ?? 0n;
  const { sql } = api.database;
  await sql`
    insert into deliveries (id, campaign_id, recipient_id, state)
    select 100 + row_number() over (order by id), campaign_id, id, 'pending' from recipients
    where campaign_id = ${id}`;
  await sql`
    insert into batches (campaign_id, domain, first_delivery_id, last_delivery_id, state, owner,
      lease_until, marked)
    values (${id}, 'one.example', 101, 102, 'claimed', 'me', 'infinity', '{[102,102]}')`;

  const list = async (query: string): Promise<unknown[]> => {
    const { body } = await api.get(`/v1/campaigns/${other}/deliveries${query}`);
    return body.data.map((row) => [row.email, row.state]);
  };
  expect(await list('')).toEqual([
    ['a@one.example', 'pending'],
    ['b@one.example', 'sending'],
  ]);
  expect(await list('?state=sending')).toEqual([['b@one.example', 'sending']]);
  expect(await list('?state=pending')).toEqual([['a@one.example', 'pending']]);
  const { body } = await api.get(`/v1/deliveries/${formatId('dlv', 102n)}`);
  expect(body).toMatchObject({ email: 'b@one.example', state: 'sending' });
});

test('deliveries are paged without a gap or a double', async () => {
  const path = `/v1/campaigns/${campaign}/deliveries?limit=2`;
  const first = await api.get(path);
  const second = await api.get(`${path}&after=${first.body.next_cursor ?? ''}`);

  expect(first.body.has_more).toBe(true);
  expect([...first.body.data, ...second.body.data].map((row) => row.email)).toEqual([
    'a@one.example',
    'b@one.example',
    'c@two.example',
  ]);
});

test('a delivery shows every attempt: time, MX, address, reply, TLS, duration', async () => {
  const { data } = (await api.get(`/v1/campaigns/${campaign}/deliveries?state=bounced`)).body;
  const { body } = await api.get(`/v1/deliveries/${data[0]?.id ?? ''}`, { as: 'read' });

  expect(body.events).toMatchObject([
    {
      at: '2026-03-01T10:00:00.000Z',
      kind: 'delivery.bounced',
      mx_host: 'mx.one.example',
      mx_address: '127.0.0.1:25',
      reply_code: 550,
      enhanced_code: '5.1.1',
      reply_text: 'no such user',
      tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
      duration_ms: 12,
    },
  ]);
});

test.each([
  ['?state=lost', 'state'],
  ['?domain=not%20a%20domain', 'domain'],
  ['?domain=a%00.example', 'domain'],
  ['?domain=a.example%0d%0aX', 'domain'],
  ['?email=nobody', 'email'],
  ['?email=a%00@one.example', 'email'],
  ['?after=cmp_0000000000001', 'after'],
])('deliveries%s is refused', async (query, pointer) => {
  const { status, body } = await api.get(`/v1/campaigns/${campaign}/deliveries${query}`);

  expect([status, body.errors[0]?.pointer]).toEqual([422, pointer]);
});

test.each([
  '/v1/campaigns/cmp_zzzzzzzzzzzzz/report',
  '/v1/campaigns/x/deliveries',
  '/v1/deliveries/%00',
  '/v1/deliveries/dlv_zzzzzzzzzzzzz',
])('%s is not found', async (path) => {
  expect((await api.get(path)).status).toBe(404);
});

const BOUNCES = '/v1/reports/bounces?from=2026-03-01&to=2026-03-31';

/** What the recorder adds beside the daily rollups above. */
async function addProviderRollups(): Promise<void> {
  await api.database.sql`
    insert into provider_rollups (campaign_id, slot, provider, kind, class, count)
    select campaign_id, day::timestamp at time zone 'UTC', 'other', kind, class, sum(count)
    from daily_rollups group by 1, 2, 4, 5
    on conflict do nothing`;
}

test.each([
  ['class', ['bad_mailbox']],
  ['domain', ['one.example', 'two.example']],
  ['day', ['2026-03-01', '2026-03-02']],
])('bounces by %s', async (groupBy, keys) => {
  await addProviderRollups();
  const { status, body } = await api.get(`${BOUNCES}&group_by=${groupBy}`, { as: 'read' });

  expect(status).toBe(200);
  expect(body.data.map((row) => row.key)).toEqual(keys);
  expect(body).toMatchObject({
    period: { from: '2026-03-01', to: '2026-03-31' },
    before: { from: '2026-01-29', to: '2026-02-28' },
    totals: { delivered: 1, total: 2, rate: 2, before: { delivered: 0, rate: null } },
    has_more: false,
  });
});

test('bounces as CSV, by Accept or by format; the format wins', async () => {
  await addProviderRollups();
  const csv = { Accept: 'text/csv' };
  const asked = await api.get(BOUNCES, { headers: csv });
  const named = await api.get(`${BOUNCES}&format=csv`);
  const json = await api.get(`${BOUNCES}&format=json`, { headers: csv });

  expect(asked.headers.get('Content-Type')).toBe('text/csv; charset=utf-8');
  expect(asked.headers.get('Vary')).toBe('Accept');
  expect(asked.text).toBe(
    'class,delivered,bounced,bounced_late,total,rate,' +
      'before_delivered,before_bounced,before_bounced_late,before_total,before_rate\r\n' +
      'bad_mailbox,1,2,0,2,2,0,0,0,0,\r\n',
  );
  expect(named.text).toBe(asked.text);
  expect(json.body.data).toHaveLength(1);
});

test('as XLSX: one sheet, numbers as numbers, and text that is no formula', async () => {
  await api.database.sql`
    insert into daily_rollups (campaign_id, day, domain, kind, class, count)
    select min(campaign_id), '2026-05-01', '=cmd|x', 'delivery.accepted', '', 7 from daily_rollups`;
  const path = '/v1/reports/domains?from=2026-05-01&to=2026-05-01&format=xlsx';
  const response = await api.app.request(path, {
    headers: { Authorization: `Bearer ${api.keys.read}` },
  });

  expect(response.status).toBe(200);
  expect(response.headers.get('Content-Type')).toContain('spreadsheetml.sheet');
  expect(response.headers.get('Content-Disposition')).toBe(
    'attachment; filename="domains-2026-05-01-2026-05-01.xlsx"',
  );
  const { sheets } = await readXlsx(new Uint8Array(await response.arrayBuffer()));
  expect(sheets.map(({ name }) => name)).toEqual(['domains']);
  expect(sheets[0]?.rows[0]?.slice(0, 2)).toEqual(['domain', 'delivered']);
  expect(sheets[0]?.rows[1]?.slice(0, 2)).toEqual(['=cmd|x', 7]);
});

test('campaigns and senders have names, in files too', async () => {
  await addProviderRollups();
  const { body } = await api.get(`${BOUNCES}&group_by=campaign`);
  const { text } = await api.get(`${BOUNCES}&group_by=sender&format=csv`);

  expect(body.data).toMatchObject([{ key: campaign, name: 'March' }]);
  expect(text).toMatch(/^sender,name,delivered,.*\r\nsnd_[0-9a-z]{13},news@example.com,1,/);
});

test('a limit cuts the page and says so', async () => {
  const { body } = await api.get(`${BOUNCES}&group_by=domain&limit=1`);

  expect(body.data.map((row) => row.key)).toEqual(['one.example']);
  expect(body.has_more).toBe(true);
});

test.each([
  ['bounces', '?to=2026-03-31', 'from'],
  ['bounces', '?from=2026-02-30&to=2026-03-31', 'from'],
  ['bounces', '?from=2026-04-01&to=2026-03-01', 'from'],
  ['bounces', "?from=2026-03-01'--&to=2026-03-31", 'from'],
  ['bounces', '?from=2026-03-01&to=2026-03-31&group_by=colour', 'group_by'],
  ['bounces', '?from=2026-03-01&to=2026-03-31&format=xml', 'format'],
  ['bounces', '?from=2026-03-01&to=2026-03-31&provider=nobody', 'provider'],
  ['bounces', '?from=2026-03-01&to=2026-03-31&domain=a%20b', 'domain'],
  ['bounces', '?from=2026-03-01&to=2026-03-31&domain=a%00.example', 'domain'],
  ['bounces', '?from=2026-03-01&to=2026-03-31&campaign_id=cmp_1', 'campaign_id'],
  ['bounces', '?from=2026-03-01&to=2026-03-31&limit=10001', 'limit'],
  ['domains', '?from=2026-03-01&to=2026-03-31&group_by=class', 'group_by'],
  ['domains', '?from=2026-03-01&to=2026-03-31&class=full', 'class'],
  ['complaints', '?from=2026-03-01&to=2026-04-15&group_by=hour', 'to'],
  ['suppressions', '?from=2026-03-01&to=2028-04-15&format=csv', 'to'],
])('%s%s is refused', async (topic, query, pointer) => {
  const { status, body } = await api.get(`/v1/reports/${topic}${query}`);

  expect([status, body.errors[0]?.pointer]).toEqual([422, pointer]);
});
