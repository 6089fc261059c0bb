/**
 * campaigns/routing/store — SQL of `routes` and `sources`.
 *
 * Rows are added and removed, never updated: how many there are and the largest id ever given say
 * whether anything changed.
 */
import type { routes, sources } from '../../../drizzle/schema.ts';
import { CHANNELS } from '../../kernel/events.ts';
import type { Db } from '../../kernel/postgres/connect.ts';
import type { PageRequest } from '../page.ts';

export type RouteRow = typeof routes.$inferSelect;
export type SourceRow = typeof sources.$inferSelect;
export type NewRouteRow = Omit<RouteRow, 'id' | 'createdAt'>;
export type NewSourceRow = Omit<SourceRow, 'id' | 'createdAt'>;

/** undefined: the pattern has a route already. */
export async function insertRoute(db: Db, row: NewRouteRow): Promise<RouteRow | undefined> {
  const [inserted] = await db<RouteRow[]>`
    insert into routes (pattern, transport, host, port, socket_path, folder, tls, implicit_tls,
      login_mechanism, login_user, login_secret_sealed, pool)
    values (${row.pattern}, ${row.transport}, ${row.host}, ${row.port}, ${row.socketPath},
      ${row.folder}, ${row.tls}, ${row.implicitTls}, ${row.loginMechanism}, ${row.loginUser},
      ${row.loginSecretSealed}, ${row.pool})
    on conflict (pattern) do nothing
    returning *`;
  return inserted;
}

export async function deleteRouteByPattern(db: Db, pattern: string): Promise<void> {
  await db`delete from routes where pattern = ${pattern}`;
}

export async function deleteRouteById(db: Db, id: bigint): Promise<RouteRow | undefined> {
  const [row] = await db<RouteRow[]>`delete from routes where id = ${id} returning *`;
  return row;
}

export async function countRoutes(db: Db): Promise<number> {
  const [row] = await db<{ count: number }[]>`select count(*)::integer as count from routes`;
  return row?.count ?? 0;
}

/** Newest first. */
export async function selectRoutes(db: Db, page: PageRequest): Promise<RouteRow[]> {
  return db<RouteRow[]>`
    select * from routes
    ${page.after === null ? db`` : db`where id < ${page.after}`}
    order by id desc
    limit ${page.limit + 1}`;
}

/** undefined: the pool has it already. */
export async function insertSource(db: Db, row: NewSourceRow): Promise<SourceRow | undefined> {
  const [inserted] = await db<SourceRow[]>`
    insert into sources (pool, address, helo_name, weight, proxy_type, proxy_host, proxy_port,
      proxy_user, proxy_secret_sealed)
    values (${row.pool}, ${row.address}, ${row.heloName}, ${row.weight}, ${row.proxyType},
      ${row.proxyHost}, ${row.proxyPort}, ${row.proxyUser}, ${row.proxySecretSealed})
    on conflict do nothing
    returning *`;
  return inserted;
}

export async function deleteSourceById(db: Db, id: bigint): Promise<SourceRow | undefined> {
  const [row] = await db<SourceRow[]>`delete from sources where id = ${id} returning *`;
  return row;
}

export async function countSources(db: Db): Promise<number> {
  const [row] = await db<{ count: number }[]>`select count(*)::integer as count from sources`;
  return row?.count ?? 0;
}

/** Newest first. */
export async function selectSources(db: Db, page: PageRequest): Promise<SourceRow[]> {
  return db<SourceRow[]>`
    select * from sources
    ${page.after === null ? db`` : db`where id < ${page.after}`}
    order by id desc
    limit ${page.limit + 1}`;
}

/** Delivered by PostgreSQL when the transaction commits. */
export async function notifyRouting(db: Db): Promise<void> {
  await db`select pg_notify(${CHANNELS.routing}, '')`;
}

/** Changes with every row that comes or goes. */
export async function readRoutingVersion(db: Db): Promise<string> {
  const [row] = await db<{ version: string }[]>`
    select concat_ws(':', (select count(*) from routes), (select max(id) from routes),
      (select count(*) from sources), (select max(id) from sources)) as version`;
  return row?.version ?? '';
}

export async function selectAllRoutes(db: Db): Promise<RouteRow[]> {
  return db<RouteRow[]>`select * from routes order by id`;
}

export async function selectAllSources(db: Db): Promise<SourceRow[]> {
  return db<SourceRow[]>`select * from sources order by id`;
}
