/**
 * cli/certificate — what the bounce listener shows at STARTTLS.
 *
 * Promises: the files of VOLLEY_BOUNCE_TLS_CERT and _KEY; else a self-signed certificate, made once into
 *           the data folder (`bounce-listener.pem`, mode 0600) and again when it has run out.
 * Fails:    `config_invalid` when the files cannot be read, or do not belong together.
 */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { ListenerTls } from '../bounce/listener.ts';
import { selfSignedCertificate } from '../kernel/certificate.ts';
import type { Config } from '../kernel/config.ts';
import { AppError, messageOf } from '../kernel/errors.ts';
import { makeFolder } from '../kernel/folder.ts';

type Settings = Pick<Config, 'bounceTlsCert' | 'bounceTlsKey' | 'dataDir' | 'heloName'>;

const FILE = 'bounce-listener.pem';
const TEN_YEARS = 3_650;

export function loadCertificate(config: Settings, now: Date): ListenerTls {
  const { bounceTlsCert: cert, bounceTlsKey: key } = config;
  if (cert === undefined) {
    if (key === undefined) return ownCertificate(config, now);
    throw new AppError('config_invalid', 'VOLLEY_BOUNCE_TLS_KEY needs VOLLEY_BOUNCE_TLS_CERT');
  }
  try {
    const tls = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key ?? cert, 'utf8') };
    createSecureContext(tls);
    return tls;
  } catch (error) {
    throw new AppError(
      'config_invalid',
      `VOLLEY_BOUNCE_TLS_CERT, VOLLEY_BOUNCE_TLS_KEY: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** ms; 0 when they are not configured or not there at the moment. */
export function certificateChangedAt(config: Settings): number {
  const files = [config.bounceTlsCert, config.bounceTlsKey].filter((file) => file !== undefined);
  return files.reduce((latest, file) => {
    const changedAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return Math.max(latest, changedAt);
  }, 0);
}

function ownCertificate(config: Settings, now: Date): ListenerTls {
  const file = join(config.dataDir, FILE);
  if (existsSync(file)) {
    const pem = readFileSync(file, 'utf8');
    if (new Date(new X509Certificate(pem).validTo) > now) return { cert: pem, key: pem };
  }
  const made = selfSignedCertificate([config.heloName], now, TEN_YEARS);
  makeFolder(config.dataDir);
  writeFileSync(file, made.cert + made.key, { mode: 0o600 });
  return made;
}
