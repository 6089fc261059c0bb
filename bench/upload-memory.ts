/**
 * bench/upload-memory — one million recipients into a running server: time and peak memory.
 *
 *     node bench/upload-memory.ts [--rows 1000000]
 *
 * Starts `serve` as a process of its own on a temporary folder, uploads generated rows in one
 * request, and prints the peak resident memory of the server (VmHWM; PostgreSQL not counted). Linux.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from '../src/cli/demo/client.ts';
import { generateRecipients } from '../src/range/recipients.ts';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '1000000' } } });
const rows = Number(values.rows);
const dataDir = mkdtempSync(join(tmpdir(), 'volley-memory-'));
const port = 18_080;
const server = spawn(process.execPath, ['src/main.ts', 'serve'], {
  cwd: join(import.meta.dirname, '..'),
  env: {
    PATH: process.env.PATH ?? '',
    VOLLEY_DATA_DIR: dataDir,
    VOLLEY_API_PORT: String(port),
    VOLLEY_BOUNCE_PORT: '0',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});

function peakMegabytes(): number {
  const status = readFileSync(`/proc/${server.pid ?? 0}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}

let output = '';
await new Promise<void>((resolve) => {
  server.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes('Ctrl-C')) resolve();
  });
});
const key = /vk_[A-Za-z0-9_-]{43}/.exec(output)?.[0] ?? '';
const api = createClient(`http://127.0.0.1:${port}`, key);
console.log(`before: ${peakMegabytes()} MB`);
const sender = await api.post<{ id: string }>('/v1/senders', {
  from_address: 'news@shop.example',
  display_name: 'Shop',
  bounce_domain: 'bounce.shop.example',
});
const campaign = await api.post<{ id: string }>('/v1/campaigns', {
  name: 'Memory',
  sender_id: sender.id,
  stream: 'statement',
  content: { subject: 'Hello {{name}}', format: 'html', source: '<p>Hello {{name}}</p>' },
});
const startedAt = Date.now();
const upload = await api.upload<{ accepted: number }>(
  `/v1/campaigns/${campaign.id}/recipients`,
  generateRecipients(rows, 1),
);
const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
console.log(`${upload.accepted} recipients in ${seconds} s, peak ${peakMegabytes()} MB`);
const closed = new Promise((resolve) => server.once('close', resolve));
server.kill('SIGINT');
await closed;
rmSync(dataDir, { recursive: true, force: true });
