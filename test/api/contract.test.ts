/**
 * The document and the server say the same: every route of /openapi.json is called, and what it
 * answers is one of the responses it declares, to the last field.
 */
import { gzipSync } from 'node:zlib';
import type { RouteConfig } from '@hono/zod-openapi';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Problem } from '../../src/api/endpoint.ts';
import { SCOPES } from '../../src/api/scopes.ts';
import type { Scope } from '../../src/api/scopes.ts';
import { bounceAddress } from '../../src/verp/address.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { signToken } from '../../src/verp/token.ts';
import {
  createCampaign,
  NEW_SENDER,
  NEW_TEMPLATE,
  newCampaign,
  SECRET,
  useApi,
} from './harness.ts';
import type { Answer } from './harness.ts';

const api = useApi();

interface World {
  sender: string;
  template: string;
  /** A draft with recipients. */
  draft: string;
  /** Started, then expanded by hand: it has a delivery. */
  started: string;
  delivery: string;
  upload: string;
  importRejects: string;
}
let world: World;

const NEW_RULE = { name: 'all-bounces', metric: 'bounce', min_volume: 100, threshold: 0.2 };
const NEW_KEY = { algorithm: 'ed25519-sha256', selector: 'next' };
const CSV = { headers: { 'Content-Type': 'text/csv' } };

async function uploadTo(campaign: string) {
  const body = 'email,name\nann@example.com,Ann\nno address,\n';
  return api.call('POST', `/v1/campaigns/${campaign}/recipients`, { body }, CSV);
}

beforeAll(async () => {
  const draft = await createCampaign(api);
  const upload = String((await uploadTo(draft)).body.upload_id);
  const started = await createCampaign(api);
  await uploadTo(started);
  await api.post(`/v1/campaigns/${started}/start`);
  await api.database.sql`
    insert into deliveries (id, campaign_id, recipient_id, state)
    select 1, campaign_id, id, 'bounced' from recipients order by id desc limit 1`;
  await api.database.sql`
    insert into events (kind, campaign_id, delivery_id, class, rule, attempt, stage, mx_host,
      mx_address, reply_code, enhanced_code, reply_text, tls, duration_ms)
    select 'delivery.bounced', campaign_id, id, 'bad_mailbox', 'enhanced:5.1.1', 1, 'rcpt',
      'mx.example.com', '127.0.0.1:25', 550, '5.1.1', 'no such user', null, 12 from deliveries`;
  await api.database.sql`
    insert into tls_reports (day, domain, state, due_at, body, made_at)
    values ('2026-03-01', 'example.com', 'sent', now(), ${gzipSync('{"policies":[]}')}, now())`;
  const sender = (await api.post('/v1/senders', NEW_SENDER)).body.id;
  const template = (await api.post('/v1/templates', NEW_TEMPLATE)).body.id;
  await api.post('/v1/suppressions', { entries: [{ email: 'held@example.com' }] });
  const file = { body: 'email\n?\n' };
  const imported = await api.call('POST', '/v1/suppressions/import', file, CSV);
  const importRejects = String(imported.body['rejects_url']);
  const delivery = 'dlv_0000000000001';
  world = { sender, template, draft, started, delivery, upload, importRejects };
});

