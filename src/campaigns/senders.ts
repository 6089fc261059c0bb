/**
 * campaigns/senders — who a campaign comes from: address, bounce domain, DKIM keys, DNS records.
 *
 * Promises: a sender and its first DKIM keys appear together or not at all. Private keys are
 *           sealed at rest and never leave through here. The bounce domain aligns with the From
 *           domain (senders/alignment.ts says why others are refused).
 * Fails:    `invalid_request` with a pointer per wrong field; `not_found`.
 */
import { asciiDomain, parseAddress } from '../kernel/address.ts';
import { AppError } from '../kernel/errors.ts';
import type { FieldError } from '../kernel/errors.ts';
import type { CampaignDeps } from './deps.ts';
import { toPage } from './page.ts';
import type { Page, PageRequest } from './page.ts';
import { checkPool } from './routing/words.ts';
import { alignsRelaxed, organisationalDomain } from './senders/alignment.ts';
import { DKIM_ALGORITHMS, generateDkimKeys } from './senders/dkim-keys.ts';
import type { DkimAlgorithm } from './senders/dkim-keys.ts';
import { dnsRecords, keepUntil } from './senders/dns-records.ts';
import type { DnsRecord } from './senders/dns-records.ts';
import {
  insertDkimKey,
  insertSender,
  selectAllDkimKeys,
  selectSender,
  selectSenders,
} from './senders/store.ts';
import type { DkimKeyRow, NewSender, SenderRow } from './senders/store.ts';

export type { DnsRecord };

export interface SenderInput {
  fromAddress: string;
  displayName: string;
  bounceDomain: string;
  unsubscribeBaseUrl: string | null;
  requireTls?: boolean;
  /** Of source addresses (routing/sources.ts). */
  pool?: string | null;
  /** Of the first keys; both when absent. */
  dkimAlgorithms?: readonly DkimAlgorithm[];
}

export interface Sender {
  id: bigint;
  fromAddress: string;
  displayName: string;
  /** Domain of `fromAddress`, ASCII: the d= of its signatures. */
  domain: string;
  bounceDomain: string;
  unsubscribeBaseUrl: string | null;
  requireTls: boolean;
  /** Of source addresses; null: the route's, or `default`. */
  pool: string | null;
  createdAt: Date;
  /** Of the active keys. */
  dkimSelectors: string[];
  dnsRecords: DnsRecord[];
}

const MAX_DISPLAY_NAME = 200;
const MAX_URL = 500;
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

export async function createSender(deps: CampaignDeps, input: SenderInput): Promise<Sender> {
  const sender = checkSender(input);
  const keys = await generateDkimKeys(deps.secret, input.dkimAlgorithms ?? DKIM_ALGORITHMS);
  return deps.sql.begin(async (tx) => {
    const row = await insertSender(tx, sender);
    const rows: DkimKeyRow[] = [];
    for (const key of keys) rows.push(await insertDkimKey(tx, row.id, key, 'active'));
    return toSender(row, rows, deps.clock());
  });
}

export async function getSender(deps: CampaignDeps, id: bigint): Promise<Sender> {
  const row = await selectSender(deps.sql, id);
  if (row === undefined) throw new AppError('not_found', 'no such sender');
  return toSender(row, await selectAllDkimKeys(deps.sql, [id]), deps.clock());
}

/** Newest first. */
export async function listSenders(deps: CampaignDeps, page: PageRequest): Promise<Page<Sender>> {
  const now = deps.clock();
  const rows = toPage(await selectSenders(deps.sql, page), page.limit);
  const keys = Map.groupBy(
    await selectAllDkimKeys(
      deps.sql,
      rows.data.map((row) => row.id),
    ),
    (key) => key.senderId,
  );
  return { ...rows, data: rows.data.map((row) => toSender(row, keys.get(row.id) ?? [], now)) };
}

function toSender(row: SenderRow, keys: readonly DkimKeyRow[], now: Date): Sender {
  const { domain, bounceDomain } = row;
  const active = keys.filter((key) => key.state === 'active');
  const published = keys.filter(
    ({ retiredAt }) => retiredAt === null || now < keepUntil(retiredAt),
  );
  return {
    ...row,
    dkimSelectors: active.map((key) => key.selector),
    dnsRecords: dnsRecords({ domain, bounceDomain, keys: published }),
  };
}

function checkSender(input: SenderInput): NewSender {
  const errors: FieldError[] = [];
  const refuse = (pointer: string, detail: string): void => {
    errors.push({ pointer, code: 'invalid_value', detail });
  };

  const from = parseAddress(input.fromAddress);
  if (!from.ok) refuse('/from_address', from.reason);
  else if (from.value.utf8) refuse('/from_address', 'needs an ASCII local part');

  const displayName = input.displayName.trim();
  if (displayName.length > MAX_DISPLAY_NAME) {
    refuse('/display_name', `is longer than ${MAX_DISPLAY_NAME} characters`);
  }
  if (CONTROL.test(displayName) || !displayName.isWellFormed()) {
    refuse('/display_name', 'contains a control character');
  }

  const bounceDomain = asciiDomain(input.bounceDomain.trim());
  if (bounceDomain === null) refuse('/bounce_domain', 'is no valid domain name');
  else if (from.ok && !alignsRelaxed(from.value.domain, bounceDomain)) {
    const organisation = organisationalDomain(from.value.domain);
    refuse(
      '/bounce_domain',
      `must be ${organisation} or a subdomain of it, or SPF never counts for DMARC`,
    );
  }

  const pool = input.pool === undefined || input.pool === null ? null : checkPool(input.pool);
  if (pool === null && (input.pool ?? null) !== null) {
    refuse('/pool', 'must be 1 to 32 of a-z, 0-9, `_` and `-`');
  }

  const url = input.unsubscribeBaseUrl === null ? null : checkBaseUrl(input.unsubscribeBaseUrl);
  if (url !== null && !url.ok) refuse('/unsubscribe_base_url', url.reason);

  if (!from.ok || bounceDomain === null || errors.length > 0) {
    throw new AppError('invalid_request', 'the sender cannot be used like this', { errors });
  }
  return {
    fromAddress: from.value.address,
    displayName,
    domain: from.value.domain,
    bounceDomain,
    unsubscribeBaseUrl: url?.ok === true ? url.value : null,
    requireTls: input.requireTls ?? false,
    pool,
  };
}

type UrlResult = { ok: true; value: string } | { ok: false; reason: string };

/** RFC 8058 wants https; plain http is for trying things out on one's own machine. */
function checkBaseUrl(text: string): UrlResult {
  const url = URL.parse(text);
  if (url === null || text.length > MAX_URL) return { ok: false, reason: 'is no valid URL' };
  const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    return { ok: false, reason: 'must start with https://' };
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return { ok: false, reason: 'may have no user, query or fragment' };
  }
  return { ok: true, value: url.href.replace(/\/+$/, '') };
}
