/**
 * campaigns/routing/compile — rows of `routes` and `sources` as the engine wants them.
 *
 * Pure but for unsealing. Fails: `config_invalid` when a secret cannot be opened: mail must not leave
 * another way because VOLLEY_SECRET is a wrong one.
 */
import { join, resolve } from 'node:path';
import { AppError, assertNever, invariant } from '../../kernel/errors.ts';
import { formatId } from '../../kernel/ids.ts';
import { unsealWithAny } from '../../kernel/secrets.ts';
import type { RouteRule } from '../../mta/routes.ts';
import type { Source } from '../../mta/source.ts';
import type { AuthMechanism, Endpoint, SessionNeeds, Transport } from '../../mta/transport.ts';
import type { TransportName } from './route-input.ts';
import type { ProxyType } from './sources.ts';
import type { RouteRow, SourceRow } from './store.ts';

export interface CompileContext {
  /** VOLLEY_SECRET, then the former ones. */
  secrets: readonly string[];
  /** What folders of file routes are below. */
  mailDir: string;
}

export function compileRoute(row: RouteRow, context: CompileContext): RouteRule {
  return {
    id: formatId('rte', row.id),
    pattern: row.pattern,
    transport: transportOf(row, context),
    pool: row.pool,
  };
}

function transportOf(row: RouteRow, context: CompileContext): Transport {
  const type = row.transport as TransportName;
  const { host, port } = row;
  const to: Endpoint | null = host === null || port === null ? null : { host, port };
  switch (type) {
    case 'smtp':
      return { type, to, ...needsOf(row, context) };
    case 'smarthost':
      invariant(to !== null, 'a smart host without a host');
      return { type, to, ...needsOf(row, context) };
    case 'lmtp': {
      const { socketPath } = row;
      const target = to ?? (socketPath === null ? null : { socketPath });
      invariant(target !== null, 'an LMTP route that leads nowhere');
      return { type, to: target, ...needsOf(row, context) };
    }
    case 'qmtp':
      invariant(to !== null, 'a QMTP route without a host');
      return { type, to };
    case 'file':
      invariant(row.folder !== null, 'a file route without a folder');
      return { type, directory: join(resolve(context.mailDir), row.folder) };
    case 'discard':
      return { type };
    default:
      return assertNever(type);
  }
}

function needsOf(row: RouteRow, context: CompileContext): SessionNeeds {
  const { tls, implicitTls, loginMechanism, loginUser, loginSecretSealed } = row;
  const login =
    loginUser === null || loginSecretSealed === null
      ? null
      : {
          mechanism: loginMechanism as AuthMechanism | null,
          user: loginUser,
          secret: open(loginSecretSealed, context, `the route of ${row.pattern}`),
        };
  return { tls: tls as SessionNeeds['tls'], implicitTls, login };
}

export function compileSource(row: SourceRow, context: CompileContext): Source {
  const { proxyType, proxyHost, proxyPort, proxyUser, proxySecretSealed } = row;
  const type = proxyType as ProxyType | null;
  const base = {
    id: formatId('src', row.id),
    address: row.address,
    heloName: row.heloName,
    weight: row.weight,
  };
  if (type === null || proxyHost === null || proxyPort === null) return { ...base, proxy: null };
  const to = { host: proxyHost, port: proxyPort };
  if (type !== 'socks5') return { ...base, proxy: { type, ...to } };
  const login =
    proxyUser === null || proxySecretSealed === null
      ? null
      : { user: proxyUser, secret: open(proxySecretSealed, context, `a source of ${row.pool}`) };
  return { ...base, proxy: { type, ...to, login } };
}

/** In the order of their rows. */
export function groupByPool(
  rows: readonly SourceRow[],
  context: CompileContext,
): Map<string, Source[]> {
  const groups = Map.groupBy(rows, (row) => row.pool);
  return new Map(
    [...groups].map(([pool, list]) => [pool, list.map((row) => compileSource(row, context))]),
  );
}

function open(sealed: Uint8Array, { secrets }: CompileContext, whose: string): string {
  const text = unsealWithAny(secrets, 'routing-at-rest', sealed);
  if (text !== null) return text;
  throw new AppError(
    'config_invalid',
    `the secret of ${whose} cannot be opened: VOLLEY_SECRET changed; put the former one into VOLLEY_PREVIOUS_SECRETS`,
  );
}
