/**
 * kernel/errors — how a mistake is told, and how a bug is.
 *
 * AppError is for the caller's mistake or the world's refusal: a stable code, one sentence that says
 * what happened, where, and what to do. The API maps the code to a status (api/problem.ts), the
 * command line prints the sentence and exits non-zero. `invariant` is for our own mistakes: it
 * throws a plain Error with a stack, and nobody catches it to go on.
 *
 * Never: SMTP failures. They are values (mta/outcome.ts).
 */

/** Every code Volley gives away. Adding one is compatible; renaming one is a breaking change. */
export const ERROR_CODES = [
  'invalid_request',
  'invalid_body',
  'invalid_encoding',
  'body_too_large',
  'row_too_large',
  'unsupported_media_type',
  'unauthenticated',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'conflict',
  'illegal_transition',
  'idempotency_key_reused',
  'idempotency_in_progress',
  'idempotency_key_invalid',
  'template_invalid',
  'content_varies',
  'campaign_not_draft',
  'campaign_empty',
  'config_invalid',
  'data_dir_in_use',
  'data_dir_unusable',
  'port_in_use',
  'database_unavailable',
  'overloaded',
  'upload_aborted',
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** One wrong place inside a request: `pointer` is a JSON pointer or a query parameter name. */
export interface FieldError {
  pointer: string;
  code: string;
  detail: string;
}

export interface AppErrorOptions {
  cause?: unknown;
  errors?: FieldError[];
  /** Further members of the problem document, such as `allowed_transitions`. */
  extra?: Record<string, unknown>;
}

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly errors: FieldError[];
  readonly extra: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.errors = options.errors ?? [];
    this.extra = options.extra ?? {};
  }
}

/** One wrong value in a request. */
export function invalidValue(pointer: string, detail: string): AppError {
  return new AppError('invalid_request', `${pointer.replace(/^\//, '')}: ${detail}`, {
    errors: [{ pointer, code: 'invalid_value', detail }],
  });
}

/** Throws when one of our own promises is broken. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}

/** For the default branch of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** What a caught unknown says, for a log line or a cause. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