/** One good call of every route. Those that end a state come last. */
const CALLS: Record<string, () => Promise<Answer>> = {
  'post /v1/senders': () => api.post('/v1/senders', NEW_SENDER),
  'get /v1/senders': () => api.get('/v1/senders'),
  'get /v1/senders/{id}': () => api.get(`/v1/senders/${world.sender}`),
  'get /v1/senders/{id}/keys': () => api.get(`/v1/senders/${world.sender}/keys`),
  'post /v1/senders/{id}/keys': () => api.post(`/v1/senders/${world.sender}/keys`, NEW_KEY),
  'post /v1/senders/{id}/keys/{selector}/activate': () =>
    api.post(`/v1/senders/${world.sender}/keys/next/activate`, { unseen: true }),
  'post /v1/senders/{id}/keys/{selector}/retire': () =>
    api.post(`/v1/senders/${world.sender}/keys/next/retire`),
  'post /v1/routes': () => api.post('/v1/routes', { pattern: 'x.example', transport: 'discard' }),
  'get /v1/routes': () => api.get('/v1/routes'),
  'get /v1/routes/explain': () => api.get('/v1/routes/explain?domain=x.example'),
  'delete /v1/routes/{id}': () => api.call('DELETE', '/v1/routes/rte_0000000000001'),
  'post /v1/sources': () => api.post('/v1/sources', { pool: 'default', address: '127.0.0.11' }),
  'get /v1/sources': () => api.get('/v1/sources'),
  'delete /v1/sources/{id}': () => api.call('DELETE', '/v1/sources/src_0000000000001'),
  'get /v1/tls-reports': () => api.get('/v1/tls-reports?domain=example.com'),
  'get /v1/tls-reports/{id}': () => api.get('/v1/tls-reports/tlr_0000000000001'),
  'post /v1/tls-reports/{id}/send': () => api.post('/v1/tls-reports/tlr_0000000000001/send'),
  'post /v1/templates': () => api.post('/v1/templates', NEW_TEMPLATE),
  'get /v1/templates': () => api.get('/v1/templates'),
  'get /v1/templates/{id}': () => api.get(`/v1/templates/${world.template}`),
  'post /v1/templates/{id}/preview': () =>
    api.post(`/v1/templates/${world.template}/preview`, { variables: { name: 'Ann' } }),
  'post /v1/campaigns': () => api.post('/v1/campaigns', newCampaign(world.sender)),
  'get /v1/campaigns': () => api.get('/v1/campaigns?state=draft'),
  'get /v1/campaigns/{id}': () => api.get(`/v1/campaigns/${world.started}`),
  'post /v1/campaigns/{id}/recipients': () => uploadTo(world.draft),
  'get /v1/campaigns/{id}/uploads/{upload_id}/rejects': () =>
    api.get(`/v1/campaigns/${world.draft}/uploads/${world.upload}/rejects`),
  'get /v1/campaigns/{id}/report': () => api.get(`/v1/campaigns/${world.started}/report`),
  'get /v1/campaigns/{id}/deliveries': () =>
    api.get(`/v1/campaigns/${world.started}/deliveries?state=bounced`),
  'get /v1/deliveries/{id}': () => api.get(`/v1/deliveries/${world.delivery}`),
  'get /v1/reports/bounces': () =>
    api.get('/v1/reports/bounces?from=2026-01-01&to=2026-12-31&group_by=class'),
  'post /v1/bounces/rules': () =>
    api.post('/v1/bounces/rules', {
      id: 'quota-words',
      pattern: 'storage allotment (?:is )?used up',
      class: 'full',
      evidence: '550 Sorry, the storage allotment is used up',
    }),
  'get /v1/bounces/rules': () => api.get('/v1/bounces/rules'),
  'delete /v1/bounces/rules/{id}': () => api.call('DELETE', '/v1/bounces/rules/own.quota-words'),
  'get /v1/bounces/unmatched': () => api.get('/v1/bounces/unmatched?limit=5'),
  'post /v1/bounces/inspect': () =>
    api.call(
      'POST',
      '/v1/bounces/inspect',
      { body: 'Subject: hello\r\n\r\nhello' },
      { headers: { 'Content-Type': 'message/rfc822' } },
    ),
  'post /v1/inbound': () =>
    api.call(
      'POST',
      `/v1/inbound?recipient=${encodeURIComponent(ownAddress())}`,
      { body: 'Subject: hello\r\n\r\nhello' },
      { headers: { 'Content-Type': 'message/rfc822' } },
    ),
  'get /v1/reports/complaints': () =>
    api.get('/v1/reports/complaints?from=2026-01-01&to=2026-12-31&group_by=day'),
  'get /v1/reports/suppressions': () =>
    api.get('/v1/reports/suppressions?from=2026-01-01&to=2026-12-31'),
  'get /v1/reports/domains': () =>
    api.get(`/v1/reports/domains?from=2026-01-01&to=2026-12-31&campaign_id=${world.started}`),
  'get /v1/alarm-rules': () => api.get('/v1/alarm-rules'),
  'post /v1/alarm-rules': () => api.post('/v1/alarm-rules', NEW_RULE),
  'put /v1/alarm-rules/{id}': () =>
    api.call('PUT', '/v1/alarm-rules/alr_0000000000001', {
      body: JSON.stringify({ ...NEW_RULE, name: 'bounces', action: 'pause_provider' }),
      headers: { 'Content-Type': 'application/json' },
    }),
  'delete /v1/alarm-rules/{id}': () => api.call('DELETE', '/v1/alarm-rules/alr_0000000000002'),
  'get /v1/alarms': () => api.get('/v1/alarms?state=raised'),
  'post /v1/provider-pauses': () =>
    api.post('/v1/provider-pauses', {
      sender_id: world.sender,
      provider: 'qq',
      reason: 'they asked us to wait',
    }),
  'get /v1/provider-pauses': () => api.get('/v1/provider-pauses?state=paused'),
  'post /v1/provider-pauses/{id}/resume': () =>
    api.post('/v1/provider-pauses/pps_0000000000001/resume'),
  'post /v1/webhooks': () => api.post('/v1/webhooks', { url: 'http://127.0.0.1:9/hook' }),
  'get /v1/webhooks': () => api.get('/v1/webhooks'),
  'get /v1/webhooks/{id}/deliveries': () => api.get('/v1/webhooks/whk_0000000000001/deliveries'),
  'delete /v1/webhooks/{id}': () => api.call('DELETE', '/v1/webhooks/whk_0000000000001'),
  'get /v1/suppressions': () => api.get('/v1/suppressions'),
  'post /v1/suppressions': () =>
    api.post('/v1/suppressions', { entries: [{ email: 'x@example.com' }, { email: '?' }] }),
  'post /v1/suppressions/check': () =>
    api.post('/v1/suppressions/check', { emails: ['held@example.com', '?'] }),
  'post /v1/suppressions/import': () =>
    api.call('POST', '/v1/suppressions/import', { body: 'email\ny@example.com\n?\n' }, CSV),
  'get /v1/suppressions/export': () => api.get('/v1/suppressions/export'),
  'get /v1/suppressions/imports/{id}/rejects': () => api.get(world.importRejects),
  'get /v1/suppressions/{email}/history': () =>
    api.get('/v1/suppressions/held@example.com/history'),
  'post /v1/suppressions/erase': () =>
    api.post('/v1/suppressions/erase', { email: 'gone@example.com' }),
  'get /healthz': () => api.get('/healthz', { as: null }),
  'get /readyz': () => api.get('/readyz', { as: null }),
  'get /u/{token}': () => api.get(unsubscribeLink(), { as: null }),
  'delete /v1/suppressions/{email}': () => api.call('DELETE', '/v1/suppressions/held@example.com'),
  'post /v1/campaigns/{id}/start': () => api.post(`/v1/campaigns/${world.draft}/start`),
  'post /v1/campaigns/{id}/pause': () => api.post(`/v1/campaigns/${world.draft}/pause`),
  'post /v1/campaigns/{id}/resume': () => api.post(`/v1/campaigns/${world.draft}/resume`),
  'post /v1/campaigns/{id}/cancel': () => api.post(`/v1/campaigns/${world.draft}/cancel`),
  'post /v1/campaigns/{id}/resolve-ambiguous': () =>
    api.post(`/v1/campaigns/${world.draft}/resolve-ambiguous`, { as: 'accepted' }),
  'post /u/{token}': () =>
    api.call(
      'POST',
      unsubscribeLink(),
      { body: new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }) },
      { as: null },
    ),
};

