/** Routes and sources as rows: what is taken, what is sealed, and how soon they are live. */
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { watchRouting } from '../../src/campaigns/routing/live.ts';
import type { LiveRouting, RoutingSource } from '../../src/campaigns/routing/live.ts';
import { checkRoute } from '../../src/campaigns/routing/route-input.ts';
import type { RouteInput } from '../../src/campaigns/routing/route-input.ts';
import { createRoute, deleteRoute, listRoutes } from '../../src/campaigns/routing/routes.ts';
import { createSource, deleteSource, listSources } from '../../src/campaigns/routing/sources.ts';
import type { SourceInput } from '../../src/campaigns/routing/sources.ts';
import { AppError } from '../../src/kernel/errors.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { staticRules } from '../../src/mta/routes.ts';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();
const SECRET = 'a secret of the tests, 32 characters and more';
const log = createLogger('silent');

const PLAIN: RouteInput = {
  pattern: 'x.example',
  transport: 'smtp',
  host: null,
  port: null,
  socketPath: null,
  folder: null,
  tls: null,
  implicitTls: false,
  login: null,
  pool: null,
};
const LOGIN = { mechanism: null, user: 'volley', secret: 'geheim' };
const SOURCE: SourceInput = {
  pool: 'default',
  address: '127.0.0.11',
  heloName: null,
  weight: 1,
  proxy: null,
};

function deps(): { sql: typeof database.sql; secret: string } {
  return { sql: database.sql, secret: SECRET };
}

function source(more: Partial<RoutingSource> = {}): RoutingSource {
  return { sql: database.sql, staticRules: [], secrets: [SECRET], mailDir: 'mail', ...more };
}

function pointers(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.errors.map(({ pointer }) => pointer).sort();
    throw error;
  }
  return [];
}

describe('what a route may be', () => {
  test.each<[string, Partial<RouteInput>, Partial<RouteInput>]>([
    ['MX', {}, { host: null, port: null }],
    ['a host', { host: 'MX.Example' }, { host: 'mx.example', port: 25 }],
    ['a container', { host: 'mail' }, { host: 'mail', port: 25 }],
    ['IPv6', { host: '[::1]' }, { host: '::1', port: 25 }],
    ['a smart host', { transport: 'smarthost', host: 'r.example' }, { port: 587 }],
    ['port 465', { transport: 'smarthost', host: 'r.example', implicitTls: true }, { port: 465 }],
    ['LMTP', { transport: 'lmtp', host: '127.0.0.1' }, { port: 24 }],
    ['a socket', { transport: 'lmtp', socketPath: '/run/lmtp' }, { port: null }],
    ['QMTP', { transport: 'qmtp', host: 'q.example' }, { port: 209 }],
    ['a folder', { transport: 'file', folder: 'archive/shop.example' }, {}],
    ['nothing', { transport: 'discard' }, {}],
    ['all below', { pattern: '*.Shop.Example' }, { pattern: '*.shop.example' }],
    ['a country', { pattern: '*.cn' }, { pattern: '*.cn' }],
    ['the rest', { pattern: '*' }, { pattern: '*' }],
    ['punycode', { pattern: '商店.example' }, { pattern: 'xn--czrs0t.example' }],
  ])('%s', (_name, input, expected) => {
    expect(checkRoute({ ...PLAIN, ...input })).toMatchObject(expected);
  });

  test.each<[Partial<RouteInput>, string[]]>([
    [{ pattern: 'a b' }, ['/pattern']],
    [{ pattern: '*.' }, ['/pattern']],
    [{ pattern: 'x.*.example' }, ['/pattern']],
    [{ host: 'a\r\nb' }, ['/host']],
    [{ host: '-bad-' }, ['/host']],
    [{ host: 'mx.example', port: 0 }, ['/port']],
    [{ host: 'mx.example', port: 70_000 }, ['/port']],
    [{ port: 25 }, ['/port']],
    [{ login: LOGIN }, ['/login']],
    [{ implicitTls: true }, ['/implicit_tls']],
    [{ transport: 'smarthost' }, ['/host']],
    [{ transport: 'smarthost', host: 'r.example', tls: 'none', implicitTls: true }, ['/tls']],
    [
      { transport: 'smarthost', host: 'r.example', login: { ...LOGIN, user: 'a\nb', secret: '' } },
      ['/login/secret', '/login/user'],
    ],
    [{ transport: 'lmtp' }, ['/host']],
    [{ transport: 'lmtp', host: 'a.example', socketPath: '/run/lmtp' }, ['/host']],
    [{ transport: 'lmtp', socketPath: 'run/lmtp' }, ['/socket_path']],
    [{ transport: 'lmtp', socketPath: `/${'x'.repeat(120)}` }, ['/socket_path']],
    [{ transport: 'lmtp', socketPath: '/run/lmtp', tls: 'verified', pool: 'a' }, ['/pool', '/tls']],
    [{ transport: 'qmtp', host: 'q.example', tls: 'none', login: LOGIN }, ['/login', '/tls']],
    [{ transport: 'file' }, ['/folder']],
    ...['/etc', '../up', 'a/../b', 'a//b', '.hidden', 'a/b/c/d/e/f', 'a b', 'a\0'].map(
      (folder): [Partial<RouteInput>, string[]] => [{ transport: 'file', folder }, ['/folder']],
    ),
    [{ transport: 'discard', host: 'a.example', folder: 'x' }, ['/folder', '/host']],
    [{ pool: 'Not A Pool' }, ['/pool']],
  ])('refused: %j', (input, expected) => {
    expect(pointers(() => checkRoute({ ...PLAIN, ...input }))).toEqual(expected);
  });
});

