/**
 * cli/tls — the TLS of the mta as the configuration wants it: mode, authorities, policies of domains.
 *
 * Fails: AppError `config_invalid` when the file of VOLLEY_TLS_CA_FILE cannot be read or holds none.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import type { Clock } from '../kernel/clock.ts';
import type { Config } from '../kernel/config.ts';
import { AppError, messageOf } from '../kernel/errors.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import type { TlsSetup } from '../mta/dialer.ts';
import type { TlsReporter } from '../mta/tls/report.ts';
import { saveStsPolicy, selectStsPolicies } from '../scheduler/tls-policies/store.ts';

/** As many as the mta keeps. */
const MAX_POLICIES = 50_000;

export async function tlsSetupOf(
  config: Config,
  sql: Sql,
  clock: Clock,
  report: TlsReporter,
): Promise<TlsSetup> {
  const { tlsMode: mode, dane, mtaSts, mtaStsPort: port } = config;
  const ca = authoritiesOf(config);
  return {
    mode,
    dane,
    report,
    ...(ca === null ? {} : { ca }),
    ...(mtaSts
      ? {
          sts: {
            known: await selectStsPolicies(sql, clock(), MAX_POLICIES),
            save: (policy) => saveStsPolicy(sql, policy),
            port,
          },
        }
      : {}),
  };
}

/** null: the system's alone. */
export function authoritiesOf({ tlsCaFile }: Config): string[] | null {
  if (tlsCaFile === undefined) return null;
  try {
    const own = readFileSync(tlsCaFile, 'utf8').match(PEM) ?? [];
    if (own.length === 0) throw new Error('there is no certificate in it');
    for (const pem of own) new X509Certificate(pem);
    return [...getCACertificates('default'), ...own];
  } catch (error) {
    throw new AppError(
      'config_invalid',
      `VOLLEY_TLS_CA_FILE ${tlsCaFile}: ${messageOf(error)}; it must be a PEM file of certificates`,
    );
  }
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/g;
