/**
 * api/server — the API on a socket.
 *
 * Promises: a client has 20 s for its headers, and for its body what request-body.ts allows; there
 *           is no limit for a whole request, because a million rows may take a while. `close` lets
 *           running requests end for `graceMs`, then cuts them; it may be called twice.
 * Fails:    AppError `port_in_use`.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { getRequestListener, RequestError } from '@hono/node-server';
import { AppError } from '../kernel/errors.ts';
import { PROBLEMS, problemType } from './problem.ts';
import type { ApiRouter } from './router.ts';

export interface ApiServer {
  /** The one that was given, or the one the system chose for 0. */
  port: number;
  close(): Promise<void>;
}

export interface ApiServerOptions {
  host: string;
  port: number;
  /** How long `close` waits for running requests. */
  graceMs?: number;
}

const GRACE_MS = 10_000;
const HEADERS_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_MS = 30_000;
const MAX_HEADER_BYTES = 16_384;
const CHECK_EVERY_MS = 5_000;
const IDLE_CHECK_MS = 50;
/** Each may hold 64 KiB that nobody has read yet. More are closed as they come. */
const MAX_CONNECTIONS = 1_000;

export async function startApi(app: ApiRouter, options: ApiServerOptions): Promise<ApiServer> {
  const listener = getRequestListener(app.fetch, {
    // Leaves the global Request and Response alone.
    overrideGlobalObjects: false,
    errorHandler: answerOutside,
  });
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    (request, response) => void listener(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, options);
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : options.port;
  let closing: Promise<void> | null = null;
  return {
    port,
    close() {
      closing ??= closeServer(server, options.graceMs ?? GRACE_MS);
      return closing;
    },
  };
}

async function listen(server: Server, { host, port }: ApiServerOptions): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new AppError(
        'port_in_use',
        `the API cannot listen on ${host}:${port}, another process does: set VOLLEY_API_PORT`,
        { cause: error },
      );
    }
    throw error;
  }
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  // A connection that becomes idle only now has nobody else to close it.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}

/** What never reached the app (no URL can be made of it), or left it without an answer. */
function answerOutside(error: unknown): Response {
  const code = error instanceof RequestError ? 'invalid_body' : 'internal';
  const { status, title } = PROBLEMS[code];
  const detail =
    code === 'internal'
      ? 'something went wrong on our side'
      : 'the request line or the Host header is malformed';
  const document = { type: problemType(code), title, status, detail, code };
  return new Response(JSON.stringify(document), {
    status,
    headers: { 'Content-Type': 'application/problem+json' },
  });
}
