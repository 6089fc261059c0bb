/**
 * kernel/providers/provider — the provider of a destination domain, or of an MX host. Pure.
 *
 * A provider is who decides about our mail, so the unit of rates, alarms and pauses: hotmail.com,
 * live.com and a company on Microsoft 365 are one, and ten thousand small hosts together are `other`.
 *
 * Promises: names that are stable; null when the table does not know. A domain of the table is
 *           decided by the table, whatever its MX says today.
 * See:      table.ts (the data), store.ts (domains learned by their MX).
 */
import { PROVIDER_TABLE } from './table.ts';

/** Every domain whose provider is not known. */
export const OTHER_PROVIDER = 'other';

export const PROVIDER_NAMES: readonly string[] = [
  ...PROVIDER_TABLE.map(({ name }) => name),
  OTHER_PROVIDER,
];

const BY_DOMAIN: ReadonlyMap<string, string> = new Map(
  PROVIDER_TABLE.flatMap(({ name, domains }) => domains.map((domain) => [domain, name])),
);
const BY_MX: ReadonlyMap<string, string> = new Map(
  PROVIDER_TABLE.flatMap(({ name, mxSuffixes }) => mxSuffixes.map((suffix) => [suffix, name])),
);

/** `domain` as kernel/address gives it: lower case, ASCII. */
export function providerOfDomain(domain: string): string | null {
  return BY_DOMAIN.get(domain) ?? null;
}

/** The longest suffix of the table that the host name ends in. */
export function providerOfMx(host: string): string | null {
  const name = host.toLowerCase().replace(/\.$/, '');
  const whole = BY_MX.get(name);
  if (whole !== undefined) return whole;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const found = BY_MX.get(name.slice(dot));
    if (found !== undefined) return found;
  }
  return null;
}

/** All domains of the table with their providers. */
export function knownDomains(): [domain: string, provider: string][] {
  return [...BY_DOMAIN];
}
