/**
 * bounce/suppressions/suppressions — what one can do with the suppression list.
 *
 * Promises: addresses are compared by their key, so case and domain spelling do not matter. An import
 *           is all good rows or none (a broken file changes nothing). Whoever is added is not sent to
 *           from the commit on: batches are checked when claimed, and running ones are told.
 * Fails:    AppError `invalid_request` with the pointer of each wrong field; for a file see csv.ts.
 * See:      suppression.ts (the matching rule), store.ts (what happens to an address already listed).
 */
import { parseAddress } from '../../kernel/address.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { FieldError } from '../../kernel/errors.ts';
import type { Sql } from '../../kernel/postgres/connect.ts';
import { CSV_HEADER, readCsv, suppressionLine } from './csv.ts';
import type { Reject } from './csv.ts';
import { readEntry } from './entry.ts';
import type { EntryInput } from './entry.ts';
import { importSuppressions } from './import/store.ts';
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
}

/** How many addresses one call adds or checks. */
export const MAX_ADDRESSES = 1_000;
/** How many rejects an import's result lists; `onReject` hears of all. */
export const MAX_LISTED_REJECTS = 100;

export interface CheckedAddress {
  email: string;
  /** Why it is no address; null when it is one. */
  invalid: string | null;
  suppressed: boolean;
  suppressions: Suppression[];
}

export interface ImportResult {
  rows: number;
  added: number;
  /** Listed already; they stay longer now. */
  extended: number;
  /** Listed already, or twice in the file. */
  unchanged: number;
  rejected: number;
  rejects: Reject[];
}

export interface Suppressions {
  /** Newest first, up to `limit` rows. */
  list(
    filter: SuppressionFilter & { email?: string },
    page: { limit: number; after?: bigint },
  ): Promise<Suppression[]>;
  /** Adds up to 1,000; answers the live rows of these addresses. */
  add(entries: readonly EntryInput[]): Promise<Suppression[]>;
  /** The rows released; null when the address has no live one. */
  release(
    email: string,
    by: string,
    only?: { scope?: SuppressionScope; scopeValue?: string },
  ): Promise<Suppression[] | null>;
  /** In the order asked; without a context the rows of every scope count. */
  check(emails: readonly string[], context: SendingContext | null): Promise<CheckedAddress[]>;
  importCsv(
    input: AsyncIterable<Uint8Array>,
    by: string,
    onReject?: (reject: Reject) => void,
  ): Promise<ImportResult>;
  /** The live rows, as pieces of CSV text. */
  exportCsv(filter?: SuppressionFilter): AsyncIterable<string>;
}

export function createSuppressions(deps: SuppressionDeps): Suppressions {
  const { sql, clock } = deps;
  return {
    async list({ email, ...filter }, page) {
      if (email === undefined) return await listSuppressions(sql, filter, page);
      const address = parseAddress(email);
      if (!address.ok) return [];
      return await listSuppressions(sql, { ...filter, addressKey: address.value.key }, page);
    },
    add: (entries) => add(deps, entries),
    async release(email, by, only) {
      const address = parseAddress(email);
      return address.ok ? await releaseSuppression(sql, address.value.key, by, only) : null;
    },
    check: (emails, context) => check(sql, emails, context),
    importCsv: (input, by, onReject) => importCsv(sql, input, by, clock(), onReject),
    exportCsv: (filter = {}) => exportCsv(sql, filter),
  };
}

function refuseTooMany(count: number): void {
  if (count <= MAX_ADDRESSES) return;
  throw new AppError('invalid_request', `at most ${MAX_ADDRESSES} addresses in one request`);
}

async function add(deps: SuppressionDeps, entries: readonly EntryInput[]): Promise<Suppression[]> {
  refuseTooMany(entries.length);
  const now = deps.clock();
  const errors: FieldError[] = [];
  const rows = entries.flatMap((entry, i) => {
    const result = readEntry(entry, now);
    if (result.ok)
      return [{ ...result.value, origin: 'operator' as const, campaignId: null, deliveryId: null }];
    const pointer = `/${i}/${result.field}`;
    errors.push({ pointer, code: 'invalid', detail: `${result.field} ${result.reason}` });
    return [];
  });
  if (errors.length > 0) {
    throw new AppError('invalid_request', 'some entries are not valid', { errors });
  }
  await deps.sql.begin((tx) => addSuppressions(tx, rows));
  return await findSuppressions(
    deps.sql,
    rows.map((row) => row.addressKey),
    null,
  );
}

async function check(
  sql: Sql,
  emails: readonly string[],
  context: SendingContext | null,
): Promise<CheckedAddress[]> {
  refuseTooMany(emails.length);
  const asked = emails.map((email) => ({ email, address: parseAddress(email) }));
  const keys = asked.flatMap(({ address }) => (address.ok ? [address.value.key] : []));
  const found = Map.groupBy(await findSuppressions(sql, keys, context), (row) => row.addressKey);
  return asked.map(({ email, address }) => {
    const suppressions = address.ok ? (found.get(address.value.key) ?? []) : [];
    const invalid = address.ok ? null : address.reason;
    return { email, invalid, suppressed: suppressions.length > 0, suppressions };
  });
}

async function importCsv(
  sql: Sql,
  input: AsyncIterable<Uint8Array>,
  by: string,
  now: Date,
  onReject: (reject: Reject) => void = () => undefined,
): Promise<ImportResult> {
  const rejects: Reject[] = [];
  let rejected = 0;
  let good = 0;
  const note = (reject: Reject): void => {
    rejected += 1;
    if (rejects.length < MAX_LISTED_REJECTS) rejects.push(reject);
    onReject(reject);
  };
  async function* rows() {
    for await (const entry of readCsv(input, now, note)) {
      good += 1;
      yield entry;
    }
  }
  const { added, extended } = await sql.begin((tx) => importSuppressions(tx, rows(), by));
  const unchanged = good - added - extended;
  return { rows: good + rejected, added, extended, unchanged, rejected, rejects };
}

async function* exportCsv(sql: Sql, filter: SuppressionFilter): AsyncGenerator<string> {
  yield CSV_HEADER;
  for await (const rows of streamSuppressions(sql, filter)) {
    yield rows.map(suppressionLine).join('');
  }
}
