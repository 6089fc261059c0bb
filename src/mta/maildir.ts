/**
 * mta/maildir — messages as files: Maildir (cr.yp.to/proto/maildir.html).
 *
 * Promises: a file is written into `tmp`, synced, renamed into `new`, and `new` is synced: a reader
 *           never sees half a message, a power cut loses none that was reported. Names are unique
 *           over processes and machines, and hold letters, digits, `.`, `_` and `-` only.
 * Fails:    rejects before the rename, and leaves no file. After it there is a file; `durable` says
 *           whether it is sure to stay.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';

export interface WrittenMessage {
  name: string;
  durable: boolean;
}

export interface Maildirs {
  /** `directory` is an absolute path; what is missing of it is made. */
  write(directory: string, parts: readonly Uint8Array[]): Promise<WrittenMessage>;
}

export function createMaildirs(now: Clock): Maildirs {
  const host = hostname().replace(/[^A-Za-z0-9.-]/g, '_');
  let count = 0;
  const uniqueName = (): string => {
    count += 1;
    const ms = now().getTime();
    const random = randomBytes(6).toString('hex');
    const seconds = Math.floor(ms / 1_000);
    return `${seconds}.M${(ms % 1_000) * 1_000}P${process.pid}Q${count}R${random}.${host}`;
  };
  return { write: (directory, parts) => write(directory, uniqueName(), parts) };
}

async function write(
  directory: string,
  name: string,
  parts: readonly Uint8Array[],
): Promise<WrittenMessage> {
  for (const folder of ['tmp', 'new', 'cur']) {
    await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
  }
  const temporary = join(directory, 'tmp', name);
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writev([...parts]);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(directory, 'new', name));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  return { name, durable: await syncFolder(join(directory, 'new')) };
}

async function syncFolder(folder: string): Promise<boolean> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    return true;
  } catch {
    return false;
  }
}
