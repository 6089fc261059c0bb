/**
 * kernel/postgres/connect — the pool that every store uses.
 *
 * Promises: rows come back in camelCase, int8 as bigint, timestamptz as Date. All stores write SQL
 *           through postgres.js templates, so every value is a parameter.
 * Why not Drizzle's query builder at run time: its postgres-js driver replaces the client's date
 *           parsers, and half the statements here are set-based SQL it cannot write. Drizzle owns
 *           the schema, the migrations and the row types.
 */
import postgres from 'postgres';

/** `bigint` parameters and results are part of the type. */
export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Tx = postgres.TransactionSql<{ bigint: bigint }>;
/** Either: for statements that run alone or inside a transaction. */
export type Db = Sql | Tx;

export interface ConnectOptions {
  poolSize: number;
  /** Shows up in pg_stat_activity. */
  applicationName?: string;
}

/**
 * postgres.js takes a socket folder as an option only, and would send libpq's `?host=/folder`, which
 * pg-boss needs, to the server as a setting.
 */
export function clientAddress(url: string): { url: string; host?: string } {
  const parsed = new URL(url);
  const host = parsed.searchParams.get('host');
  if (host?.startsWith('/') !== true) return { url };
  parsed.searchParams.delete('host');
  return { url: parsed.href, host };
}

export function connect(url: string, options: ConnectOptions): Sql {
  const address = clientAddress(url);
  return postgres(address.url, {
    ...(address.host === undefined ? {} : { host: address.host }),
    max: options.poolSize,
    types: { bigint: postgres.BigInt },
    // Column names only: `postgres.camel` also renames the keys inside JSON, `first_name` of a
    // recipient among them, and fails on a key that ends in `_`.
    transform: { column: { from: postgres.toCamel, to: postgres.fromCamel } },
    onnotice: () => undefined,
    connect_timeout: 10,
    max_lifetime: null,
    backoff: (attempt) => Math.min(2 ** attempt / 20, 2),
    connection: { application_name: options.applicationName ?? 'volley' },
  });
}
