/** A bench whose sink loses or doubles one message has failed; with an honest sink it has not. */
import { expect, test } from 'vitest';
import { runCampaign } from '../../bench/harness/campaign.ts';
import { startEngineProcess } from '../../bench/harness/engine.ts';
import { inScope } from '../../bench/harness/run-scope.ts';
import { startSink } from '../../bench/harness/sink.ts';
import type { SinkOptions } from '../../bench/harness/sink.ts';
import { createDatabase } from '../harness/database.ts';
import { connect } from '../../src/kernel/postgres/connect.ts';

const PLAN = { n: 40, sizeBytes: 2_048, dkim: 'none', mode: 'parallel', domains: 4 } as const;

async function faultsWith(options: Omit<SinkOptions, 'kind'>): Promise<string[]> {
  const { url, drop } = await createDatabase();
  const sql = connect(url, { poolSize: 2 });
  try {
    return await inScope(async () => {
      const sink = await startSink({ kind: 'own', ...options });
      const engine = await startEngineProcess({ databaseUrl: url, sinkPort: sink.port });
      const server = { cpuSeconds: () => null };
      const world = { server, database: { sql }, engines: [engine], sink };
      const { faults, cpuSeconds } = await runCampaign(world, PLAN);
      expect(cpuSeconds).not.toBe(0);
      await engine.stop();
      await sink.stop();
      return faults;
    });
  } finally {
    await sql.end({ timeout: 5 });
    await drop();
  }
}

test('nobody lost, nobody served twice: no fault', { timeout: 60_000 }, async () => {
  expect(await faultsWith({ ledger: true })).toEqual([]);
});

test(
  'one lost message is a fault, with the name of who did not get it',
  { timeout: 60_000 },
  async () => {
    const faults = await faultsWith({ ledger: true, errs: 'drop' });
    expect(faults[0]).toBe('the sink has 39 of 40 recipients');
    expect(faults[1]).toMatch(
      /^the ledger has 1 missing, 0 served more than once, 0 not of the list; user\d+@d\d\.example is missing$/,
    );
  },
);

test(
  'one doubled message is a fault, with the name of who got it twice',
  { timeout: 60_000 },
  async () => {
    const faults = await faultsWith({ ledger: true, errs: 'double' });
    expect(faults[0]).toBe('the sink has 41 of 40 recipients');
    expect(faults[1]).toMatch(
      /^the ledger has 0 missing, 1 served more than once, 0 not of the list/,
    );
  },
);

test('without a ledger the count alone makes it a fault', { timeout: 60_000 }, async () => {
  expect(await faultsWith({ errs: 'drop' })).toEqual(['the sink has 39 of 40 recipients']);
});
