/**
 * bounce/suppressions/import/store — many suppressions at once: COPY into a staging table, then one
 * INSERT..SELECT.
 *
 * Promises: all good rows or none; the rejected ones are kept beside the import. Memory does not grow
 *           with the file. The rules are those of suppressions/store.ts; one event with the counts
 *           stands for the whole import, because an event per row took as long as all the rest (14 s
 *           a million), and the rows say it all. Who was erased is not stored again.
 * Measured: docs/suppressions.md "How fast" (bench/benches/suppressions.ts).
 */
import { pipeline } from 'node:stream/promises';
import type { Db, Tx } from '../../../kernel/postgres/connect.ts';
import type { AddressHasher } from '../../erasure/erased.ts';
import type { CsvRow, Reject } from '../csv.ts';
import { addFrom, notify } from '../store.ts';
import type { AddCounts } from '../store.ts';

const CHUNK_CHARACTERS = 65_536;

export interface ImportCounts extends AddCounts {
  importId: bigint;
  unchanged: number;
  rejected: number;
}

/** `hasher`: null while nobody was erased. */
export async function importSuppressions(
  tx: Tx,
  rows: AsyncIterable<CsvRow>,
  by: string,
  hasher: AddressHasher | null,
): Promise<ImportCounts> {
  await giveMemory(tx);
  await createStaging(tx);
  await copyToStaging(tx, rows, hasher);
  await tx`analyze pg_temp.suppression_import`;
  const { good, rejected } = await countStaged(tx);
  if (hasher !== null) await dropErased(tx);
  const source = tx`(
    select *, 'import' as origin, null as class, null::bigint as campaign_id,
      null::bigint as delivery_id, ${by}::text as created_by
    from pg_temp.suppression_import where reject is null
  ) as input`;
  const { added, extended } = await addFrom(tx, source, { logEach: false });
  const counts = { added, extended, unchanged: good - added - extended, rejected };
  const importId = await insertImport(tx, counts, by);
  if (rejected > 0) await insertRejects(tx, importId);
  if (added + extended > 0) await notify(tx, ['*']);
  return { importId, ...counts };
}

/** The rejected rows of an import after `afterRow`, in the order of the file; empty when there are none, or no such import. */
export async function selectRejects(
  db: Db,
  importId: bigint,
  afterRow: number,
  limit: number,
): Promise<Reject[]> {
  return await db<Reject[]>`
    select row_number, input, reason from suppression_import_rejects
    where import_id = ${importId} and row_number > ${afterRow}
    order by row_number limit ${limit}`;
}

export async function importExists(db: Db, importId: bigint): Promise<boolean> {
  const rows = await db`select 1 from suppression_imports where id = ${importId}`;
  return rows.length === 1;
}

/** A million rows are sorted in 95 MB; with the 32 MB of other statements they are written to disk. */
async function giveMemory(tx: Tx): Promise<void> {
  await tx`set local work_mem = '128MB'`;
}

async function createStaging(tx: Tx): Promise<void> {
  await tx`
    create temporary table suppression_import (
      address_key text, scope suppression_scope, scope_value text, reason suppression_reason,
      evidence text, expires_at timestamptz, hashes text[], row_number integer, input text,
      reject text
    ) on commit drop`;
}

async function copyToStaging(
  tx: Tx,
  rows: AsyncIterable<CsvRow>,
  hasher: AddressHasher | null,
): Promise<void> {
  const staging = await tx`copy pg_temp.suppression_import from stdin`.writable();
  await pipeline(copyText(rows, hasher), staging);
}

async function countStaged(tx: Tx): Promise<{ good: number; rejected: number }> {
  const [row] = await tx<{ good: number; rejected: number }[]>`
    select count(*) filter (where reject is null)::int as good, count(reject)::int as rejected
    from pg_temp.suppression_import`;
  return row ?? { good: 0, rejected: 0 };
}

async function dropErased(tx: Tx): Promise<void> {
  await tx`
    delete from pg_temp.suppression_import where ctid in (
      select i.ctid from pg_temp.suppression_import i
      cross join lateral unnest(i.hashes) as h (hash)
      join erasures e on e.hash = h.hash and e.released_at is null)`;
}

/** The import and its event. */
async function insertImport(
  tx: Tx,
  counts: Omit<ImportCounts, 'importId'>,
  by: string,
): Promise<bigint> {
  const { added, extended, unchanged, rejected } = counts;
  const [row] = await tx<{ id: bigint }[]>`
    with made as (
      insert into suppression_imports (created_by, added, extended, unchanged, rejected)
      values (${by}, ${added}, ${extended}, ${unchanged}, ${rejected}) returning id
    ), logged as (
      insert into events (kind, data)
      select 'suppression.added', ${tx.json({ origin: 'import', by, added, extended })}::jsonb
        || jsonb_build_object('import', id::text)
      from made where ${added + extended} > 0
    )
    select id from made`;
  if (row === undefined) throw new Error('insert into suppression_imports returned nothing');
  return row.id;
}

async function insertRejects(tx: Tx, importId: bigint): Promise<void> {
  await tx`
    insert into suppression_import_rejects (import_id, row_number, input, reason)
    select ${importId}, row_number, input, reject
    from pg_temp.suppression_import where reject is not null`;
}

async function* copyText(
  rows: AsyncIterable<CsvRow>,
  hasher: AddressHasher | null,
): AsyncGenerator<string> {
  let text = '';
  for await (const row of rows) {
    text += `${cellsOf(row, hasher).map(copyField).join('\t')}\n`;
    if (text.length < CHUNK_CHARACTERS) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** In the order of the columns of the staging table. */
function cellsOf(row: CsvRow, hasher: AddressHasher | null): (string | null)[] {
  if (!row.ok) {
    const { rowNumber, input, reason } = row.reject;
    return [null, null, null, null, null, null, null, String(rowNumber), input, reason];
  }
  const { addressKey, scope, scopeValue, reason, evidence, expiresAt } = row.entry;
  const expires = expiresAt?.toISOString() ?? null;
  const hashes = hasher === null ? null : `{${hasher.hashesOf(addressKey).join(',')}}`;
  return [addressKey, scope, scopeValue, reason, evidence, expires, hashes, null, null, null];
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Text format of COPY. NUL cannot be stored, so it does not come here. */
function copyField(value: string | null): string {
  return value === null ? '\\N' : value.replace(/[\\\t\n\r]/g, (c) => ESCAPES[c] ?? c);
}
