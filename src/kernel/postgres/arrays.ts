/**
 * kernel/postgres/arrays — values for `${…}::bigint[]` and the like.
 *
 * Why: postgres.js takes the type of an array parameter from its first element, and so announces an
 *      array of bigint or Date as one bigint or one time. As text, the cast in the statement decides.
 */
/** As the literal that the driver would make, which quotes each number: 48 bytes of heap each, not 125. */
export function bigints(values: readonly bigint[]): string {
  return `{${values.join(',')}}`;
}

export function times(values: readonly (Date | null)[]): (string | null)[] {
  return values.map((value) => value?.toISOString() ?? null);
}
