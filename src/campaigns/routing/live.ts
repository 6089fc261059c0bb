/**
 * campaigns/routing/live — routes and sources in memory, as the engine asks for them.
 *
 * Promises: at most a second behind the database: read again at a NOTIFY, and every second when
 *           anything changed, in case a notification was lost. Static routes stand in front of a
 *           row with the same pattern. While the database is away the last known ones hold.
 * Fails:    at the start: rejects, so that mail does not leave by MX because its routes are unknown.
 *           Later: logs, and keeps what it has.
 * See:      mta/routes.ts (which rule wins), mta/deliver.ts (when a change takes effect).
 */
import { CHANNELS } from '../../kernel/events.ts';
import { startLoop } from '../../kernel/lifecycle.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { createRoutes } from '../../mta/routes.ts';
import type { RouteRule, Routes } from '../../mta/routes.ts';
import { createPools } from '../../mta/source.ts';
import type { SourcePools } from '../../mta/source.ts';
import { compileRoute, groupByPool } from './compile.ts';
import type { CompileContext } from './compile.ts';
import { readRoutingVersion, selectAllRoutes, selectAllSources } from './store.ts';

export interface Routing {
  routes: Routes;
  pools: SourcePools;
}

export interface LiveRouting extends Routing {
  stop(): Promise<void>;
}

export interface RoutingSource extends CompileContext {
  sql: Sql;
  staticRules: readonly RouteRule[];
}

const REFRESH_MS = 1_000;

/** As they are now. */
export async function readRouting(source: RoutingSource): Promise<Routing> {
  const [routes, sources] = await Promise.all([
    selectAllRoutes(source.sql),
    selectAllSources(source.sql),
  ]);
  const rules = routes.map((row) => compileRoute(row, source));
  return {
    routes: createRoutes([...source.staticRules, ...rules]),
    pools: createPools(groupByPool(sources, source)),
  };
}

export async function watchRouting(source: RoutingSource, log: Logger): Promise<LiveRouting> {
  const { sql } = source;
  // Read before the rows: what is committed between the two is read again, not missed.
  let version = await readRoutingVersion(sql);
  let current = await readRouting(source);
  const loop = startLoop({
    intervalMs: REFRESH_MS,
    step: async () => {
      const latest = await readRoutingVersion(sql);
      if (latest === version) return;
      current = await readRouting(source);
      version = latest;
      log.info('the routes have changed');
    },
    onError: (error) => log.error({ err: error }, 'cannot read the routes; the last ones hold'),
  });
  const listener = await sql.listen(CHANNELS.routing, () => loop.wake());
  return {
    routes: { find: (domain) => current.routes.find(domain) },
    pools: {
      find: (pool) => current.pools.find(pool),
      heloNames: () => current.pools.heloNames(),
    },
    async stop() {
      await listener.unlisten();
      await loop.stop();
    },
  };
}
