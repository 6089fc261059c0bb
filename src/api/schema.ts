/**
 * api/schema — the words that many routes share: ids, times, short texts, addresses.
 *
 * Promises: a text from outside has no control character (so none reaches a header, a log or a
 *           PostgreSQL text, which takes no NUL) and a largest length. Objects are strict: a
 *           misspelt field is an error, not a default.
 */
import { z } from '@hono/zod-openapi';
import { AppError } from '../kernel/errors.ts';
import { formatId, parseId } from '../kernel/ids.ts';
import type { IdPrefix } from '../kernel/ids.ts';

const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** One line of text. */
export function lineOf(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .refine((text) => !CONTROL.test(text), 'may not have control characters or line breaks');
}

/** Many lines: everything but NUL, which PostgreSQL cannot store. */
export function textOf(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .refine((text) => !text.includes('\u0000'), 'may not have NUL characters');
}

export function idOf(prefix: IdPrefix) {
  return z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{13}$`))
    .openapi({ example: formatId(prefix, 7n) });
}

/** `{id}` of a path. Anything that is no id is `not_found`, as an id that does not exist is. */
export function pathId(prefix: IdPrefix) {
  return z.object({
    id: z.string().openapi({ param: { name: 'id', in: 'path' }, example: formatId(prefix, 7n) }),
  });
}

export function requireId(prefix: IdPrefix, text: string): bigint {
  const id = parseId(prefix, text);
  if (id === null) throw new AppError('not_found', `there is nothing with the id ${quote(text)}`);
  return id;
}

/** An id inside a body: a wrong one is a wrong value, not a missing page. */
export function bodyId(prefix: IdPrefix, text: string, pointer: string): bigint {
  const id = parseId(prefix, text);
  if (id !== null) return id;
  throw new AppError('invalid_request', `${pointer} is no id of this kind`, {
    errors: [{ pointer, code: 'invalid_id', detail: `must look like ${formatId(prefix, 7n)}` }],
  });
}

/** What a stranger sent, fit for a sentence. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

export const instant = z.iso.datetime().openapi({ example: '2026-03-01T08:00:00.000Z' });
export const instantOrNull = z.iso
  .datetime()
  .nullable()
  .openapi({ example: '2026-03-01T08:00:00.000Z' });
export const emailText = z
  .string()
  .min(1)
  .max(320)
  .openapi({ example: 'ann@example.com', description: 'A mail address' });
export const count = z.int().nonnegative();

export function iso(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}

/** `application/json` with this schema. */
export function json<T extends z.ZodType>(schema: T) {
  return { 'application/json': { schema } };
}

/** A JSON request body that must be there. */
export function jsonBody<T extends z.ZodType>(schema: T) {
  return { required: true as const, content: json(schema) };
}

/** Without the fields that are undefined: `exactOptionalPropertyTypes` tells absent from undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
