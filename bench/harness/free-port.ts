/**
 * bench/free-port — a port for a program that must be told one.
 *
 * Promises: nobody listens on it now, and the kernel gives it to nobody by itself: it is below the range
 *           that outgoing connections and `listen(0)` get theirs from (Linux: from 32,768 on).
 * Why:      one that the kernel had chosen was taken again, by the next `listen(0)` or connection, before
 *           the program that was told it could listen.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST = 10_000;
const LAST = 32_000;
const TRIES = 50;

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(FIRST, LAST);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${FIRST} and ${LAST}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
