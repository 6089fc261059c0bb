/**
 * interop/rooms — before the tests: every receiver and verifier is unpacked into a folder of its own.
 *
 * Promises: what cannot be had is missing from `rooms`, with the reason in `missing`; the tests of the
 *           others run. All folders are gone at the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { messageOf } from '../../src/kernel/errors.ts';
import { AptSilent, unpack, whyNotHere } from './packages.ts';
import { PACKAGES, RECEIVERS } from './parties.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder by name of the receiver or verifier. */
    rooms: Readonly<Record<string, string>>;
    missing: Readonly<Record<string, string>>;
    /** Debian's version of the server. */
    versions: Readonly<Record<string, string>>;
  }
  interface TaskMeta {
    /** Of the receiver, for the table. */
    version?: string;
  }
}

export async function setup(project: TestProject): Promise<() => void> {
  const base = mkdtempSync(join(tmpdir(), 'volley-interop-'));
  const rooms: Record<string, string> = {};
  const missing: Record<string, string> = {};
  const versions: Record<string, string> = {};
  let reason = await whyNotHere();
  const only = (process.env.INTEROP_ONLY ?? '').split(',').filter((name) => name !== '');
  for (const [name, packages] of Object.entries(PACKAGES)) {
    const isReceiver = RECEIVERS.some((receiver) => receiver.name === name);
    if (isReceiver && only.length > 0 && !only.includes(name)) continue;
    const root = join(base, name);
    try {
      if (reason !== null) throw new Error(reason);
      versions[name] = await unpack(packages, root);
      rooms[name] = root;
    } catch (error) {
      if (error instanceof AptSilent) reason = error.message;
      missing[name] = messageOf(error).trim().split('\n').at(-1) ?? '';
    }
  }
  project.provide('rooms', rooms);
  project.provide('missing', missing);
  project.provide('versions', versions);
  return () => rmSync(base, { recursive: true, force: true });
}
