/**
 * bench/peers/installed — where the other systems are, when they are here.
 *
 * They are unpacked into bench/peers/.installed (never into the system, never into package.json), or
 * taken from where the system has them.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const INSTALLED = join(import.meta.dirname, '.installed');

/** The root under which usr/sbin/smtp-sink stands. */
export function postfixFolder(): string | null {
  return folderWith('postfix', 'usr/sbin/smtp-sink');
}

export function openSmtpdFolder(): string | null {
  return folderWith('opensmtpd', 'usr/sbin/smtpd');
}

export function harakaFolder(): string | null {
  const folder = join(INSTALLED, 'haraka');
  return existsSync(join(folder, 'node_modules/Haraka/package.json')) ? folder : null;
}

/** For LD_LIBRARY_PATH of what was unpacked. */
export function postfixLibraries(): string {
  return librariesOf(postfixFolder());
}

export function librariesOf(root: string | null): string {
  if (root === null || root === '/') return '';
  const multiarch = `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  return ['usr/lib/postfix', multiarch].map((folder) => join(root, folder)).join(':');
}

function folderWith(name: string, program: string): string | null {
  const unpacked = join(INSTALLED, name);
  if (existsSync(join(unpacked, program))) return unpacked;
  return existsSync(join('/', program)) ? '/' : null;
}