function ownAddress(): string {
  const token = signToken(createKeyRing([SECRET]), 'delivery', 1n);
  return bounceAddress(token, NEW_SENDER.bounce_domain);
}

function unsubscribeLink(): string {
  return `/u/${signToken(createKeyRing([SECRET]), 'unsubscribe', 1n)}`;
}

function routes(): Map<string, RouteConfig & { 'x-required-scope'?: unknown }> {
  const found = api.app.openAPIRegistry.definitions.flatMap((definition) =>
    definition.type === 'route' ? [definition.route] : [],
  );
  return new Map(found.map((route) => [`${route.method} ${route.path}`, route]));
}

function routeOf(name: string): RouteConfig & { 'x-required-scope'?: unknown } {
  const route = routes().get(name);
  if (route === undefined) throw new Error(`no route ${name}`);
  return route;
}

/** Whether the answer is what the route declares for its status. */
function expectDeclared(name: string, answer: Answer): void {
  const declared = routeOf(name).responses[answer.status];
  expect(declared, `${name} answered ${answer.status}: ${answer.text.slice(0, 300)}`).toBeDefined();
  const content = declared !== undefined && 'content' in declared ? (declared.content ?? {}) : {};
  const mediaType = (answer.headers.get('Content-Type') ?? '').split(';')[0] ?? '';
  expect(Object.keys(content)).toContain(mediaType);
  const schema = (content as Record<string, { schema: unknown }>)[mediaType]?.schema;
  if (!mediaType.includes('json') || !(schema instanceof z.ZodType)) return;
  // Parsing drops what is not declared, so equality says that nothing else was answered.
  expect(schema.parse(answer.body)).toEqual(answer.body);
}

