/**
 * api/problem — every error of the API, as a problem document (RFC 9457).
 *
 * Promises: one table from code to status; a code without a row does not compile, and docs/api.md
 *           is compared with it by a test. Every document has type, title, status, detail, instance,
 *           code and request_id; `errors` names the wrong fields.
 * Never:    shows what an unexpected error said: the caller gets `internal` and the request id, the
 *           log gets the rest under the same id.
 * Fails:    a lost or full database is `database_unavailable` (503, Retry-After), not `internal`.
 */
import type { Context, ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { routePath } from 'hono/route';
import { isDatabaseAway } from './database-away.ts';
import type { ApiEnv } from './environment.ts';
import { AppError } from '../kernel/errors.ts';
import type { ErrorCode } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';

export interface ProblemKind {
  status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 422 | 500 | 503;
  /** The same for every occurrence. */
  title: string;
  /** What the caller can do. */
  advice: string;
}

function kind(status: ProblemKind['status'], title: string, advice: string): ProblemKind {
  return { status, title, advice };
}

/** Codes of the command line; the API can only meet them as a bug. */
const LOCAL = kind(500, 'Not an error of the API', 'See the log of the server');

export const PROBLEMS = {
  invalid_request: kind(422, 'A value is not allowed', 'Correct the fields named in `errors`'),
  invalid_body: kind(400, 'The body cannot be read', 'Send well-formed JSON, NDJSON or CSV'),
  invalid_encoding: kind(400, 'The body is not in the encoding it claims', 'Send UTF-8'),
  body_too_large: kind(413, 'The body is too large', 'Send less, or stream it as an upload'),
  row_too_large: kind(413, 'A row of the upload is too large', 'Shorten the row'),
  unsupported_media_type: kind(415, 'The media type is not supported', 'Set Content-Type'),
  unauthenticated: kind(401, 'No valid API key', 'Send `Authorization: Bearer vk_...`'),
  forbidden: kind(403, 'The key lacks the scope', 'Use a key with the scope in `required_scope`'),
  not_found: kind(404, 'There is no such thing', 'Check the path and the id'),
  method_not_allowed: kind(405, 'The method is not allowed here', 'See the `Allow` header'),
  conflict: kind(409, 'It conflicts with what is there', 'Read the current state, then decide'),
  illegal_transition: kind(
    409,
    'The campaign cannot do that now',
    'See `allowed_transitions` for what it can do',
  ),
  idempotency_key_reused: kind(
    422,
    'The Idempotency-Key was used with another body',
    'Use a new key for a new request',
  ),
  idempotency_in_progress: kind(
    409,
    'The first request with this Idempotency-Key is still running',
    'Try again after the seconds in `Retry-After`',
  ),
  idempotency_key_invalid: kind(
    400,
    'The Idempotency-Key cannot be used',
    'Send 1 to 256 visible ASCII characters, bare or quoted',
  ),
  template_invalid: kind(422, 'The template does not compile', 'See line and reason in `errors`'),
  content_varies: kind(
    422,
    'One copy cannot serve all recipients',
    'Remove the variables named in `errors`, or use mode `parallel`',
  ),
  campaign_not_draft: kind(
    409,
    'The campaign has been started',
    'Make a new campaign for more recipients',
  ),
  campaign_empty: kind(409, 'The campaign has no recipients', 'Upload recipients, then start'),
  config_invalid: LOCAL,
  data_dir_in_use: LOCAL,
  data_dir_unusable: LOCAL,
  port_in_use: LOCAL,
  database_unavailable: kind(
    503,
    'The database is away',
    'Try again after the seconds in `Retry-After`; nothing was done',
  ),
  overloaded: kind(503, 'Too much at one time', 'Try again after the seconds in `Retry-After`'),
  upload_aborted: kind(400, 'The upload ended too early', 'Send it again; nothing was kept'),
  internal: kind(500, 'A fault in Volley', 'Report it with the request id'),
} as const satisfies Record<ErrorCode, ProblemKind>;

const RETRY_AFTER_SECONDS = '5';
const MEDIA_TYPE = 'application/problem+json';

/** Where `type` points: a page with title, meaning and advice. */
export function problemType(code: ErrorCode): string {
  return `/problems/${code}`;
}

/** The response for `error`, with the headers its code asks for. */
export function problemResponse(c: Context<ApiEnv>, error: AppError): Response {
  const { status, title } = PROBLEMS[error.code];
  if (error.code === 'unauthenticated') c.header('WWW-Authenticate', 'Bearer realm="volley"');
  if (status === 503 || error.code === 'idempotency_in_progress') {
    c.header('Retry-After', RETRY_AFTER_SECONDS);
  }
  const document = {
    ...error.extra,
    type: problemType(error.code),
    title,
    status,
    detail: error.message,
    instance: c.req.path,
    code: error.code,
    request_id: c.var.requestId,
    ...(error.errors.length > 0 ? { errors: error.errors } : {}),
  };
  return c.body(JSON.stringify(document), status, { 'Content-Type': MEDIA_TYPE });
}

/** What went wrong, in our own vocabulary; null when it is a bug. */
export function asAppError(error: unknown): AppError | null {
  if (error instanceof AppError) return error;
  if (error instanceof HTTPException) {
    return error.status === 415
      ? new AppError('unsupported_media_type', 'this route takes another Content-Type')
      : new AppError('invalid_body', error.message);
  }
  if (isDatabaseAway(error)) {
    return new AppError('database_unavailable', 'the database does not answer', { cause: error });
  }
  return null;
}

export function createErrorHandler(log: Logger): ErrorHandler<ApiEnv> {
  return (error, c) => {
    const known = asAppError(error);
    const answer = known ?? new AppError('internal', 'something went wrong on our side');
    if (PROBLEMS[answer.code].status >= 500) {
      const { requestId } = c.var;
      const facts = { requestId, method: c.req.method, route: routePath(c, -1), err: error };
      if (known === null) log.error(facts, 'request failed');
      else log.warn(facts, 'request refused');
    }
    return problemResponse(c, answer);
  };
}
