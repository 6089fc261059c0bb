/**
 * bounce/suppressions/suppressions — what one can do with the suppression list.
 *
 * Promises: addresses are compared by their key, so case and domain spelling do not matter. An import
 *           is all good rows or none (a broken file changes nothing). Whoever is added is not sent to
 *           from the commit on: batches are checked when claimed, and running ones are told.
 *           Every change says who made it. Who was erased (bounce/erasure) is suppressed, whatever the
 *           list says, and is not listed again by adding him.
 *           A release lifts what stands against an address; one that is not of a sender or stream alone
 *           also ends the watch and forgets the soft bounces.
 * Fails:    AppError `invalid_request` with the pointer of each wrong field; for a file see csv.ts.
 * See:      suppression.ts (the matching rule), store.ts (what happens to an address already listed).
 */
import { parseAddress } from '../../kernel/address.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { FieldError } from '../../kernel/errors.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { createAddressHasher } from '../erasure/erased.ts';
import type { AddressHasher } from '../erasure/erased.ts';
import { findErasures, hasErasures, releaseErasures } from '../erasure/store.ts';
import { forgetSoftBounces, forgetWatched } from '../watch/store.ts';
import { CSV_HEADER, readCsv, REJECT_HEADER, rejectLine, suppressionLine } from './csv.ts';
import type { Reject } from './csv.ts';
import { readEntry } from './entry.ts';
import type { EntryInput } from './entry.ts';
import { readHistory } from './history.ts';
import type { AddressHistory } from './history.ts';
import { importExists, importSuppressions, selectRejects } from './import/store.ts';
import type { ImportCounts } from './import/store.ts';
import {
  addSuppressions,
  findSuppressions,
  listSuppressions,
  releaseSuppression,
  streamSuppressions,
} from './store.ts';
import type { SuppressionFilter } from './store.ts';
import type { SendingContext, Suppression, SuppressionScope } from './suppression.ts';

export interface SuppressionDeps {
  sql: Sql;
  clock: Clock;
  /** VOLLEY_SECRET and its former values: what was erased is known by keyed hash only. */
  secret: string;
  previousSecrets: readonly string[];
}

/** How many addresses one call adds or checks. */
export const MAX_ADDRESSES = 1_000;
/** How many rejects an import's result lists; all of them are kept. */
export const MAX_LISTED_REJECTS = 100;
const REJECTS_PER_PAGE = 2_000;

export interface CheckedAddress {
  email: string;
  /** Why it is no address; null when it is one. */
  invalid: string | null;
  /** By an entry, or erased. */
  suppressed: boolean;
  erased: boolean;
  suppressions: Suppression[];
}

export interface ImportResult extends ImportCounts {
  rows: number;
  /** The first of them. */
  rejects: Reject[];
}

export interface Released {
  suppressions: Suppression[];
  /** He had been erased, and may be written to again. */
  erasure: boolean;
}

export interface History extends AddressHistory {
  addressKey: string;
  suppressed: boolean;
  erasedAt: Date | null;
}

export interface Suppressions {
  /** Newest first, up to `limit` rows. */
  list(
    filter: SuppressionFilter & { email?: string },
    page: { limit: number; after?: bigint },
  ): Promise<Suppression[]>;
  /** Adds up to 1,000; answers the live rows of these addresses. */
  add(entries: readonly EntryInput[], by: string): Promise<Suppression[]>;
  /** What was released; null when nothing stands against the address. */
  release(
    email: string,
    by: string,
    only?: { scope?: SuppressionScope; scopeValue?: string },
  ): Promise<Released | null>;
  /** In the order asked; without a context the rows of every scope count. */
  check(emails: readonly string[], context: SendingContext | null): Promise<CheckedAddress[]>;
  /** null when it is no address. */
  history(email: string): Promise<History | null>;
  importCsv(input: AsyncIterable<Uint8Array>, by: string): Promise<ImportResult>;
  /** The rejected rows of an import as pieces of CSV text; null: no such import. */
  importRejects(importId: bigint): Promise<AsyncIterable<string> | null>;
  /** The live rows, as pieces of CSV text. */
  exportCsv(filter?: SuppressionFilter): AsyncIterable<string>;
}

interface Deps {
  sql: Sql;
  clock: Clock;
  hasher: AddressHasher;
}

export function createSuppressions(options: SuppressionDeps): Suppressions {
  const { sql, clock } = options;
  const deps: Deps = { sql, clock, hasher: createAddressHasher(options) };
  return {
    async list({ email, ...filter }, page) {
      if (email === undefined) return await listSuppressions(sql, filter, page);
      const address = parseAddress(email);
      if (!address.ok) return [];
      return await listSuppressions(sql, { ...filter, addressKey: address.value.key }, page);
    },
    add: (entries, by) => add(deps, entries, by),
    release: (email, by, only) => release(deps, email, by, only),
    check: (emails, context) => check(deps, emails, context),
    history: (email) => history(deps, email),
    importCsv: (input, by) => importCsv(deps, input, by),
    async importRejects(importId) {
      return (await importExists(sql, importId)) ? rejectsCsv(sql, importId) : null;
    },
    exportCsv: (filter = {}) => exportCsv(sql, filter),
  };
}

