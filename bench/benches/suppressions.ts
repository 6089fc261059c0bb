/**
 * bench/suppressions — the suppression list at size: import, check, add, export.
 *
 * Figures: milliseconds to check 1,000 addresses, to add 500, and to export all.
 */
import { createSuppressions } from '../../src/bounce/suppressions/suppressions.ts';
import { addSuppressions } from '../../src/bounce/suppressions/store.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import { perSecond, sample } from '../harness/bench.ts';
import type { Bench, Prepared, Sample } from '../harness/bench.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { BenchServer } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { measureHere } from '../harness/usage.ts';

const ROWS = 200_000;
const FULL = 1_000_000;
const SECRET = 'a secret of the bench, longer than 32 characters';
const PRIME = 1_000_003;

export const suppressions: Bench = {
  name: 'suppressions',
  measures: 'addresses imported into the suppression list; beside it check, add and export',
  headline: perSecond('addresses'),
  variants: (settings) => [settings],
  describe: ({ n }) => ({ rows: n ?? ROWS }),
  prepare,
  bars: () => [],
};

async function prepare(settings: Settings): Promise<Prepared> {
  const n = settings.n ?? ROWS;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  return {
    contenders: [{ name: 'Volley', role: 'volley', run: () => run(server, n) }],
    notes: n >= FULL ? [] : [`scaled down to ${n} rows; in full: --n ${FULL}`],
    close: () => stack.release(),
  };
}

const addressOf = (i: number): string =>
  `user.${(i * 7_919) % PRIME}.${i}@domain${i % 5_000}.example`;

async function* csv(n: number): AsyncGenerator<Uint8Array> {
  yield Buffer.from('email,reason,evidence\r\n');
  for (let from = 0; from < n; from += 2_000) {
    const lines = Array.from(
      { length: Math.min(2_000, n - from) },
      (_, i) => `${addressOf(from + i)},hard_bounce,550 5.1.1 no such user\r\n`,
    );
    yield Buffer.from(lines.join(''));
  }
}

async function timedMs(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function run(server: BenchServer, n: number): Promise<Sample> {
  const database = await server.create();
  const { sql } = database;
  const list = createSuppressions({ sql, clock: systemClock, secret: SECRET, previousSecrets: [] });
  const taken = await measureHere(async () => {
    await list.importCsv(csv(n), 'bench');
    return n;
  });
  await sql`vacuum analyze suppressions`;
  const asked = Array.from({ length: 1_000 }, (_, i) =>
    i % 2 === 0 ? addressOf((i * 997) % n) : `nobody${i}@x.example`,
  );
  await list.check(asked, null);
  const check1000Ms = await timedMs(() => list.check(asked, null));
  const add500Ms = await timedMs(() => sql.begin((tx) => addSuppressions(tx, newRows())));
  const exportAllMs = await timedMs(async () => {
    let bytes = 0;
    for await (const piece of list.exportCsv()) bytes += piece.length;
    return bytes;
  });
  const [found] = await sql<{ count: number }[]>`select count(*)::int as count from suppressions`;
  await database.drop();
  const faults = found?.count === n + 500 ? [] : [`${found?.count ?? 0} rows of ${n + 500}`];
  return sample(n, taken.seconds, {
    ...taken,
    figures: { check1000Ms, add500Ms, exportAllMs },
    faults,
  });
}

function newRows(): Parameters<typeof addSuppressions>[1] {
  return Array.from({ length: 500 }, (_, i) => ({
    addressKey: `new${i}@x.example`,
    reason: 'hard_bounce',
    origin: 'system',
    evidence: '550 5.1.1 no such user',
    campaignId: 1n,
    deliveryId: BigInt(i),
    expiresAt: null,
  }));
}
