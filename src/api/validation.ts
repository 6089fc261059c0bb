/**
 * api/validation — what zod found wrong, as the `errors` of a problem document.
 *
 * Promises: a JSON pointer per wrong field of a body, the name per wrong parameter; at most 100.
 */
import type { Hook } from '@hono/zod-openapi';
import { AppError } from '../kernel/errors.ts';
import type { FieldError } from '../kernel/errors.ts';
import type { ApiEnv } from './environment.ts';

const MAX_ERRORS = 100;

interface Issue {
  code: string;
  path: PropertyKey[];
  message: string;
  keys?: string[];
}

/** Throws `invalid_request`: every router of the API is made with it. */
export const refuseInvalid: Hook<unknown, ApiEnv, string, undefined> = (result) => {
  if (result.success) return undefined;
  const inBody = result.target === 'json' || result.target === 'form';
  const errors = result.error.issues
    .flatMap((issue) => fieldErrors(issue as Issue, inBody))
    .slice(0, MAX_ERRORS);
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new AppError('invalid_request', `${first?.pointer ?? ''}: ${first?.detail ?? ''}${more}`, {
    errors,
  });
};

function fieldErrors(issue: Issue, inBody: boolean): FieldError[] {
  const paths =
    issue.code === 'unrecognized_keys'
      ? (issue.keys ?? []).map((key) => [...issue.path, key])
      : [issue.path];
  return paths.map((path) => ({
    pointer: inBody ? pointerOf(path) : path.map(String).join('.'),
    code: issue.code === 'unrecognized_keys' ? 'unknown_field' : issue.code,
    detail: issue.code === 'unrecognized_keys' ? 'is not a field of this request' : issue.message,
  }));
}

/** RFC 6901. */
function pointerOf(path: readonly PropertyKey[]): string {
  return path
    .map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}
