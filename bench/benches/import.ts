/**
 * bench/import — a CSV of many recipients through the HTTP API; the limit is a bare COPY of the rows.
 *
 * 70 % of the rows at five domains, the rest at 50,000; a name and two variables each.
 */
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { parseId } from '../../src/kernel/ids.ts';
import { createResourceStack } from '../../src/kernel/lifecycle.ts';
import type { Sql } from '../../src/kernel/postgres/connect.ts';
import { perSecond, sample } from '../harness/bench.ts';
import type { Bench, Contender, Prepared } from '../harness/bench.ts';
import { draft } from '../harness/campaign.ts';
import type { SendingWorld } from '../harness/campaign.ts';
import { startEngineProcess } from '../harness/engine.ts';
import { startPostgres } from '../harness/postgres.ts';
import type { Settings } from '../harness/settings.ts';
import { startSink } from '../harness/sink.ts';
import { cpuFigure, usedBetween } from '../harness/usage.ts';

const ROWS = 300_000;
const FULL = 1_000_000;
const LARGE = ['gmail.com', 'outlook.com', 'yahoo.com', 'qq.com', '163.com'];
const CHUNK_BYTES = 65_536;

export const importBench: Bench = {
  name: 'import',
  measures: 'CSV rows uploaded through the API, checked, deduplicated, committed',
  headline: perSecond('rows'),
  variants: (settings) => [settings],
  describe: ({ n }) => ({ rows: n ?? ROWS }),
  prepare,
  bars: (result) => {
    const rate = result.contenders.find(({ role }) => role === 'volley')?.headline.median;
    const seconds = rate === undefined || rate === 0 ? null : FULL / rate;
    return [{ what: 'seconds for 1 M rows', want: 20, better: 'lower', got: seconds }];
  },
};

function addressOf(n: number): [string, string] {
  const domain = n % 10 < 7 ? (LARGE[n % 5] ?? '') : `d${n % 50_000}.example`;
  return [`user${n}@${domain}`, domain];
}

function* csv(n: number): Generator<Buffer> {
  let text = 'email,name,amount,city\n';
  for (let i = 0; i < n; i += 1) {
    text += `${addressOf(i)[0]},"Name ${i}, Esq",${i % 997}.50,上海\n`;
    if (text.length < CHUNK_BYTES) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

/** The rows as COPY wants them: nothing to parse, nothing to check. */
function* copyRows(campaignId: number, n: number): Generator<Buffer> {
  let text = '';
  for (let i = 0; i < n; i += 1) {
    const [address, domain] = addressOf(i);
    text += `${campaignId}\t${address}\t${address}\t${domain}\tName ${i}\t{"amount":"${i % 997}.50","city":"上海"}\n`;
    if (text.length < CHUNK_BYTES) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

async function prepare(settings: Settings): Promise<Prepared> {
  const n = settings.n ?? ROWS;
  const stack = createResourceStack();
  const server = await startPostgres();
  stack.onRelease('PostgreSQL', () => server.stop());
  const database = await server.create();
  stack.onRelease('database', () => database.drop());
  const sink = await startSink({ kind: 'own' });
  stack.onRelease('sink', () => sink.stop());
  const { url: databaseUrl } = database;
  const engine = await startEngineProcess({ databaseUrl, sinkPort: sink.port, profiled: true });
  stack.onRelease('engine', () => engine.stop());
  const world: SendingWorld = { server, database, engines: [engine], sink };
  return {
    contenders: [volley(world, n), bareCopy(world, n)],
    notes: [],
    close: () => stack.release(),
  };
}

function volley(world: SendingWorld, n: number): Contender {
  return {
    name: 'Volley',
    role: 'volley',
    async run() {
      const [engine] = world.engines;
      if (engine === undefined) throw new Error('no engine');
      const id = await draft(world, {
        n,
        sizeBytes: 2_048,
        dkim: 'rsa',
        mode: 'parallel',
        domains: 1,
      });
      const cpuBefore = engine.cpuSeconds();
      const databaseBefore = world.server.cpuSeconds();
      const beganMs = performance.now();
      const response = await fetch(`${engine.apiUrl}/v1/campaigns/${id}/recipients`, {
        method: 'POST',
        headers: { authorization: `Bearer ${engine.key}`, 'content-type': 'text/csv' },
        body: Readable.toWeb(Readable.from(csv(n))),
        duplex: 'half',
      });
      const { accepted } = (await response.json()) as { accepted: number };
      const seconds = (performance.now() - beganMs) / 1_000;
      const databaseSeconds = usedBetween(databaseBefore, world.server.cpuSeconds());
      return sample(n, seconds, {
        cpuSeconds: usedBetween(cpuBefore, engine.cpuSeconds()),
        peakRssBytes: engine.peakRssBytes(),
        figures: cpuFigure('databaseCpuUs', databaseSeconds, n),
        faults: [
          ...(accepted === n ? [] : [`${accepted} of ${n} rows accepted`]),
          ...(await faultsOfRows(world.database.sql, parseId('cmp', id) ?? 0n, n)),
        ],
      });
    },
  };
}

/** Into the same table with the same indexes. */
function bareCopy(world: SendingWorld, n: number): Contender {
  return {
    name: 'bare COPY',
    role: 'limit',
    async run(round) {
      const { sql } = world.database;
      const campaignId = 1_000_000 + round;
      const beganMs = performance.now();
      const writable = await sql`
        copy recipients (campaign_id, address, address_key, domain, name, variables) from stdin`.writable();
      await pipeline(Readable.from(copyRows(campaignId, n)), writable);
      const seconds = (performance.now() - beganMs) / 1_000;
      return sample(n, seconds, { faults: await faultsOfRows(sql, campaignId, n) });
    },
  };
}

/** What was answered is not believed: every row is there, each address once. */
export async function faultsOfRows(
  sql: Sql,
  campaignId: bigint | number,
  n: number,
): Promise<string[]> {
  const [found] = await sql<{ rows: number; addresses: number }[]>`
    select count(*)::int as rows, count(distinct address_key)::int as addresses
    from recipients where campaign_id = ${campaignId}`;
  const { rows = 0, addresses = 0 } = found ?? {};
  return rows === n && addresses === n ? [] : [`${rows} rows, ${addresses} addresses of ${n}`];
}
