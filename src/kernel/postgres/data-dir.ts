/**
 * kernel/postgres/data-dir — a data folder for a while: of a demo, a test, a benchmark.
 *
 * Promises: `removeDataDir` takes the cluster along, also when it stands elsewhere behind a link
 *           (server.ts `placeCluster`: where Volley is started by root and the folder is closed to
 *           others). A demo as root left 100 MB in /var/lib/volley each time.
 */
import { lstatSync, mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export function makeTemporaryDataDir(prefix: string): string {
  return mkdtempSync(join(tmpdir(), prefix));
}

/** The server must have stopped. */
export function removeDataDir(dataDir: string): void {
  const cluster = join(dataDir, 'postgres');
  if (lstatSync(cluster, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    rmSync(dirname(readlinkSync(cluster)), { recursive: true, force: true });
  }
  rmSync(dataDir, { recursive: true, force: true });
}
