/**
 * api/idempotency — the same request again does no harm (draft-ietf-httpapi-idempotency-key-header).
 *
 * Promises: per API key, route and Idempotency-Key, one request runs. The same body again gets the
 *           stored status and body with `Idempotency-Replayed: true`, for 24 hours; another body
 *           gets 422. While the first is running the others get 409. The fingerprint is the SHA-256
 *           of the bytes as they came, taken while a streamed body passes through.
 * Not kept: answers of 5xx, and of requests whose body was not read to its end: those may be sent
 *           again under the same key.
 * Crash:    a row whose request died is taken over after 10 minutes; a living one is prolonged
 *           every minute, however long its upload takes.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { AppError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { Sql } from '../kernel/postgres/connect.ts';
import type { ApiEnv } from './environment.ts';
import type { RequestBody } from './request-body.ts';
import {
  claimIdempotencyKey,
  deleteOldIdempotencyKeys,
  prolongIdempotencyKey,
  releaseIdempotencyKey,
  selectAnswer,
  storeAnswer,
} from './store.ts';
import type { IdempotencyName } from './store.ts';

const BARE = /^[\x21\x23-\x7e]{1,256}$/;
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const MAX_KEY_LENGTH = 256;
/** Longer than any path of ours; the primary key's index takes 2,700 bytes. */
const MAX_ROUTE_LENGTH = 300;
const PROLONG_EVERY_MS = 60_000;

export interface IdempotencyDeps {
  sql: Sql;
  log: Logger;
}

/** The key as it is compared: without the quotes and escapes of an sf-string; null when unusable. */
export function parseIdempotencyKey(header: string): string | null {
  const text = header.trim();
  const quoted = QUOTED.exec(text)?.[1]?.replace(/\\(["\\])/g, '$1');
  const key = quoted ?? (BARE.test(text) ? text : '');
  return key.length >= 1 && key.length <= MAX_KEY_LENGTH ? key : null;
}

/** For the hourly maintenance. */
export async function purgeIdempotencyKeys(sql: Sql): Promise<number> {
  return deleteOldIdempotencyKeys(sql);
}

/** Runs after authentication and before anything reads the body; `maxBodyBytes` bounds a replay. */
export function idempotency(
  deps: IdempotencyDeps,
  maxBodyBytes: number,
): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const header = c.req.header('Idempotency-Key');
    if (header === undefined) return next();
    const name = nameOf(c, header);
    const token = await claimIdempotencyKey(deps.sql, name);
    if (token === undefined) return replay(c, deps, name, maxBodyBytes);

    const claim = hold(deps, name, token);
    await next();
    await settle(c, deps, name, await claim.end());
    return undefined;
  };
}

function nameOf(c: Context<ApiEnv>, header: string): IdempotencyName {
  const key = parseIdempotencyKey(header);
  if (key === null) {
    throw new AppError(
      'idempotency_key_invalid',
      `Idempotency-Key must have 1 to ${MAX_KEY_LENGTH} visible ASCII characters`,
    );
  }
  const route = `${c.req.method} ${new URL(c.req.url).pathname}`;
  if (route.length > MAX_ROUTE_LENGTH) throw new AppError('not_found', 'no such path');
  return { apiKeyId: c.var.caller.keyId, route, key };
}

/** Keeps the claim fresh until `end`, which answers the token that now holds it. */
function hold(deps: IdempotencyDeps, name: IdempotencyName, token: string) {
  let current = token;
  let running = Promise.resolve();
  const timer = setInterval(() => {
    running = running
      .then(async () => {
        current = (await prolongIdempotencyKey(deps.sql, name, current)) ?? current;
      })
      .catch((error: unknown) => deps.log.warn({ err: error }, 'idempotency key not prolonged'));
  }, PROLONG_EVERY_MS);
  timer.unref();
  return {
    async end(): Promise<string> {
      clearInterval(timer);
      await running;
      return current;
    },
  };
}

async function settle(
  c: Context<ApiEnv>,
  deps: IdempotencyDeps,
  name: IdempotencyName,
  token: string,
): Promise<void> {
  const fingerprint = c.var.body.fingerprint();
  try {
    if (c.res.status >= 500 || fingerprint === null) {
      await releaseIdempotencyKey(deps.sql, name, token);
    } else {
      const body = await c.res.clone().text();
      await storeAnswer(deps.sql, name, token, { fingerprint, status: c.res.status, body });
    }
  } catch (error) {
    // What the request did is committed; the caller must hear it.
    deps.log.warn({ requestId: c.var.requestId, err: error }, 'idempotent answer not stored');
  }
}

async function replay(
  c: Context<ApiEnv>,
  deps: IdempotencyDeps,
  name: IdempotencyName,
  maxBodyBytes: number,
): Promise<Response> {
  const answer = await selectAnswer(deps.sql, name);
  if (answer === undefined || answer === null) {
    throw new AppError('idempotency_in_progress', 'the first request with this key is running');
  }
  const fingerprint = await fingerprintOf(c.var.body, maxBodyBytes);
  if (fingerprint === null || !Buffer.from(fingerprint).equals(answer.fingerprint)) {
    throw new AppError(
      'idempotency_key_reused',
      'this Idempotency-Key was used on this route with another body',
    );
  }
  return new Response(answer.body, {
    status: answer.status,
    headers: {
      'Content-Type': answer.status < 400 ? 'application/json' : 'application/problem+json',
      'Idempotency-Replayed': 'true',
      ...(answer.status === 201 ? { Location: locationOf(c, answer.body) } : {}),
    },
  });
}

/** What was created stands under the path it was posted to. */
function locationOf(c: Context<ApiEnv>, body: string): string {
  const { id } = JSON.parse(body) as { id: string };
  return `${c.req.path}/${id}`;
}

async function fingerprintOf(body: RequestBody, maxBytes: number): Promise<Uint8Array | null> {
  let sizeBytes = 0;
  for await (const chunk of body.stream()) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxBytes) {
      throw new AppError('body_too_large', `the body may have at most ${maxBytes} bytes`);
    }
  }
  return body.fingerprint();
}
