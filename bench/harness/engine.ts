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
import { answerOf, endOf, isGone } from './child.ts';
import { heldByRun, killed, profilingFlags } from './run-scope.ts';
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

const ROOT = join(import.meta.dirname, '../..');

/**
 * As `npm start` has them (test/bench). Measured with 60,000 messages of 10 KB, two runs each:
 *
 *     semi-space  growing  malloc arenas   messages/s   peak RSS
 *     16 MB       free     free            12,400       381 MB
 *     16 MB       free     2               12,200       381 MB
 *     32 MB       free     2               12,800       381 MB
 *     32 MB       70 %     2               12,200       311-323 MB
 *     16 MB       70 %     2               11,400       288 MB
 *     16 MB       50 %     2               11,400       258-290 MB
 */
export const ENGINE_FLAGS = ['--max-semi-space-size=32', '--heap-growing-percent=70'];
export const ENGINE_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '2',
  NODE_COMPILE_CACHE: 'node_modules/.cache/volley',
};

/** A CPU profile is written then, too. */
const LEAVES_WITHIN_MS = 20_000;
/** More than its own grace for transactions that are under way. */
const DRAINS_WITHIN_MS = 120_000;

/**
 * Of the bare loop, smtp-source, nodemailer and the feeder of the mail servers. More make none of them
 * faster on two cores. Mail servers may open 100, Volley as many as its own rules let it.
 */
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
    // As the peers have it; it is shipped with 100.
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
      cwd: ROOT,
      execArgv: [...ENGINE_FLAGS, ...(options.profiled === true ? profilingFlags() : [])],
      // The bench's environment may hold settings of its user's own Volley.
      env: { PATH: process.env['PATH'] ?? '', ...ENGINE_ENVIRONMENT },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  heldByRun('engine', async () => {
    await killed(child);
    rmSync(dataDir, { recursive: true, force: true });
  });
  const ready = await answerOf<EngineReady>('the engine', child);
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
      await end(child);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/**
 * It tells when all is closed, and leaves. Node may then hang for ever in its own shutdown
 * (github.com/nodejs/node/issues/54918; seen once here): that is not waited for, nor is an engine
 * that does not get as far.
 */
async function end(child: ChildProcess): Promise<void> {
  if (isGone(child)) return;
  child.once('message', () => setTimeout(() => child.kill('SIGKILL'), LEAVES_WITHIN_MS).unref());
  await endOf(child, undefined, DRAINS_WITHIN_MS);
}
