/** harness/counts — what reports read, without the deliveries behind it. */
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { addToRollups } from '../../src/kernel/rollups/store.ts';
import type { RollupRow } from '../../src/kernel/rollups/store.ts';

export async function addCounts(sql: Sql, rows: readonly RollupRow[]): Promise<void> {
  await sql.begin((tx) => addToRollups(tx, rows));
}
