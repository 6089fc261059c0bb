/**
 * interop/room — a folder that a foreign program takes for the whole machine (chroot).
 *
 * Promises: the program sees its own users, groups, configuration and spool, and loopback. When the
 *           room is left, every process that lives in it is ended (found by its root folder, so that
 *           daemons which have left their parent are found too), and the folder is removed.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Place {
  mode?: number;
  owner?: number;
  group?: number;
}

export interface Room {
  /** The folder, seen from outside. */
  readonly path: string;
  write(path: string, text: string | Uint8Array, place?: Place): void;
  folder(path: string, place?: Place): void;
  read(path: string): string;
  /** Runs to the end: what it printed, both streams. Throws with it when the command fails. */
  run(command: readonly string[], input?: Uint8Array): string;
  /** Runs in the background until the room is left; what it prints is kept for `said`. */
  start(command: readonly string[]): void;
  said(): string;
  leave(): Promise<void>;
}

export interface Account {
  name: string;
  id: number;
}

const DEVICES: [string, number][] = [
  ['null', 3],
  ['zero', 5],
  ['random', 8],
  ['urandom', 9],
];
const SAID = 'said';
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/', TZ: 'UTC' };

/** Makes the room of a folder that `unpack` has filled. */
export function enterRoom(path: string, accounts: readonly Account[]): Room {
  const room = createRoom(path);
  const all = [{ name: 'root', id: 0 }, ...accounts];
  room.write(
    'etc/passwd',
    all.map(({ name, id }) => `${name}:x:${id}:${id}::/:/bin/sh\n`).join(''),
  );
  room.write('etc/group', all.map(({ name, id }) => `${name}:x:${id}:\n`).join(''));
  room.write('etc/services', 'smtp 25/tcp\nsubmission 587/tcp\nsubmissions 465/tcp\n');
  room.write('etc/hosts', '127.0.0.1 localhost\n');
  // Names are asked of nobody: a server on loopback is not there, and says so at once.
  room.write('etc/resolv.conf', 'nameserver 127.0.0.1\noptions attempts:1 timeout:1\n');
  room.write('etc/nsswitch.conf', 'hosts: files\n');
  room.folder('tmp', { mode: 0o1777 });
  for (const folder of ['run', 'var/run', 'var/log', 'var/spool', 'dev', 'root'])
    room.folder(folder);
  for (const [name, minor] of DEVICES) {
    const file = join(path, 'dev', name);
    if (!existsSync(file)) spawnSync('mknod', ['-m', '666', file, 'c', '1', String(minor)]);
  }
  return room;
}

function createRoom(path: string): Room {
  const at = (inside: string): string => join(path, inside);
  return {
    path,
    write(inside, text, place = {}) {
      mkdirSync(dirname(at(inside)), { recursive: true });
      rmSync(at(inside), { force: true });
      writeFileSync(at(inside), text);
      put(at(inside), { mode: 0o644, ...place });
    },
    folder(inside, place = {}) {
      mkdirSync(at(inside), { recursive: true });
      put(at(inside), { mode: 0o755, ...place });
    },
    read: (inside) => (existsSync(at(inside)) ? readFileSync(at(inside), 'utf8') : ''),
    run(command, input) {
      const { status, stdout, stderr, error } = spawnSync('chroot', [path, ...command], {
        env: ENVIRONMENT,
        encoding: 'utf8',
        ...(input === undefined ? {} : { input }),
      });
      if (status === 0) return stdout + stderr;
      throw new Error(`${command.join(' ')}: ${error?.message ?? ''}${stdout}${stderr}`);
    },
    start(command) {
      const log = openSync(at(SAID), 'a');
      spawn('chroot', [path, ...command], {
        env: ENVIRONMENT,
        detached: true,
        stdio: ['ignore', log, log],
      }).unref();
      closeSync(log);
    },
    said: () => (existsSync(at(SAID)) ? readFileSync(at(SAID), 'utf8') : ''),
    async leave() {
      await endAll(path, 'SIGTERM', 3_000);
      await endAll(path, 'SIGKILL', 3_000);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

function put(path: string, { mode, owner, group }: Place): void {
  if (mode !== undefined) chmodSync(path, mode);
  if (owner !== undefined) chownSync(path, owner, group ?? owner);
}

async function endAll(path: string, signal: NodeJS.Signals, waitMs: number): Promise<void> {
  const untilMs = Date.now() + waitMs;
  for (let left = inhabitants(path); left.length > 0; left = inhabitants(path)) {
    for (const id of left) {
      try {
        process.kill(id, signal);
      } catch {
        // It ended by itself meanwhile.
      }
    }
    if (Date.now() > untilMs) return;
    await sleep(50);
  }
}

function inhabitants(path: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((id) => {
      try {
        return readlinkSync(`/proc/${id}/root`) === path;
      } catch {
        return false;
      }
    });
}
