/**
 * bench/suppressions — the suppression list at size: import, check, add, export.
 *
 *     node bench/suppressions.ts [millions=1]
 *
 * Embedded PostgreSQL with fsync on. Imports that many times a million addresses as CSV, then the
 * last million again, checks 1,000 addresses, adds 500, exports all.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addSuppressions } from '../src/bounce/suppressions/store.ts';
import { createSuppressions } from '../src/bounce/suppressions/suppressions.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { connect } from '../src/kernel/postgres/connect.ts';
import { migrate } from '../src/kernel/postgres/migrate.ts';
import { startEmbeddedServer } from '../src/kernel/postgres/server.ts';

const ROWS = 1_000_000;
const PRIME = 1_000_003;
const addressOf = (round: number, i: number): string =>
  `user.${(i * 7_919) % PRIME}.${round}@domain${i % 5_000}.example`;

async function* csv(round: number): AsyncGenerator<Uint8Array> {
  yield Buffer.from('email,reason,evidence\r\n');
  for (let from = 0; from < ROWS; from += 2_000) {
    const lines = Array.from(
      { length: 2_000 },
      (_, i) => `${addressOf(round, from + i)},hard_bounce,550 5.1.1 no such user\r\n`,
    );
    yield Buffer.from(lines.join(''));
  }
}

async function timed<T>(name: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  const ms = Math.round(performance.now() - began);
  const rss = Math.round(process.memoryUsage().rss / 1_048_576);
  console.log(`${name}: ${ms} ms, rss ${rss} MB`);
  return result;
}

async function bench(url: string, millions: number): Promise<void> {
  await migrate(url);
  const sql = connect(url, { poolSize: 4 });
  const list = createSuppressions({ sql, clock: systemClock });
  for (let round = 1; round <= millions; round += 1) {
    await timed(`import, million ${round}`, () => list.importCsv(csv(round), 'bench'));
  }
  await timed('import of the last million again', () => list.importCsv(csv(millions), 'bench'));
  await sql`vacuum analyze suppressions`;
  const asked = Array.from({ length: 1_000 }, (_, i) =>
    i % 2 === 0 ? addressOf(1 + (i % millions), i * 997) : `nobody${i}@x.example`,
  );
  for (let i = 0; i < 3; i += 1) await timed('check 1,000', () => list.check(asked, null));
  const rows = Array.from({ length: 500 }, (_, i) => ({
    addressKey: `new${i}@x.example`,
    reason: 'hard_bounce' as const,
    origin: 'system' as const,
    evidence: '550 5.1.1 no such user',
    campaignId: 1n,
    deliveryId: BigInt(i),
    expiresAt: null,
  }));
  await timed('add 500', () => sql.begin((tx) => addSuppressions(tx, rows)));
  await timed('export all', async () => {
    let bytes = 0;
    for await (const piece of list.exportCsv()) bytes += piece.length;
    return bytes;
  });
  await sql.end();
}

const [millions = '1'] = process.argv.slice(2);
const dataDir = mkdtempSync(join(tmpdir(), 'volley-bench-'));
const server = await startEmbeddedServer({ dataDir });
try {
  await bench(server.url, Number(millions));
} finally {
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
