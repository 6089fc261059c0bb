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

export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: [...SECRET_NAMES, ...SECRET_NAMES.map((name) => `*.${name}`)],
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