test('every route of the document has a call here, and the document is OpenAPI 3.1', async () => {
  const { body } = await api.get('/openapi.json', { as: null });
  const paths = body.paths as Record<string, Record<string, unknown>>;
  const documented = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  );

  expect(body.openapi).toBe('3.1.0');
  expect(documented.sort()).toEqual(Object.keys(CALLS).sort());
  expect([...routes().keys()].sort()).toEqual(Object.keys(CALLS).sort());
});

test('every path the server answers below /v1 is in the document', () => {
  const served = api.app.routes
    .filter((route) => route.path.startsWith('/v1/') && route.method !== 'ALL')
    .map((route) => `${route.method.toLowerCase()} ${route.path.replace(/:(\w+)/g, '{$1}')}`);

  expect([...new Set(served)].sort()).toEqual(
    [...routes().keys()].filter((name) => name.includes(' /v1/')).sort(),
  );
});

test.each(Object.entries(CALLS))('a good call answers as declared: %s', async (name, call) => {
  const answer = await call();

  expect(answer.status, answer.text.slice(0, 500)).toBeLessThan(300);
  expectDeclared(name, answer);
});

describe.each(Object.keys(CALLS))('%s', (name) => {
  const [method = '', template = ''] = name.split(' ');
  const path = template.replace(/\{\w+\}/g, 'x');

  test('declares its scope, and refuses a stranger and every lower scope', async () => {
    const scope = routeOf(name)['x-required-scope'];
    expect([...SCOPES, 'public']).toContain(scope);
    expect(template.startsWith('/v1/')).toBe(scope !== 'public');
    if (scope === 'public') return;
    // The body does not matter: it is not looked at before.
    const init = method === 'get' ? {} : { body: '{' };

    const stranger = await api.call(method.toUpperCase(), path, init, { as: null });
    expect(stranger.status).toBe(401);
    expectDeclared(name, stranger);
    for (const lower of SCOPES.slice(0, SCOPES.indexOf(scope as Scope))) {
      const answer = await api.call(method.toUpperCase(), path, init, { as: lower });
      expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
      expectDeclared(name, answer);
    }
  });

  test('a wrong call is a declared problem', async () => {
    if (template === '/healthz' || template === '/readyz') return;
    const wrong = await api.call(method.toUpperCase(), `${path}?nonsense=1`, {
      ...(method === 'get' || method === 'delete' ? {} : { body: '{' }),
      headers: { 'Content-Type': 'application/json' },
    });
    // Exports without an id have nothing that could be wrong but the query.
    expect(wrong.status).toBeGreaterThanOrEqual(400);
    expectDeclared(name, wrong);
    if (wrong.headers.get('Content-Type')?.includes('problem') !== true) return;
    expect(Problem.parse(wrong.body)).toEqual(wrong.body);
    expect(wrong.body.instance).toBe(path);
  });
});

test('no GET and no HEAD changes anything', async () => {
  const { sql } = api.database;
  const tables = await sql<{ name: string }[]>`
    select table_name as name from information_schema.tables where table_schema = 'public'`;
  const state = async () => {
    const rows = [];
    for (const { name } of tables) {
      rows.push(
        await sql`select ${name}::text as name, count(*), md5(string_agg(t::text, '' order by t::text))
        from ${sql(name)} t`,
      );
    }
    return rows;
  };
  const before = await state();

  for (const [name, call] of Object.entries(CALLS)) {
    if (!name.startsWith('get ')) continue;
    await call();
    await api.call('HEAD', name.slice(4).replace(/\{\w+\}/g, world.started));
  }

  expect(await state()).toEqual(before);
});

test('every example of a request body is accepted by its schema', () => {
  for (const [name, route] of routes()) {
    for (const [type, media] of Object.entries(route.request?.body?.content ?? {})) {
      if (type !== 'application/json') continue;
      const schema = (media as { schema: unknown }).schema;
      if (!(schema instanceof z.ZodType)) throw new Error(`${name}: no schema`);
      expect(schema.safeParse(exampleOf(name)).error?.issues ?? [], name).toEqual([]);
    }
  }
});

/** As the document shows it. */
function exampleOf(name: string): unknown {
  const [method = '', path = ''] = name.split(' ');
  const document = api.app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 't', version: '1' },
  }) as unknown as {
    paths: Record<
      string,
      Record<string, { requestBody: { content: Record<string, { schema: { $ref: string } }> } }>
    >;
    components: { schemas: Record<string, { example?: unknown }> };
  };
  const ref = document.paths[path]?.[method]?.requestBody.content['application/json']?.schema.$ref;
  return document.components.schemas[ref?.split('/').at(-1) ?? '']?.example;
}
