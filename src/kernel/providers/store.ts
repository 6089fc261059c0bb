/**
 * kernel/providers/store — the provider of each domain that is known, for the SQL that counts by it.
 *
 * The table `domain_providers` holds the domains of table.ts and those that the engine learned from
 * their MX hosts, so that acceptances, late reports and complaints of one domain are counted for one
 * provider, whoever counts them and whatever he knows of DNS.
 *
 * Promises: a domain of table.ts is never changed by what was learned. A domain that moves is counted
 *           for the new provider from then on; what was counted stays.
 */
import type { Db } from '../postgres/connect.ts';
import { knownDomains, providerOfDomain, providerOfMx } from './provider.ts';

/** Makes the rows of table.ts those of this version; done whenever the database is migrated. */
export async function syncProviders(db: Db): Promise<void> {
  const known = knownDomains();
  await db`
    with wanted as (
      select * from unnest(
        ${known.map(([domain]) => domain)}::text[], ${known.map(([, provider]) => provider)}::text[]
      ) as w (domain, provider)
    ), gone as (
      delete from domain_providers p
      where p.mx_host is null and not exists (select 1 from wanted w where w.domain = p.domain)
    )
    insert into domain_providers as p (domain, provider)
    select domain, provider from wanted order by domain
    on conflict (domain) do update set provider = excluded.provider, mx_host = null
      where p.provider <> excluded.provider or p.mx_host is not null`;
}

export interface MxSighting {
  domain: string;
  mxHost: string;
}

export interface ProviderLearner {
  /** Writes what is new; answers what to call once the transaction is committed. */
  learn(tx: Db, sightings: readonly MxSighting[]): Promise<() => void>;
}

const MAX_REMEMBERED = 20_000;
const nothing = (): void => undefined;

/**
 * Keeps what the MX hosts of domains say. Remembers what it has written, so that nearly always there
 * is nothing to do; memory is bounded.
 */
export function createProviderLearner(): ProviderLearner {
  const written = new Map<string, string>();
  return {
    async learn(tx, sightings) {
      const fresh = new Map<string, Learned>();
      for (const { domain, mxHost } of sightings) {
        const provider = providerOfDomain(domain) === null ? providerOfMx(mxHost) : null;
        if (provider === null || written.get(domain) === provider) continue;
        fresh.set(domain, { domain, provider, mxHost });
      }
      if (fresh.size === 0) return nothing;
      await insertLearned(tx, [...fresh.values()]);
      return () => {
        if (written.size + fresh.size > MAX_REMEMBERED) written.clear();
        for (const { domain, provider } of fresh.values()) written.set(domain, provider);
      };
    },
  };
}

interface Learned extends MxSighting {
  provider: string;
}

async function insertLearned(db: Db, rows: readonly Learned[]): Promise<void> {
  await db`
    insert into domain_providers as p (domain, provider, mx_host)
    select * from unnest(
      ${rows.map((row) => row.domain)}::text[],
      ${rows.map((row) => row.provider)}::text[],
      ${rows.map((row) => row.mxHost)}::text[]
    ) as row (domain, provider, mx_host)
    order by domain
    on conflict (domain) do update set provider = excluded.provider, mx_host = excluded.mx_host
      where p.mx_host is not null and p.provider <> excluded.provider`;
}
