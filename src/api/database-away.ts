/**
 * api/database-away — whether an error says that PostgreSQL cannot do its work now.
 *
 * Promises: true for a lost, refused or timed-out connection, a server that starts or stops, and one
 *           that is out of disk, memory or connections. Such a request changed nothing and may be
 *           repeated; every other database error is a bug of ours.
 */

/** postgres.js and the socket below it. */
const CLIENT_CODES = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

/**
 * SQLSTATE classes: 08 connection, 28 it does not let us in, 3D000 no such database, 53 insufficient
 * resources, 57P operator intervention; 25006 is a server that became a read-only standby, 40 a
 * serialization failure or deadlock.
 */
const SERVER_CODES = /^(?:08...|28...|3D000|53...|57P0[1-5]|25006|40001|40P01)$/;

export function isDatabaseAway(error: unknown): boolean {
  for (let link = error, depth = 0; link instanceof Error && depth < 5; depth += 1) {
    const code: unknown = 'code' in link ? link.code : undefined;
    if (typeof code === 'string' && (CLIENT_CODES.has(code) || SERVER_CODES.test(code)))
      return true;
    link = link.cause;
  }
  return false;
}
