/** How the TLS of sessions went: counted in memory, added up in the database, taken once. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/kernel/log.ts';
import { tlsProblem } from '../../src/mta/tls/problem.ts';
import type { TlsResult } from '../../src/mta/tls/report.ts';
import { startTlsCollector } from '../../src/scheduler/tls-results/collector.ts';
import {
  addTlsResults,
  purgeTlsResults,
  takeTlsResults,
} from '../../src/scheduler/tls-results/store.ts';
import { createTally } from '../../src/scheduler/tls-results/tally.ts';
import { useDatabase } from '../harness/database.ts';

const NOON = new Date('2026-03-01T12:00:00Z');
const expired = tlsProblem('certificate-expired', 'CERT_HAS_EXPIRED');

function result(more: Partial<TlsResult> = {}, domain = 'x.test'): TlsResult {
  return {
    policy: {
      domain,
      type: 'sts',
      strings: ['version: STSv1', 'mode: testing'],
      mxHosts: ['*.x.test'],
    },
    mxHost: 'mx.x.test',
    receivingIp: '192.0.2.1',
    sendingIp: '198.51.100.1',
    problem: null,
    ...more,
  };
}

describe('tally', () => {
  test('good sessions are one count, failed ones by problem, host and addresses; a day is UTC', () => {
    const tally = createTally();
    tally.add(result(), NOON);
    tally.add(result({ mxHost: 'mx2.x.test', receivingIp: '192.0.2.2' }), NOON);
    tally.add(result({ problem: expired }), NOON);
    tally.add(result({ problem: tlsProblem('certificate-expired', 'other words') }), NOON);
    tally.add(result({ problem: expired, receivingIp: '192.0.2.2' }), NOON);
    tally.add(result(), new Date('2026-03-01T23:59:59.999Z'));
    tally.add(result(), new Date('2026-03-02T00:00:00Z'));
    const { counts, policies, lost } = tally.take();
    expect(lost).toBe(0);
    expect(policies.map(({ type, lastDay }) => [type, lastDay])).toEqual([['sts', '2026-03-02']]);
    expect(
      counts.map((row) => [row.day, row.problem, row.mxHost, row.receivingIp, row.count]).sort(),
    ).toEqual([
      ['2026-03-01', null, null, null, 3],
      ['2026-03-01', 'certificate-expired', 'mx.x.test', '192.0.2.1', 2],
      ['2026-03-01', 'certificate-expired', 'mx.x.test', '192.0.2.2', 1],
      ['2026-03-02', null, null, null, 1],
    ]);
    expect(tally.take()).toEqual({ counts: [], policies: [], lost: 0 });
  });

  test('whatever comes, and however little room there is, the sums are right', () => {
    const sessions = fc.array(fc.record({ domain: fc.nat(4), ip: fc.nat(20), bad: fc.boolean() }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(sessions, fc.integer({ min: 1, max: 8 }), fc.nat(8), (all, detailed, more) => {
        const tally = createTally({ detailed, all: detailed + more });
        for (const { domain, ip, bad } of all) {
          const problem = bad ? expired : null;
          tally.add(result({ problem, receivingIp: `192.0.2.${ip}` }, `${domain}.test`), NOON);
          expect(tally.size()).toBeLessThanOrEqual(detailed + more);
        }
        const { counts, lost } = tally.take();
        const sum = counts.reduce((total, row) => total + row.count, 0);
        expect(sum + lost).toBe(all.length);
        expect(new Set(counts.map(({ id }) => id)).size).toBe(counts.length);
      }),
    );
  });

  test('past the cap a domain keeps its counts, without details', () => {
    const tally = createTally({ detailed: 3, all: 10 });
    for (let i = 0; i < 10; i += 1) {
      tally.add(result({ problem: expired, receivingIp: `192.0.2.${i}` }), NOON);
    }
    const { counts } = tally.take();
    const rest = counts.filter((row) => row.receivingIp === null);
    expect(rest.map((row) => [row.problem, row.mxHost, row.count])).toEqual([
      ['certificate-expired', null, 7],
    ]);
  });
});

describe('in the database', () => {
  const database = useDatabase();
  beforeEach(async () => {
    await database.sql`truncate tls_results, tls_result_policies`;
  });

  async function write(results: TlsResult[], at = NOON): Promise<void> {
    const tally = createTally();
    for (const each of results) tally.add(each, at);
    const { policies, counts } = tally.take();
    await addTlsResults(database.sql, policies, counts);
  }

  test('processes add to the same rows, at one moment too', async () => {
    const some = [result(), result({ problem: expired }), result({}, 'y.test')];
    await Promise.all(Array.from({ length: 8 }, () => write(some)));
    const rows = await takeTlsResults(database.sql, '2026-03-01', 'x.test', 100);
    expect(rows.map((row) => [row.problem, row.sendingIp, row.detail, row.count])).toEqual([
      ['certificate-expired', '198.51.100.1', 'CERT_HAS_EXPIRED', 8n],
      [null, null, null, 8n],
    ]);
    expect(rows[0]).toMatchObject({
      type: 'sts',
      strings: ['version: STSv1', 'mode: testing'],
      mxHosts: ['*.x.test'],
    });
    expect(await takeTlsResults(database.sql, '2026-03-01', 'x.test', 100)).toEqual([]);
    expect(await takeTlsResults(database.sql, '2026-03-01', 'y.test', 100)).toHaveLength(1);
  });

  test('past the limit of a report hosts are left out, and it adds up', async () => {
    const hosts = Array.from({ length: 50 }, (_, i) => `mx${i}.x.test`);
    await write(hosts.map((mxHost) => result({ problem: expired, mxHost })));
    await write([result({ problem: expired, mxHost: 'mx7.x.test' })]);
    const rows = await takeTlsResults(database.sql, '2026-03-01', 'x.test', 3);
    expect(rows).toHaveLength(4);
    expect(rows.map(({ count }) => count)).toEqual([47n, 2n, 1n, 1n]);
    expect(rows.find(({ count }) => count === 2n)?.mxHost).toBe('mx7.x.test');
  });

  test('old days are purged, and policies that no day has', async () => {
    await write([result()]);
    await write(
      [result({ policy: { ...result().policy, strings: ['later'] } })],
      new Date('2026-03-09Z'),
    );
    await purgeTlsResults(database.sql, '2026-03-02');
    const left = await database.sql`select strings from tls_result_policies`;
    expect(left.map((row) => row['strings'] as string[])).toEqual([['later']]);
    expect(await database.sql`select 1 from tls_results`).toHaveLength(1);
  });

  test('the collector holds what the database refuses, and writes the rest when it stops', async () => {
    const { sql } = database;
    const log = createLogger('silent');
    const refused = Promise.withResolvers<null>();
    log.error = () => refused.resolve(null);
    await sql`alter table tls_results rename to tls_results_away`;
    const collector = startTlsCollector({ sql, clock: () => NOON, log });
    const report = (i: number): void => {
      const receivingIp = `10.0.${i >> 8}.${i & 255}`;
      collector.report(result({ problem: i % 2 === 0 ? expired : null, receivingIp }));
    };
    for (let i = 0; i < 25_000; i += 1) report(i);
    await refused.promise;
    await sql`alter table tls_results_away rename to tls_results`;
    for (let i = 0; i < 100; i += 1) report(i);
    await collector.stop();
    const [row] = await sql<{ sum: bigint }[]>`
      select sum(count)::bigint as sum from tls_results`;
    expect(row?.sum).toBe(25_100n);
  });
});
