/**
 * campaigns/page — keyset pages: ids are the cursor, so a page costs the same at any depth.
 *
 * Stores ask the database for `limit + 1` rows; the extra one only says that there are more.
 */
export interface PageRequest {
  /** At least 1. */
  limit: number;
  /** The id of the last row of the page before; null for the first page. */
  after: bigint | null;
}

export interface Page<T> {
  data: T[];
  hasMore: boolean;
  /** What `after` has to be for the next page; null when there is none. */
  nextCursor: bigint | null;
}

/** `rows` has up to `limit + 1` rows in page order. */
export function toPage<T extends { id: bigint }>(rows: readonly T[], limit: number): Page<T> {
  const data = rows.slice(0, limit);
  const hasMore = rows.length > limit;
  return { data, hasMore, nextCursor: hasMore ? (data.at(-1)?.id ?? null) : null };
}
