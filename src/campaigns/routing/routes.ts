/**
 * campaigns/routing/routes — routes as operators make them: one row a domain pattern.
 *
 * Promises: a row is live in every process within a second (live.ts). The secret of a login is sealed
 *           at rest and never leaves through here. `replace` puts a new row in the old one's place
 *           in one transaction: there is no moment without a route.
 * Fails:    `invalid_request` with a pointer per wrong field; `conflict` for a pattern that has a
 *           route; `not_found`.
 */
import { AppError } from '../../kernel/errors.ts';
import { deriveKey, seal } from '../../kernel/secrets.ts';
import type { CampaignDeps } from '../deps.ts';
import { toPage } from '../page.ts';
import type { Page, PageRequest } from '../page.ts';
import { checkRoute } from './route-input.ts';
import type { RouteInput } from './route-input.ts';
import {
  countRoutes,
  deleteRouteById,
  deleteRouteByPattern,
  insertRoute,
  notifyRouting,
  selectRoutes,
} from './store.ts';
import type { NewRouteRow, RouteRow } from './store.ts';

export type RoutingDeps = Pick<CampaignDeps, 'sql' | 'secret'>;
/** Without the sealed secret. */
export type Route = Omit<RouteRow, 'loginSecretSealed'>;

/** All of them are in the memory of every process. */
const MAX_ROUTES = 10_000;

export async function createRoute(
  deps: RoutingDeps,
  input: RouteInput,
  replace: boolean,
): Promise<Route> {
  const row = toRow(deps, checkRoute(input));
  return deps.sql.begin(async (tx) => {
    if (replace) await deleteRouteByPattern(tx, row.pattern);
    if ((await countRoutes(tx)) >= MAX_ROUTES) {
      throw new AppError('conflict', `there are ${MAX_ROUTES} routes already: remove some`);
    }
    const inserted = await insertRoute(tx, row);
    if (inserted === undefined) {
      throw new AppError('conflict', `${row.pattern} has a route: remove it, or replace it`);
    }
    await notifyRouting(tx);
    return withoutSecret(inserted);
  });
}

/** Newest first. */
export async function listRoutes(
  deps: Pick<RoutingDeps, 'sql'>,
  page: PageRequest,
): Promise<Page<Route>> {
  const rows = toPage(await selectRoutes(deps.sql, page), page.limit);
  return { ...rows, data: rows.data.map(withoutSecret) };
}

/** Answers what it was. */
export async function deleteRoute(deps: Pick<RoutingDeps, 'sql'>, id: bigint): Promise<Route> {
  return deps.sql.begin(async (tx) => {
    const row = await deleteRouteById(tx, id);
    if (row === undefined) throw new AppError('not_found', 'no such route');
    await notifyRouting(tx);
    return withoutSecret(row);
  });
}

function toRow({ secret }: RoutingDeps, route: RouteInput): NewRouteRow {
  const { login, ...rest } = route;
  const key = deriveKey(secret, 'routing-at-rest');
  return {
    ...rest,
    loginMechanism: login?.mechanism ?? null,
    loginUser: login?.user ?? null,
    loginSecretSealed: login === null ? null : seal(key, login.secret),
  };
}

function withoutSecret({ loginSecretSealed: _, ...route }: RouteRow): Route {
  return route;
}