describe('rows', () => {
  test('a pattern has one route; replace puts another in its place', async () => {
    const first = await createRoute(deps(), PLAIN, false);
    await expect(createRoute(deps(), PLAIN, false)).rejects.toMatchObject({ code: 'conflict' });
    const second = await createRoute(deps(), { ...PLAIN, host: 'mx.example' }, true);
    const { data } = await listRoutes(deps(), { limit: 10, after: null });
    expect(data.map(({ id }) => id)).toEqual([second.id]);
    await deleteRoute(deps(), second.id);
    await expect(deleteRoute(deps(), first.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('secrets are sealed at rest and do not come back', async () => {
    const transport = 'smarthost';
    const route = await createRoute(
      deps(),
      { ...PLAIN, pattern: 's.example', transport, host: 'r.example', login: LOGIN },
      false,
    );
    const proxied = await createSource(deps(), {
      ...SOURCE,
      pool: 'sealed',
      proxy: { type: 'socks5', host: '127.0.0.1', port: 1080, login: LOGIN },
    });
    expect(Object.keys(route)).not.toContain('loginSecretSealed');
    expect(Object.keys(proxied)).not.toContain('proxySecretSealed');
    const stored = await database.sql<{ text: string }[]>`
      select (select string_agg(r::text, '') from routes r)
        || (select string_agg(s::text, '') from sources s) as text`;
    expect(stored[0]?.text).toContain('volley');
    expect(stored[0]?.text).not.toContain(LOGIN.secret);
    expect(stored[0]?.text).not.toContain(Buffer.from(LOGIN.secret).toString('hex'));
    await deleteRoute(deps(), route.id);
    await deleteSource(deps(), proxied.id);
  });

  test('a pool has a source once; two pools may share an address', async () => {
    const made = [
      await createSource(deps(), SOURCE),
      await createSource(deps(), { ...SOURCE, pool: 'other' }),
    ];
    await expect(createSource(deps(), SOURCE)).rejects.toMatchObject({ code: 'conflict' });
    expect((await listSources(deps(), { limit: 10, after: null })).data).toHaveLength(2);
    for (const { id } of made) await deleteSource(deps(), id);
  });

  test.each<[Partial<SourceInput>, string[]]>([
    [{ pool: '' }, ['/pool']],
    [{ address: 'mx.example' }, ['/address']],
    [{ address: null }, ['/address']],
    [{ address: '10.0.0' }, ['/address']],
    [{ heloName: 'a b' }, ['/helo_name']],
    [{ weight: 0 }, ['/weight']],
    [
      { proxy: { type: 'proxy_v1', host: 'a b', port: 0, login: LOGIN } },
      ['/proxy/host', '/proxy/login', '/proxy/port'],
    ],
  ])('refused: %j', async (input, expected) => {
    const error: unknown = await createSource(deps(), { ...SOURCE, ...input }).catch(
      (reason: unknown) => reason,
    );
    expect(error instanceof AppError && error.errors.map(({ pointer }) => pointer).sort()).toEqual(
      expected,
    );
  });
});

describe('live', () => {
  async function watching(
    more: Partial<RoutingSource>,
    work: (live: LiveRouting) => Promise<void>,
  ): Promise<void> {
    const live = await watchRouting(source(more), log);
    try {
      await work(live);
    } finally {
      await live.stop();
    }
  }

  test('a row comes and goes without a restart, and says the same as the engine needs', async () => {
    await watching({}, async (live) => {
      const transport = () => live.routes.find('new.example').transport;
      expect(transport()).toMatchObject({ type: 'smtp', to: null });
      const route = await createRoute(
        deps(),
        {
          ...PLAIN,
          pattern: 'new.example',
          transport: 'smarthost',
          host: 'r.example',
          tls: 'verified',
          login: LOGIN,
          pool: 'a',
        },
        false,
      );
      await expect.poll(() => transport().type).toBe('smarthost');
      expect(live.routes.find('new.example')).toMatchObject({
        pool: 'a',
        transport: { to: { host: 'r.example', port: 587 }, tls: 'verified', login: LOGIN },
      });
      const added = await createSource(deps(), { ...SOURCE, pool: 'a', heloName: 'out.example' });
      await expect.poll(() => live.pools.find('a')).toMatchObject([{ address: '127.0.0.11' }]);
      expect(live.pools.heloNames()).toEqual(['out.example']);
      await deleteRoute(deps(), route.id);
      await deleteSource(deps(), added.id);
      await expect.poll(() => transport().type).toBe('smtp');
      await expect.poll(() => live.pools.find('a')).toEqual([]);
    });
  });

  test('a row written by hand, without a NOTIFY, is seen by the poll', async () => {
    await watching({}, async (live) => {
      await database.sql`insert into routes (pattern, transport) values ('hand.example', 'discard')`;
      await expect
        .poll(() => live.routes.find('hand.example').transport.type, { timeout: 5_000 })
        .toBe('discard');
      await database.sql`delete from routes where pattern = 'hand.example'`;
    });
  });

  test('static routes stand in front of a row of their pattern, a closer row in front of them', async () => {
    const made = [
      await createRoute(deps(), { ...PLAIN, pattern: '*', transport: 'discard' }, false),
      await createRoute(deps(), { ...PLAIN, pattern: 'near.example', transport: 'discard' }, false),
    ];
    await watching({ staticRules: staticRules({ '*': '127.0.0.1:2525' }) }, async (live) => {
      expect(live.routes.find('far.example').rule?.id).toBe('static');
      expect(live.routes.find('near.example').transport.type).toBe('discard');
    });
    for (const { id } of made) await deleteRoute(deps(), id);
  });

  test('folders are below the mail folder; sockets and SOCKS proxies are what was said', async () => {
    const made = [
      await createRoute(
        deps(),
        { ...PLAIN, pattern: 'f.example', transport: 'file', folder: 'a/b' },
        false,
      ),
      await createRoute(
        deps(),
        { ...PLAIN, pattern: 'l.example', transport: 'lmtp', socketPath: '/run/lmtp' },
        false,
      ),
    ];
    const proxied = await createSource(deps(), {
      ...SOURCE,
      address: null,
      pool: 'p',
      proxy: { type: 'socks5', host: 'proxy.example', port: 1080, login: LOGIN },
    });
    await watching({ mailDir: 'var/mail' }, async (live) => {
      expect(live.routes.find('f.example').transport).toEqual({
        type: 'file',
        directory: join(resolve('var/mail'), 'a/b'),
      });
      expect(live.routes.find('l.example').transport).toMatchObject({
        to: { socketPath: '/run/lmtp' },
      });
      const { user, secret } = LOGIN;
      expect(live.pools.find('p')[0]?.proxy).toEqual({
        type: 'socks5',
        host: 'proxy.example',
        port: 1080,
        login: { user, secret },
      });
    });
    for (const { id } of made) await deleteRoute(deps(), id);
    await deleteSource(deps(), proxied.id);
  });

  test('a former secret still opens; a strange one stops the start, not the mail', async () => {
    const route = await createRoute(
      deps(),
      { ...PLAIN, pattern: 's.example', transport: 'smarthost', host: 'r.example', login: LOGIN },
      false,
    );
    await watching({ secrets: ['another one of 32 characters and more', SECRET] }, async (live) => {
      expect(live.routes.find('s.example').transport).toMatchObject({ login: LOGIN });
    });
    await expect(
      watchRouting(source({ secrets: ['a strange one, of 32 characters and more'] }), log),
    ).rejects.toMatchObject({ code: 'config_invalid' });
    await deleteRoute(deps(), route.id);
  });
});
