/**
 * bounce/sources/maildir — returning mail that another mail server puts into a Maildir.
 *
 * Promises: takes what stands in `new`, oldest first, and only after the commit moves it to `cur` with
 *           the flag S (seen), or deletes it. What is not ours goes to `cur` without a flag: unread.
 *           Another reader may be at work: what is gone meanwhile is skipped.
 * Never:    looks into `tmp` (deliveries under way) or `cur`; follows a link.
 * See:      https://cr.yp.to/proto/maildir.html
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Source, Take } from './source.ts';

const MOST_AT_ONCE = 5_000;

export function maildirSource(options: { name: string; path: string; remove: boolean }): Source {
  const { name, path, remove } = options;
  return {
    name,
    async poll(take) {
      const files = (await readdir(join(path, 'new')))
        .filter((file) => !file.startsWith('.'))
        .sort();
      for (const file of files.slice(0, MOST_AT_ONCE)) await takeFile(path, file, remove, take);
    },
  };
}

async function takeFile(folder: string, file: string, remove: boolean, take: Take): Promise<void> {
  const from = join(folder, 'new', file);
  const handle = await openRegular(from);
  if (handle === null) return;
  // Its stream closes it.
  const taken = await take(handle.createReadStream());
  const base = file.replace(/:2,[A-Za-z]*$/, '');
  try {
    if (taken === 'kept' && remove) await unlink(from);
    else await rename(from, join(folder, 'cur', `${base}:2,${taken === 'kept' ? 'S' : ''}`));
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** null: gone, or no file. */
async function openRegular(path: string): Promise<FileHandle | null> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    return null;
  } catch (error) {
    if (isGone(error) || codeOf(error) === 'ELOOP') return null;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
