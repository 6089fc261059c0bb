/**
 * bench/audience — one upload of many recipients: time, and the memory of the process.
 *
 *     node bench/audience.ts [rows=1000000] [csv|ndjson]
 *
 * Embedded PostgreSQL with fsync on. Rows are made while they are sent: 70 % at five domains, the rest
 * at 50,000 domains; name and two variables each. Exit code 1 when memory grew by more than 150 MB.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uploadRecipients } from '../src/campaigns/audience.ts';
import { createCampaign } from '../src/campaigns/campaigns.ts';
import type { CampaignDeps } from '../src/campaigns/deps.ts';
import { createSender } from '../src/campaigns/senders.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { connect } from '../src/kernel/postgres/connect.ts';
import { migrate } from '../src/kernel/postgres/migrate.ts';
import { startEmbeddedServer } from '../src/kernel/postgres/server.ts';

const rows = Number(process.argv[2] ?? 1_000_000);
const format = process.argv[3] === 'ndjson' ? 'ndjson' : 'csv';
const LARGE = ['gmail.com', 'outlook.com', 'yahoo.com', 'qq.com', '163.com'];
const CHUNK_BYTES = 65_536;
const MAX_GROWTH_MB = 150;

function line(n: number): string {
  const domain = n % 10 < 7 ? (LARGE[n % 5] ?? '') : `d${n % 50_000}.example`;
  const row = {
    email: `user${n}@${domain}`,
    name: `Name ${n}, Esq`,
    amount: `${n % 997}.50`,
    city: '上海',
  };
  if (format === 'ndjson') return `${JSON.stringify(row)}\n`;
  return `${row.email},"${row.name}",${row.amount},${row.city}\n`;
}

async function* body(): AsyncGenerator<Uint8Array> {
  let text = format === 'csv' ? 'email,name,amount,city\n' : '';
  for (let n = 0; n < rows; n += 1) {
    text += line(n);
    if (text.length < CHUNK_BYTES) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

const megabytes = (): number => Math.round(process.memoryUsage.rss() / 1e6);

async function upload(deps: CampaignDeps): Promise<number> {
  const sender = await createSender(deps, {
    fromAddress: 'news@shop.example',
    displayName: 'Shop',
    bounceDomain: 'bounce.shop.example',
    unsubscribeBaseUrl: null,
  });
  const campaign = await createCampaign(deps, {
    name: 'Bench',
    senderId: sender.id,
    content: { subject: 'x', format: 'html', source: '<p>{{name}}</p>', text: null },
    stream: 'statement',
    mode: 'auto',
    ttlSeconds: 3_600,
    ambiguityPolicy: 'hold',
  });
  const before = megabytes();
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, megabytes())), 50);
  const start = performance.now();
  const report = await uploadRecipients(deps, campaign.id, body(), { format, gzip: false });
  const seconds = (performance.now() - start) / 1_000;
  clearInterval(watch);
  const figures = {
    rows,
    format,
    accepted: report.accepted,
    seconds: Number(seconds.toFixed(1)),
    rows_per_second: Math.round(rows / seconds),
    rss_before_mb: before,
    rss_peak_mb: peak,
  };
  console.log(JSON.stringify(figures));
  return peak - before;
}

const dataDir = mkdtempSync(join(tmpdir(), 'volley-bench-'));
const server = await startEmbeddedServer({ dataDir });
try {
  await migrate(server.url);
  const sql = connect(server.url, { poolSize: 4 });
  const jobs = {
    enqueueExpansion: async () => undefined,
    enqueueCancellation: async () => undefined,
  };
  const secret = 'a secret of more than thirty-two characters';
  const deps = { sql, clock: systemClock, secret, previousSecrets: [], jobs };
  const growth = await upload(deps);
  if (growth > MAX_GROWTH_MB) process.exitCode = 1;
  await sql.end();
} finally {
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
