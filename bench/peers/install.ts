/**
 * bench/peers/install — fetches the absent peers, only when asked (`npm run bench -- peers install`).
 *
 * Debian packages are downloaded and unpacked beside us (dpkg -x): nothing of the system changes, no
 * service is started, no user is made. Haraka comes from npm into a folder of its own.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../src/kernel/errors.ts';
import { harakaFolder, INSTALLED, openSmtpdFolder, postfixFolder } from './installed.ts';

interface Peer {
  name: string;
  found: () => string | null;
  install: () => void;
}

const PEERS: readonly Peer[] = [
  {
    name: 'Postfix (and smtp-sink, smtp-source)',
    found: postfixFolder,
    install: () => unpack('postfix', ['postfix']),
  },
  {
    name: 'OpenSMTPD',
    found: openSmtpdFolder,
    install: () => unpack('opensmtpd', ['opensmtpd', 'libevent-2.1-7']),
  },
  { name: 'Haraka', found: harakaFolder, install: installHaraka },
];

export function listPeers(): string[] {
  return [
    'nodemailer: here (package.json)',
    ...PEERS.map(({ name, found }) => `${name}: ${found() === null ? 'absent' : 'here'}`),
  ];
}

export function installPeers(say: (line: string) => void): void {
  for (const peer of PEERS) {
    if (peer.found() !== null) continue;
    say(`fetching ${peer.name} ...`);
    try {
      peer.install();
    } catch (error) {
      say(`${peer.name} cannot be installed: ${messageOf(error)}`);
    }
  }
}

function unpack(name: string, packages: readonly string[]): void {
  const downloads = join(INSTALLED, 'downloads', name);
  mkdirSync(downloads, { recursive: true });
  execFileSync('apt-get', ['download', '-qq', ...packages], { cwd: downloads, stdio: 'pipe' });
  for (const file of readdirSync(downloads).filter((one) => one.endsWith('.deb'))) {
    execFileSync('dpkg', ['-x', join(downloads, file), join(INSTALLED, name)], { stdio: 'pipe' });
  }
}

function installHaraka(): void {
  const folder = join(INSTALLED, 'haraka');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--omit=optional', 'Haraka@3'], {
    cwd: folder,
    stdio: 'pipe',
  });
}
