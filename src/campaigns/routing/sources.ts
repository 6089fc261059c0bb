/**
 * campaigns/routing/sources — the addresses mail is sent from, as operators make them.
 *
 * A source belongs to a pool; a route or a sender names the pool. The pool `default` is for all mail
 * whose route and sender name none.
 *
 * Promises: a row is live in every process within a second (live.ts). The password of a proxy is
 *           sealed at rest and never leaves through here.
 * Fails:    `invalid_request` with a pointer per wrong field; `conflict` for a source that the pool
 *           has; `not_found`.
 */
import { asciiDomain } from '../../kernel/address.ts';
import { AppError } from '../../kernel/errors.ts';
import { deriveKey, seal } from '../../kernel/secrets.ts';
import { toPage } from '../page.ts';
import type { Page, PageRequest } from '../page.ts';
import type { RoutingDeps } from './routes.ts';
import {
  countSources,
  deleteSourceById,
  insertSource,
  notifyRouting,
  selectSources,
} from './store.ts';
import type { NewSourceRow, SourceRow } from './store.ts';
import { checkHost, checkIp, checkPool, createComplaints, isPort, isWord } from './words.ts';
import type { Complaints } from './words.ts';

export const PROXY_TYPES = ['socks5', 'proxy_v1', 'proxy_v2'] as const;
export type ProxyType = (typeof PROXY_TYPES)[number];

export interface SourceInput {
  pool: string;
  address: string | null;
  heloName: string | null;
  weight: number;
  proxy: {
    type: ProxyType;
    host: string;
    port: number;
    login: { user: string; secret: string } | null;
  } | null;
}

/** Without the sealed secret. */
export type SourceAddress = Omit<SourceRow, 'proxySecretSealed'>;

/** All of them are in the memory of every process. */
const MAX_SOURCES = 1_000;
export const MAX_WEIGHT = 1_000;
/** RFC 1929: a length is one byte. */
const MAX_LOGIN_BYTES = 255;

export async function createSource(deps: RoutingDeps, input: SourceInput): Promise<SourceAddress> {
  const row = toRow(deps, input);
  return deps.sql.begin(async (tx) => {
    if ((await countSources(tx)) >= MAX_SOURCES) {
      throw new AppError('conflict', `there are ${MAX_SOURCES} sources already: remove some`);
    }
    const inserted = await insertSource(tx, row);
    if (inserted === undefined) {
      throw new AppError('conflict', `the pool ${row.pool} has this source already`);
    }
    await notifyRouting(tx);
    return withoutSecret(inserted);
  });
}

/** Newest first. */
export async function listSources(
  deps: Pick<RoutingDeps, 'sql'>,
  page: PageRequest,
): Promise<Page<SourceAddress>> {
  const rows = toPage(await selectSources(deps.sql, page), page.limit);
  return { ...rows, data: rows.data.map(withoutSecret) };
}

/** Answers what it was. */
export async function deleteSource(
  deps: Pick<RoutingDeps, 'sql'>,
  id: bigint,
): Promise<SourceAddress> {
  return deps.sql.begin(async (tx) => {
    const row = await deleteSourceById(tx, id);
    if (row === undefined) throw new AppError('not_found', 'no such source');
    await notifyRouting(tx);
    return withoutSecret(row);
  });
}

function toRow({ secret }: RoutingDeps, input: SourceInput): NewSourceRow {
  const complaints = createComplaints();
  const { refuse } = complaints;
  const { proxy } = input;
  const pool = checkPool(input.pool);
  if (pool === null) refuse('/pool', 'must be 1 to 32 of a-z, 0-9, `_` and `-`');
  const address = input.address === null ? null : checkIp(input.address);
  if (input.address !== null && address === null) refuse('/address', 'is no IP address');
  if (input.address === null && proxy?.type !== 'socks5') {
    refuse('/address', 'is needed, unless a SOCKS proxy has it');
  }
  const heloName = input.heloName === null ? null : asciiDomain(input.heloName.trim());
  if (input.heloName !== null && heloName === null) refuse('/helo_name', 'is no domain name');
  if (!Number.isInteger(input.weight) || input.weight < 1 || input.weight > MAX_WEIGHT) {
    refuse('/weight', `must be 1 to ${MAX_WEIGHT}`);
  }
  const proxyHost = proxy === null ? null : checkHost(proxy.host);
  if (proxy !== null) checkProxy(proxy, proxyHost, complaints);
  complaints.settle('the source cannot be used like this');
  const login = proxy?.login ?? null;
  return {
    pool: pool ?? '',
    address,
    heloName,
    weight: input.weight,
    proxyType: proxy?.type ?? null,
    proxyHost,
    proxyPort: proxy?.port ?? null,
    proxyUser: login?.user ?? null,
    proxySecretSealed:
      login === null ? null : seal(deriveKey(secret, 'routing-at-rest'), login.secret),
  };
}

function checkProxy(
  { type, port, login }: NonNullable<SourceInput['proxy']>,
  host: string | null,
  { refuse }: Complaints,
): void {
  if (host === null) refuse('/proxy/host', 'is no host name or IP address');
  if (!isPort(port)) refuse('/proxy/port', 'must be 1 to 65535');
  if (login === null) return;
  if (type !== 'socks5') refuse('/proxy/login', 'means nothing for the PROXY protocol');
  for (const name of ['user', 'secret'] as const) {
    if (isWord(login[name], MAX_LOGIN_BYTES)) continue;
    refuse(`/proxy/login/${name}`, 'must have 1 to 255 bytes and no control characters');
  }
}

function withoutSecret({ proxySecretSealed: _, ...source }: SourceRow): SourceAddress {
  return source;
}
