/**
 * api/page — keyset pages as the caller sees them: `?limit&after` -> `{data, has_more, next_cursor}`.
 *
 * Promises: `next_cursor` is the public id of the last row, so `after` means the same tomorrow,
 *           whatever was added in between.
 */
import { z } from '@hono/zod-openapi';
import { AppError } from '../kernel/errors.ts';
import { formatId, parseId } from '../kernel/ids.ts';
import type { IdPrefix } from '../kernel/ids.ts';

/** For `request.query`; spread it beside the filters of the route. */
export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(100)
    .default(25)
    .openapi({ description: 'How many at most', example: 25 }),
  after: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .openapi({ description: '`next_cursor` of the page before' }),
};

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({
    data: z.array(item),
    has_more: z.boolean(),
    next_cursor: z.string().nullable().openapi({ description: '`after` of the next page' }),
  });
}

interface PageQuery {
  limit: number;
  after?: string | undefined;
}

/** What the use cases take. */
export function pageRequest(
  prefix: IdPrefix,
  query: PageQuery,
): { limit: number; after: bigint | null } {
  if (query.after === undefined) return { limit: query.limit, after: null };
  const after = parseId(prefix, query.after);
  if (after !== null) return { limit: query.limit, after };
  throw new AppError('invalid_request', '`after` is not a cursor of this list', {
    errors: [{ pointer: 'after', code: 'invalid_cursor', detail: 'use `next_cursor` unchanged' }],
  });
}

interface Page<T> {
  data: readonly T[];
  hasMore: boolean;
  nextCursor: bigint | null;
}

export function pageResponse<T, R>(prefix: IdPrefix, page: Page<T>, present: (item: T) => R) {
  return {
    data: page.data.map(present),
    has_more: page.hasMore,
    next_cursor: page.nextCursor === null ? null : formatId(prefix, page.nextCursor),
  };
}