function refuseTooMany(count: number): void {
  if (count <= MAX_ADDRESSES) return;
  throw new AppError('invalid_request', `at most ${MAX_ADDRESSES} addresses in one request`);
}

async function add(deps: Deps, entries: readonly EntryInput[], by: string): Promise<Suppression[]> {
  refuseTooMany(entries.length);
  const now = deps.clock();
  const errors: FieldError[] = [];
  const rows = entries.flatMap((entry, i) => {
    const result = readEntry(entry, now);
    if (result.ok) {
      const source = { origin: 'operator', campaignId: null, deliveryId: null } as const;
      return [{ ...result.value, ...source, createdBy: by }];
    }
    const pointer = `/${i}/${result.field}`;
    errors.push({ pointer, code: 'invalid', detail: `${result.field} ${result.reason}` });
    return [];
  });
  if (errors.length > 0) {
    throw new AppError('invalid_request', 'some entries are not valid', { errors });
  }
  const keys = rows.map((row) => row.addressKey);
  const erased = await findErased(deps, keys);
  await deps.sql.begin((tx) =>
    addSuppressions(
      tx,
      rows.filter((row) => !erased.has(row.addressKey)),
    ),
  );
  return await findSuppressions(deps.sql, keys, null);
}

/** Those of the keys whose owners were erased, with the time. */
async function findErased(deps: Deps, keys: readonly string[]): Promise<Map<string, Date>> {
  const byHash = new Map(keys.flatMap((key) => deps.hasher.hashesOf(key).map((h) => [h, key])));
  const found = await findErasures(deps.sql, [...byHash.keys()]);
  return new Map(found.map((row) => [byHash.get(row.hash) ?? '', row.createdAt]));
}

async function release(
  deps: Deps,
  email: string,
  by: string,
  only: { scope?: SuppressionScope; scopeValue?: string } = {},
): Promise<Released | null> {
  const address = parseAddress(email);
  if (!address.ok) return null;
  const { key } = address.value;
  const everywhere = only.scope === undefined || only.scope === 'global';
  return await deps.sql.begin(async (tx) => {
    // In the order in which the watch takes them.
    if (everywhere) await forgetWatched(tx, [key]);
    const suppressions = (await releaseSuppression(tx, key, by, only)) ?? [];
    if (everywhere) await forgetSoftBounces(tx, [key]);
    const count = everywhere ? await releaseErasures(tx, deps.hasher.hashesOf(key), by) : 0;
    return suppressions.length + count === 0 ? null : { suppressions, erasure: count > 0 };
  });
}

async function check(
  deps: Deps,
  emails: readonly string[],
  context: SendingContext | null,
): Promise<CheckedAddress[]> {
  refuseTooMany(emails.length);
  const asked = emails.map((email) => ({ email, address: parseAddress(email) }));
  const keys = asked.flatMap(({ address }) => (address.ok ? [address.value.key] : []));
  const [rows, gone] = await Promise.all([
    findSuppressions(deps.sql, keys, context),
    findErased(deps, keys),
  ]);
  const found = Map.groupBy(rows, (row) => row.addressKey);
  return asked.map(({ email, address }) => {
    const suppressions = address.ok ? (found.get(address.value.key) ?? []) : [];
    const erased = address.ok && gone.has(address.value.key);
    const invalid = address.ok ? null : address.reason;
    return { email, invalid, suppressed: erased || suppressions.length > 0, erased, suppressions };
  });
}

async function history(deps: Deps, email: string): Promise<History | null> {
  const address = parseAddress(email);
  if (!address.ok) return null;
  const { key } = address.value;
  const [known, live, erased] = await Promise.all([
    readHistory(deps.sql, key),
    findSuppressions(deps.sql, [key], null),
    findErased(deps, [key]),
  ]);
  const erasedAt = erased.get(key) ?? null;
  const suppressed = live.length > 0 || erasedAt !== null;
  return { addressKey: key, suppressed, erasedAt, ...known };
}

async function importCsv(
  deps: Deps,
  input: AsyncIterable<Uint8Array>,
  by: string,
): Promise<ImportResult> {
  const rejects: Reject[] = [];
  let rows = 0;
  async function* counted() {
    for await (const row of readCsv(input, deps.clock())) {
      rows += 1;
      if (!row.ok && rejects.length < MAX_LISTED_REJECTS) rejects.push(row.reject);
      yield row;
    }
  }
  const counts = await deps.sql.begin(async (tx) => {
    const hasher = (await hasErasures(tx)) ? deps.hasher : null;
    return await importSuppressions(tx, counted(), by, hasher);
  });
  return { rows, ...counts, rejects };
}

async function* rejectsCsv(sql: Sql, importId: bigint): AsyncGenerator<string> {
  yield REJECT_HEADER;
  let after = 0;
  for (;;) {
    const rows = await selectRejects(sql, importId, after, REJECTS_PER_PAGE);
    if (rows.length > 0) yield rows.map(rejectLine).join('');
    const last = rows.at(-1);
    if (last === undefined || rows.length < REJECTS_PER_PAGE) return;
    after = last.rowNumber;
  }
}

async function* exportCsv(sql: Sql, filter: SuppressionFilter): AsyncGenerator<string> {
  yield CSV_HEADER;
  for await (const rows of streamSuppressions(sql, filter)) {
    yield rows.map(suppressionLine).join('');
  }
}
