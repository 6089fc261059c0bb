/**
 * api/harness — the API over a fresh database, called in the process, as a key of each scope.
 *
 *     const api = useApi();
 *     const { status, body } = await api.post('/v1/senders', { ... }, { as: 'admin' });
 */
import { afterAll, beforeAll } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { createConverter } from '../../src/campaigns/templates/converter.ts';
import type { ApiDeps } from '../../src/api/app.ts';
import { createKey } from '../../src/api/keys.ts';
import type { ApiRouter } from '../../src/api/router.ts';
import { SCOPES } from '../../src/api/scopes.ts';
import type { Scope } from '../../src/api/scopes.ts';
import { createReception } from '../../src/bounce/reception.ts';
import { openRulebook } from '../../src/bounce/rulebook.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { migrationCount } from '../../src/kernel/postgres/migrate.ts';
import { createKeyRing } from '../../src/verp/keyring.ts';
import { useDatabase } from '../harness/database.ts';
import type { TestDatabase } from '../harness/database.ts';
import { makeMta } from '../mta/orders.ts';

/** A DNS server that is not there: nothing is ever asked outside. */
const NOBODY = { host: '127.0.0.1', port: 1 };

/** `null`: without a key. */
export interface CallOptions {
  as?: Scope | null;
  headers?: Record<string, string>;
}

/** What tests look for; a body has some of it. */
export interface AnswerBody {
  id: string;
  code: string;
  detail: string;
  request_id: string;
  errors: { pointer: string; code: string; detail: string }[];
  data: AnswerBody[];
  has_more: boolean;
  next_cursor: string | null;
  [name: string]: unknown;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The text parsed, when it is JSON. */
  body: AnswerBody;
}

export interface TestApi {
  readonly app: ApiRouter;
  readonly database: TestDatabase;
  readonly keys: Record<Scope, string>;
  /** Jobs that use cases asked for, as `expand 7`. */
  readonly jobs: string[];
  readonly deps: ApiDeps;
  get(path: string, options?: CallOptions): Promise<Answer>;
  post(path: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  call(method: string, path: string, init?: RequestInit, options?: CallOptions): Promise<Answer>;
}

export const SECRET = 'a secret of the tests, 32 characters and more';

export function useApi(change: (deps: ApiDeps) => Partial<ApiDeps> = () => ({})): TestApi {
  const database = useDatabase();
  const jobs: string[] = [];
  const keys = {} as Record<Scope, string>;
  let app: ApiRouter | undefined;
  let deps: ApiDeps | undefined;
  let stop: () => Promise<void> = async () => undefined;

  beforeAll(async () => {
    for (const scope of SCOPES) {
      keys[scope] = (await createKey(database.sql, { name: scope, scopes: [scope] })).key;
    }
    const given = testDeps(database, jobs);
    const rulebook = await openRulebook({ sql: database.sql, file: null, log: given.log });
    stop = () => rulebook.close();
    deps = { ...given, rulebook };
    deps = { ...deps, ...change(deps) };
    app = createApi(deps);
  });

  afterAll(() => stop());

  const api: TestApi = {
    get app() {
      if (app === undefined) throw new Error('useApi: only inside a test');
      return app;
    },
    get deps() {
      if (deps === undefined) throw new Error('useApi: only inside a test');
      return deps;
    },
    database,
    keys,
    jobs,
    get: (path, options) => api.call('GET', path, {}, options),
    post(path, body, options) {
      const init =
        body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
      return api.call('POST', path, init, options);
    },
    async call(method, path, init = {}, { as = 'admin', headers = {} } = {}) {
      const all = new Headers(init.headers);
      if (as !== null) all.set('Authorization', `Bearer ${keys[as]}`);
      for (const [name, value] of Object.entries(headers)) all.set(name, value);
      const response = await api.app.request(path, { ...init, method, headers: all });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('Content-Type') ?? '') && text !== '';
      const body = (isJson ? JSON.parse(text) : {}) as AnswerBody;
      return { status: response.status, headers: response.headers, text, body };
    },
  };
  return api;
}

function testDeps(database: TestDatabase, jobs: string[] = []): Omit<ApiDeps, 'rulebook'> {
  const { sql } = database;
  const mta = makeMta({ dnsServer: NOBODY, timeouts: {} });
  const keyRing = createKeyRing([SECRET]);
  return {
    sql,
    reception: createReception({ sql, keyRing, clock: systemClock }),
    explainRoute: (domain, pool) => mta.explain(domain, pool),
    maxInboundBytes: 1_000_000,
    clock: systemClock,
    convert: createConverter(),
    secret: SECRET,
    previousSecrets: [],
    lookupTxt: async () => ({ status: 'none' }),
    jobs: {
      async enqueueExpansion(_tx, id) {
        jobs.push(`expand ${id}`);
      },
      async enqueueCancellation(_tx, id) {
        jobs.push(`cancel ${id}`);
      },
    },
    log: createLogger('silent'),
    ready: async () => ({ bounceListener: true, migrations: migrationCount() }),
  };
}

export const NEW_SENDER = {
  from_address: 'news@example.com',
  display_name: 'Example',
  bounce_domain: 'bounce.example.com',
  unsubscribe_base_url: 'https://mail.example.com',
};

export const NEW_TEMPLATE = {
  name: 'Statement',
  subject: 'Statement for {{month}}',
  format: 'html',
  source: '<p>Dear {{name}}, here it is.</p>',
};

/** A draft for `sender` with inline content. */
export function newCampaign(senderId: string, more: Record<string, unknown> = {}) {
  return {
    name: 'March',
    sender_id: senderId,
    content: { subject: 'Hello', format: 'html', source: '<p>Hello {{name}}</p>' },
    stream: 'transactional',
    ...more,
  };
}

export async function createSender(api: TestApi): Promise<string> {
  const { body } = await api.post('/v1/senders', NEW_SENDER);
  return body.id;
}

export async function createCampaign(api: TestApi, more: Record<string, unknown> = {}) {
  const { body } = await api.post('/v1/campaigns', newCampaign(await createSender(api), more));
  return body.id;
}
