/**
 * bench/engine — Volley processes of the harness, and their CPU and memory.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '../../src/cli/demo/client.ts';
import type { ApiClient } from '../../src/cli/demo/client.ts';
import type { EngineReady } from './engine-process.ts';
import { profilingFlags } from './profiling.ts';
import { cpuSecondsOf, peakRssBytesOf, rssBytesOf } from './usage.ts';

export interface EngineProcess {
  api: ApiClient;
  apiUrl: string;
  key: string;
  pid: number;
  cpuSeconds(): number | null;
  peakRssBytes(): number | null;
  rssBytes(): number | null;
  stop(): Promise<void>;
}

export interface EngineOptions {
  databaseUrl: string;
  sinkPort: number;
  /** On top of the harness's own. */
  environment?: Record<string, string>;
  /** It is the one that `npm run profile` looks at. */
  profiled?: boolean;
}

export const SECRET = 'the secret of the benchmark, which is no secret at all';

/** That of `npm start`. */
const COMPILE_CACHE = join(import.meta.dirname, '../../node_modules/.cache/volley');

/** Those of `npm start`. */
const FLAGS = ['--max-semi-space-size=16'];

/** As many connections as every peer is given. */
export const CONNECTIONS = 20;

export function engineEnvironment(options: EngineOptions, dataDir: string): Record<string, string> {
  return {
    VOLLEY_DATA_DIR: dataDir,
    DATABASE_URL: options.databaseUrl,
    VOLLEY_SECRET: SECRET,
    VOLLEY_API_PORT: '0',
    VOLLEY_BOUNCE_PORT: '0',
    VOLLEY_HELO_NAME: 'mta.shop.example',
    VOLLEY_ROUTES: `*=127.0.0.1:${options.sinkPort}`,

    VOLLEY_MAX_MESSAGES_PER_CONNECTION: '1000',
    VOLLEY_LOG_LEVEL: 'warn',
    ...options.environment,
  };
}

export async function startEngineProcess(options: EngineOptions): Promise<EngineProcess> {
  const dataDir = mkdtempSync(join(tmpdir(), 'volley-bench-engine-'));
  const environment = engineEnvironment(options, dataDir);
  const child = fork(
    join(import.meta.dirname, 'engine-process.ts'),
    [JSON.stringify(environment)],
    {
      execArgv: [...FLAGS, ...(options.profiled === true ? profilingFlags() : [])],
      // The bench's environment may hold settings of its user's own Volley.
      env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILE_CACHE },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  const ready = await readyOrDead(child);
  const pid = child.pid ?? 0;
  const apiUrl = `http://127.0.0.1:${ready.apiPort}`;
  return {
    api: createClient(apiUrl, ready.key),
    apiUrl,
    key: ready.key,
    pid,
    cpuSeconds: () => cpuSecondsOf(pid),
    peakRssBytes: () => peakRssBytesOf(pid),
    rssBytes: () => rssBytesOf(pid),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await ended;
      }
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function readyOrDead(child: ChildProcess): Promise<EngineReady> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as EngineReady));
    child.once('exit', (code) => reject(new Error(`the engine ended with ${code ?? 'a signal'}`)));
  });
}
