/**
 * cli/secret — the secret that signs VERP addresses and seals DKIM keys, and whether it fits.
 *
 * Promises: VOLLEY_SECRET when set; else the one in the data folder, made there at the first start
 *           (256 random bits, mode 0600). A database remembers a fingerprint of the secret it was
 *           first used with: another secret is refused before a bounce or a key is lost to it.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../kernel/errors.ts';
import { makeFolder } from '../kernel/folder.ts';
import type { Config } from '../kernel/config.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import { readFingerprint, saveFingerprint } from './store.ts';

export interface Secrets {
  secret: string;
  previousSecrets: readonly string[];
}

export function loadSecrets(config: Config): Secrets {
  const { previousSecrets } = config;
  if (config.secret !== undefined) return { secret: config.secret, previousSecrets };
  const file = join(config.dataDir, 'secret');
  if (!existsSync(file)) {
    makeFolder(config.dataDir);
    writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  }
  return { secret: readFileSync(file, 'utf8').trim(), previousSecrets };
}

/** 62 bits: enough to notice a mistake, useless for guessing the secret. */
function fingerprint(secret: string): bigint {
  const digest = createHmac('sha256', secret).update('volley secret fingerprint').digest();
  return digest.readBigUInt64BE(0) >> 2n;
}

/** Refuses a secret that the database was not set up with; a rotated one is remembered. */
export async function checkSecrets(sql: Sql, secrets: Secrets): Promise<void> {
  const known = await readFingerprint(sql);
  const current = fingerprint(secrets.secret);
  const accepted = [current, ...secrets.previousSecrets.map(fingerprint)];
  if (known !== null && !accepted.includes(known)) {
    throw new AppError(
      'config_invalid',
      'VOLLEY_SECRET is not the one this database was set up with: set the former one, or name it in VOLLEY_PREVIOUS_SECRETS',
    );
  }
  if (known !== current) await saveFingerprint(sql, current);
}
