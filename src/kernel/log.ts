/**
 * kernel/log — one structured logger (pino), handed down as an argument.
 *
 * Promises: JSON lines on stderr, so that stdout stays for what a command prints. Known secret
 *           names are redacted wherever they stand.
 * Never:    logs message bodies, keys, passwords, or an address above level `debug`.
 */
import { pino } from 'pino';
import type { Logger } from 'pino';

export type { Logger };
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SECRET_NAMES = ['authorization', 'password', 'secret', 'privateKey', 'apiKey', 'databaseUrl'];

/** What an error says and where; not `detail` or `parameters` of PostgreSQL's, which quote rows. */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  return {
    type: error.name,
    message: error.message,
    ...('code' in error ? { code: error.code } : {}),
    stack: error.stack,
    ...(error.cause !== undefined && depth < 3
      ? { cause: describeError(error.cause, depth + 1) }
      : {}),
  };
}

export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: [...SECRET_NAMES, ...SECRET_NAMES.map((name) => `*.${name}`)],
      serializers: { err: (error: unknown) => describeError(error) },
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
