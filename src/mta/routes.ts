/**
 * mta/routes — which domain's mail leaves by which transport.
 *
 * Pure. A rule is for one domain (`shop.example`), for all below one (`*.shop.example`, at any depth,
 * not the domain itself), or for all (`*`).
 *
 * Promises: the closest rule wins: the domain, then the longest suffix, then `*`. Of two rules with
 *           one pattern the first in the list wins, so that static routes stand in front. A domain
 *           without a rule goes by MX. A look-up costs one probe per label, however many rules.
 * See:      transport.ts (what a rule leads to), deliver.ts (a changed rule takes effect there).
 */
import { invariant } from '../kernel/errors.ts';
import { MX, parseEndpoint, PLAIN_SESSION } from './transport.ts';
import type { Transport } from './transport.ts';

export interface RouteRule {
  /** Names it for people and tells it from a later one of the same pattern: `static`, `rte_…`. */
  id: string;
  /** Lower-case ASCII. */
  pattern: string;
  transport: Transport;
  /** Source addresses to use; null: the sender's. */
  pool: string | null;
}

export interface FoundRoute {
  /** null: no rule, MX. */
  rule: Pick<RouteRule, 'id' | 'pattern'> | null;
  transport: Transport;
  pool: string | null;
}

/** Port: the engine asks it for every request. */
export interface Routes {
  find(domain: string): FoundRoute;
}

const BY_MX: FoundRoute = { rule: null, transport: MX, pool: null };

export function createRoutes(rules: readonly RouteRule[]): Routes {
  const byPattern = new Map<string, FoundRoute>();
  for (const { id, pattern, transport, pool } of rules) {
    if (!byPattern.has(pattern)) byPattern.set(pattern, { rule: { id, pattern }, transport, pool });
  }
  return { find: (domain) => find(byPattern, domain) };
}

function find(byPattern: ReadonlyMap<string, FoundRoute>, domain: string): FoundRoute {
  const exact = byPattern.get(domain);
  if (exact !== undefined) return exact;
  for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
    const found = byPattern.get(`*${domain.slice(dot)}`);
    if (found !== undefined) return found;
  }
  return byPattern.get('*') ?? BY_MX;
}

/** The rules of VOLLEY_ROUTES, whose form the configuration has checked. */
export function staticRules(targets: Readonly<Record<string, string>>): RouteRule[] {
  return Object.entries(targets).map(([pattern, target]) => {
    const to = parseEndpoint(target);
    invariant(to !== null, `a static route to ${target}`);
    return { id: 'static', pattern, transport: { type: 'smtp', to, ...PLAIN_SESSION }, pool: null };
  });
}
