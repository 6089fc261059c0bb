/**
 * interop/packages — Debian's mail servers, unpacked beside the system instead of installed into it.
 *
 * Promises: nothing of the machine's own mail system is touched: packages are downloaded by apt and
 *           unpacked with all the libraries they need into a folder, so that servers which conflict
 *           stand side by side. Downloads are kept in node_modules/.cache.
 * Fails:    with a sentence for a person, as a value: no apt, no network, not root. A mirror that
 *           gives no answer is given up within minutes, and is not asked again (AptSilent).
 * Why:      with its libraries a server runs in a chroot (room.ts), where all paths, users and groups
 *           it was compiled for are its own.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/interop/', import.meta.url));

/** What a program needs at run time. Scripts of installation want more (perl, debconf): not run here. */
const LIBRARY = /^lib(?!.*-perl$|nss|pam-)|^zlib1g$|^python3/;
/** A mirror is quick or it is away: what takes longer is no proof, it is a hanging CI. */
const APT = ['-qq', '-o', 'Acquire::http::Timeout=15', '-o', 'Acquire::Retries=1'];
const APT_MS = 90_000;
const HARD = [
  '--no-recommends',
  '--no-suggests',
  '--no-conflicts',
  '--no-breaks',
  '--no-replaces',
  '--no-enhances',
];

/** Why packages cannot be had here; null when they can. */
export async function whyNotHere(): Promise<string | null> {
  if (process.platform !== 'linux') return `Debian's packages do not run on ${process.platform}`;
  if (process.getuid?.() !== 0) return 'needs root, for a chroot of its own';
  try {
    await run('apt-get', ['--version']);
    await run('dpkg', ['--version']);
    return null;
  } catch {
    return 'needs apt-get and dpkg';
  }
}

/**
 * Unpacks packages and their libraries into `root`. Throws when they cannot be had.
 * Returns the version of the first.
 */
export async function unpack(packages: readonly string[], root: string): Promise<string> {
  const folder = join(CACHE, packages[0] ?? '');
  mkdirSync(folder, { recursive: true });
  await download(packages, folder);
  mkdirSync(root, { recursive: true });
  const files = newestFiles(folder);
  for (const file of files) await run('dpkg', ['-x', join(folder, file), root]);
  const server = files.find((file) => file.startsWith(`${packages[0] ?? ''}_`));
  return decodeURIComponent(server?.split('_')[1] ?? '');
}

async function download(packages: readonly string[], folder: string): Promise<void> {
  try {
    await fetch(packages, folder);
  } catch (error) {
    if (error instanceof AptSilent) throw error;
    // Lists of packages that are not there, or too old for the mirror.
    await apt(['update']);
    await fetch(packages, folder);
  }
}

async function fetch(packages: readonly string[], folder: string): Promise<void> {
  const names = await withLibraries(packages);
  await apt(['download', ...names], folder);
}

/** No mirror answered in time: the other packages need not be asked for. */
export class AptSilent extends Error {}

async function apt(command: readonly string[], folder?: string): Promise<void> {
  const options = { timeout: APT_MS, ...(folder === undefined ? {} : { cwd: folder }) };
  try {
    await run('apt-get', [...APT, ...command], options);
  } catch (error) {
    if (!(error instanceof Error) || !('killed' in error) || error.killed !== true) throw error;
    throw new AptSilent(`apt-get ${command[0] ?? ''} had no answer in ${APT_MS / 1_000} s`);
  }
}

async function withLibraries(packages: readonly string[]): Promise<string[]> {
  const { stdout } = await run('apt-cache', ['depends', '--recurse', ...HARD, ...packages], {
    maxBuffer: 16 * 1024 * 1024,
  });
  const needs = parseDepends(stdout);
  const wanted = new Set(packages);
  for (const name of wanted) {
    for (const need of needs.get(name) ?? []) if (LIBRARY.test(need)) wanted.add(need);
  }
  return [...wanted];
}

/** A virtual package (`<name>`) stands for the first of those that provide it, listed below it. */
function parseDepends(text: string): Map<string, string[]> {
  const needs = new Map<string, string[]>();
  let current: string[] = [];
  let isVirtual = false;
  for (const line of text.split('\n')) {
    const found = /^[ |]+(?:Pre)?Depends: (\S+)$/.exec(line);
    const provider = /^ {4}(\S+)$/.exec(line);
    if (/^\S/.test(line)) needs.set(line, (current = []));
    else if (found?.[1] !== undefined) current.push(found[1]);
    else if (isVirtual && provider?.[1] !== undefined) current.push(provider[1]);
    isVirtual = found?.[1]?.startsWith('<') ?? false;
  }
  return needs;
}

/** One file a package: an older version may be left of last time. */
function newestFiles(folder: string): string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.deb'));
  const ageOf = (file: string): number => statSync(join(folder, file)).ctimeMs;
  const newest = new Map<string, string>();
  for (const file of files.sort((a, b) => ageOf(a) - ageOf(b))) {
    const name = file.split('_')[0] ?? file;
    const older = newest.get(name);
    if (older !== undefined) rmSync(join(folder, older));
    newest.set(name, file);
  }
  return [...newest.values()];
}
