/**
 * kernel/folder — a folder of ours on the disk.
 *
 * Why not mkdir's own `recursive`: below /proc it never returns (Node 24.21: the parent exists, the
 * child is ENOENT, and it begins again), and a wrong path must be a sentence.
 * Fails: AppError `data_dir_unusable`.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { AppError, messageOf } from './errors.ts';

/** Makes the folder and what is missing above it; it may be there already. */
export function makeFolder(path: string): void {
  const folder = resolve(path);
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    // Two processes may start at one time.
    if (existsSync(folder)) return;
    throw new AppError(
      'data_dir_unusable',
      `cannot make the folder ${folder} (${messageOf(error)}): set VOLLEY_DATA_DIR to one that can be written`,
      { cause: error },
    );
  }
}
